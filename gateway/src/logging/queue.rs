//! A bounded queue of lines with a thread that writes them. Pushing never waits for the writer.

use std::{
    fmt,
    io::Write,
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Most bytes that wait or are being written: two seconds of a busy gateway's access log, little beside one worker's memory.
const MAX_BYTES: usize = 8 << 20;
/// Longest line, in bytes: the longest request target and head with room to spare.
const MAX_LINE: usize = 128 << 10;

/// Room that the writer keeps between batches, in bytes: the pipe's own.
const KEPT_BYTES: usize = 64 << 10;

/// Lines on their way out.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was pushed, or the queue was closed.
    pushed: Condvar,
    /// The writer has ended.
    ended: Condvar,
    dropped: AtomicU64,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    /// Whole lines, one after the other.
    waiting: Vec<u8>,
    /// Lines in `waiting`.
    lines: u64,
    /// Bytes that the writer has taken and not yet written.
    taken: usize,
    closed: bool,
    ended: bool,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl Queue {
    /// A queue, and the thread that writes its lines.
    pub(super) fn start(out: impl Write + Send + 'static) -> Arc<Self> {
        Self::with_room(MAX_BYTES, out)
    }

    fn with_room(max_bytes: usize, out: impl Write + Send + 'static) -> Arc<Self> {
        let queue = Arc::new(Self {
            state: Mutex::default(),
            pushed: Condvar::new(),
            ended: Condvar::new(),
            dropped: AtomicU64::new(0),
            max_bytes,
        });
        let writer = queue.clone();
        let started = thread::Builder::new().name("log".to_owned()).spawn(move || writer.write(out));
        if started.is_err() {
            // Without its thread every line is dropped and counted, and nothing waits for the end.
            let mut state = queue.lock();
            (state.closed, state.ended) = (true, true);
        }
        queue
    }

    /// Takes a line, or drops and counts it. The lock is held for a copy and no longer.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let held = state.waiting.len() + state.taken;
        if state.closed || line.len() > MAX_LINE || held + line.len() > self.max_bytes {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(line);
        state.lines += 1;
        drop(state);
        self.pushed.notify_one();
    }

    /// Lines that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes nothing more and waits until all is written, or for `deadline`.
    pub(super) fn close(&self, deadline: Duration) {
        let mut state = self.lock();
        state.closed = true;
        self.pushed.notify_one();
        let _ = self.ended.wait_timeout_while(state, deadline, |state| !state.ended);
    }

    fn write(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                if state.closed {
                    break;
                }
                state = self.pushed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            mem::swap(&mut batch, &mut state.waiting);
            let lines = mem::take(&mut state.lines);
            state.taken = batch.len();
            drop(state);
            if out.write_all(&batch).and_then(|()| out.flush()).is_err() {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
            // A burst's buffer is not kept.
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            state = self.lock();
            state.taken = 0;
        }
        state.ended = true;
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left at worst half a line.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::{
        io,
        sync::mpsc::{Receiver, SyncSender, sync_channel},
    };

    const LONG: Duration = Duration::from_secs(60);

    /// Says that a write has begun, and ends it when it is allowed to.
    struct Slow {
        began: SyncSender<()>,
        go_on: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            let _ = self.go_on.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time() {
        let (began, has_begun) = sync_channel(1);
        let (allow, go_on) = sync_channel(1);
        let written = Arc::new(Mutex::new(Vec::new()));
        let queue = Queue::with_room(
            8,
            Slow {
                began,
                go_on,
                written: written.clone(),
            },
        );
        queue.push(b"one\n");
        has_begun.recv().unwrap();
        // The writer holds four bytes and stands still: one more line fits, the others are dropped.
        for line in [b"two\n", b"3th\n", b"4th\n"] {
            queue.push(line);
        }
        assert_eq!(queue.dropped(), 2);
        drop(allow);
        queue.close(LONG);
        assert_eq!(*written.lock().unwrap(), b"one\ntwo\n");
        queue.push(b"late\n");
        assert_eq!(queue.dropped(), 3);
    }

    #[test]
    fn the_end_waits_no_longer_than_its_deadline() {
        let (began, has_begun) = sync_channel(1);
        let (allow, go_on) = sync_channel::<()>(1);
        let queue = Queue::with_room(
            8,
            Slow {
                began,
                go_on,
                written: Arc::default(),
            },
        );
        queue.push(b"one\n");
        has_begun.recv().unwrap();
        queue.close(Duration::ZERO);
        drop(allow);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = Queue::start(Broken);
        queue.push(b"one\n");
        queue.push(&vec![b'x'; MAX_LINE + 1]);
        queue.close(LONG);
        assert_eq!(queue.dropped(), 2);
    }
}
