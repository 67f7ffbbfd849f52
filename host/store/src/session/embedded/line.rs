//! The two lines in front of sled: writes, applied in turn by one thread and flushed together, and reads, on a few threads.
//!
//! Sled keeps what is written in its own memory until a buffer is full or its thread wakes up. A write is therefore
//! acknowledged only after a flush, which hands it to the kernel: from then on a crash of the process cannot take it. The
//! thread applies whatever is waiting, up to [`BATCH_MAX`], and flushes once for all of it.

use super::{Counters, count, open::Home, table::Database};
use crate::{Key, session::StoreError};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How long a call may take, its wait in line included. Sled answers in microseconds and flushes in milliseconds; what takes longer hangs.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How many calls may wait in each line: more than a gateway has requests in flight. A caller then waits in front of it, up to the deadline.
const LINE_MAX: usize = 4096;
/// The most writes under one flush: bounds the wait of the first.
const BATCH_MAX: usize = 512;
/// Readers: two, so that one slow page of a listing does not hold up everyone, and few, because sled was seen to hang with eight.
const READERS: usize = 2;
/// How long a database that stopped is left alone before it is opened again: a full disk does not empty within microseconds.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Applies a write and says how to answer it once it is flushed; given why, when there is no database.
type Write = Box<dyn FnOnce(Result<&Database, &str>) -> Answer + Send>;
/// Answers a write: with its own result if that was an error or the flush went well, or with why it did not.
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
/// Reads and answers; given why, when there is no database.
type Read = Box<dyn FnOnce(Result<&Database, &str>) + Send>;

/// The lines and the threads behind them. Dropping it ends both after what is waiting.
#[derive(Debug)]
pub(super) struct Lines {
    writes: Option<mpsc::Sender<Write>>,
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
    /// The one place of those who count, given in turn.
    census: Semaphore,
}

/// The open database, or why there is none now.
type Shared = Arc<RwLock<Result<Database, String>>>;

impl Lines {
    pub(super) fn start(home: Home, database: Database, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let shared: Shared = Arc::new(RwLock::new(Ok(database)));
        let (writes, waiting_writes) = mpsc::channel(LINE_MAX);
        let (reads, waiting_reads) = mpsc::channel(LINE_MAX);
        let waiting_reads = Arc::new(Mutex::new(waiting_reads));
        let mut lines = Self {
            writes: Some(writes),
            reads: Some(reads),
            threads: Vec::new(),
            counters: Arc::clone(&counters),
            census: Semaphore::new(1),
        };
        for at in 0..READERS {
            let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting_reads));
            lines.spawn(format!("store-read-{at}"), move || read_all(&shared, &waiting))?;
        }
        let writer = Writer {
            home,
            shared,
            counters,
            tried: None,
        };
        lines.spawn("store-write".to_owned(), move || writer.run(waiting_writes))?;
        Ok(lines)
    }

    fn spawn(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = thread::Builder::new().name(name).spawn(body);
        self.threads
            .push(thread.map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?);
        Ok(())
    }

    /// Applies a write. Returns when it is flushed; a dropped future leaves it done or not done.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        apply: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let write: Write = Box::new(move |database| {
            let result = database.map_err(stopped).and_then(|database| guarded(|| apply(database)));
            Box::new(move |flushed| {
                // The caller may have gone; the write stays.
                let _ = answer.send(result.and_then(|done| flushed.map_err(stopped).map(|()| done)));
            })
        });
        self.wait(self.writes.as_ref(), write, answered).await
    }

    /// Applies a write that needs room; one that gives nothing is applied again when its deployment is counted. That is done in pieces: one of them at a time
    /// is in line, whosever it is, so that no write waits for more than one, and a deployment with little does not wait for one with much. Who goes away leaves
    /// what was counted to the next one.
    pub(super) async fn counted<T: Send + 'static>(
        &self,
        key: &Key,
        apply: impl Fn(&Database) -> Result<Option<T>, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = tokio::time::Instant::now() + CALL_TIMEOUT;
        loop {
            if let Some(done) = self.write(apply.clone()).await? {
                return Ok(done);
            }
            let counting = async {
                while !self.piece(key).await? {}
                Ok::<(), StoreError>(())
            };
            let late = |_| StoreError::Unavailable("what the deployment keeps is still being counted".to_owned());
            tokio::time::timeout_at(deadline, counting).await.map_err(late)??;
        }
    }

    async fn piece(&self, key: &Key) -> Result<bool, StoreError> {
        // It is never closed.
        let _turn = self.census.acquire().await;
        let key = key.clone();
        self.write(move |database| database.census(&key)).await
    }

    /// Reads. May see a write that is applied and not yet flushed.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        apply: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let read: Read = Box::new(move |database| {
            let _ = answer.send(database.map_err(stopped).and_then(|database| guarded(|| apply(database))));
        });
        self.wait(self.reads.as_ref(), read, answered).await
    }

    async fn wait<J, T>(
        &self,
        line: Option<&mpsc::Sender<J>>,
        job: J,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let gone = || stopped("it is shutting down");
        let done = async {
            line.ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        };
        tokio::time::timeout(CALL_TIMEOUT, done).await.unwrap_or_else(|_| {
            count(&self.counters.timeouts);
            Err(StoreError::Unavailable(format!(
                "no answer from the database within {} s",
                CALL_TIMEOUT.as_secs()
            )))
        })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.writes = None;
        self.reads = None;
        for thread in self.threads.drain(..) {
            // Every call is guarded, so there is no panic to pass on.
            let _ = thread.join();
        }
    }
}

fn stopped(reason: &str) -> StoreError {
    StoreError::Unavailable(format!("the database has stopped: {reason}"))
}

/// A panic in sled costs one call, not the thread.
fn guarded<T>(call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(StoreError::Unavailable("the database panicked".to_owned())))
}

fn read_all(shared: &Shared, waiting: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(read) = next else { return };
        read(
            shared
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map_err(String::as_str),
        );
    }
}

struct Writer {
    home: Home,
    shared: Shared,
    counters: Arc<Counters>,
    /// When it last tried to open a database that had stopped.
    tried: Option<Instant>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Write>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while let Some(first) = waiting.blocking_recv() {
            batch.push(first);
            while batch.len() < BATCH_MAX
                && let Ok(next) = waiting.try_recv()
            {
                batch.push(next);
            }
            self.apply(batch.drain(..));
        }
    }

    fn apply(&mut self, batch: impl Iterator<Item = Write>) {
        self.reopen();
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let database = shared.as_ref().map_err(String::as_str);
        let answers: Vec<Answer> = batch.map(|write| write(database)).collect();
        let flushed = database.map_or(Ok(0), |database| guarded(|| Ok(database.db.flush()?)));
        let failed = flushed.err().map(|error| error.to_string());
        drop(shared);
        if let Some(reason) = &failed {
            tracing::error!(%reason, "the session store stopped");
            self.close(reason);
        }
        for answer in answers {
            answer(failed.as_deref().map_or(Ok(()), Err));
        }
    }

    /// Waits for readers and closes the database: after an error of the disk sled refuses everything until it is opened anew.
    fn close(&mut self, reason: &str) {
        let closed = std::mem::replace(
            &mut *self.shared.write().unwrap_or_else(PoisonError::into_inner),
            Err(reason.to_owned()),
        );
        // Sled flushes as it closes, which fails again, and may panic.
        let _ = guarded(|| {
            drop(closed);
            Ok(())
        });
        self.tried = Some(Instant::now());
    }

    fn reopen(&mut self) {
        if self.tried.is_none_or(|tried| tried.elapsed() < REOPEN_AFTER) {
            return;
        }
        match self.home.reopen(&self.counters) {
            Ok(database) => {
                *self.shared.write().unwrap_or_else(PoisonError::into_inner) = Ok(database);
                self.tried = None;
                count(&self.counters.reopened);
                tracing::info!("the session store is open again");
            }
            Err(error) => {
                self.tried = Some(Instant::now());
                tracing::error!(%error, "the session store cannot be opened again");
            }
        }
    }
}
