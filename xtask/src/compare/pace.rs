//! One measurement at a constant rate. Each request has a time at which it is to be sent, whatever the server does, and its latency counts from then:
//! a request that has to wait because the one before it is late has waited too (what is known as coordinated omission).
//!
//! By our own threads, one for each connection: other load generators keep time by milliseconds, in which all that is measured here would drown.

use super::contender::HELLO_HOST;
use anyhow::{Context, Result, anyhow, ensure};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// What the kernel may be late by in waking us, in nanoseconds; it is 50,000 when nobody says otherwise. Threads have it from the one that starts them.
const TIMER_SLACK: (&str, &str) = ("/proc/self/timerslack_ns", "1");
/// From the last handshake to the first request.
const RUN_UP: Duration = Duration::from_millis(50);
/// Nobody who can keep the pace takes as long for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paced {
    /// Requests a second, as asked for.
    pub(super) rate: f64,
    /// All of them were answered.
    pub(super) requests: usize,
    /// From the time at which a request was to be sent, in milliseconds.
    pub(super) p50_ms: f64,
    /// Likewise.
    pub(super) p99_ms: f64,
    /// Likewise.
    pub(super) p999_ms: f64,
    /// From the time at which it was sent: the server's own share.
    pub(super) sent_p99_ms: f64,
}

/// Sends `GET /abc` at a rate for so long, spread evenly over the connections.
///
/// # Errors
/// When an answer is missing or another one, or the pace cannot be kept.
pub(super) fn run(address: SocketAddr, rate: f64, connections: usize, length: Duration) -> Result<Paced> {
    ensure!(rate > 0.0, "no rate to send at");
    // Where the kernel does not have it, latencies are longer by its slack, for everyone.
    let _ = fs::write(TIMER_SLACK.0, TIMER_SLACK.1);
    let lines = (0..connections).map(|_| Line::open(address)).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now() + RUN_UP;
    let interval = Duration::from_secs_f64(connections as f64 / rate);
    let threads = lines.into_iter().enumerate().map(|(number, line)| {
        let first = begin + interval.mul_f64(number as f64 / connections as f64);
        thread::spawn(move || line.keep(first, interval, length))
    });
    let threads: Vec<_> = threads.collect();
    let mut took = Vec::new();
    for thread in threads {
        took.extend(thread.join().map_err(|_| anyhow!("a connection's thread panicked"))??);
    }
    let mut due: Vec<_> = took.iter().map(|took| took.since_due).collect();
    let mut sent: Vec<_> = took.iter().map(|took| took.since_sent).collect();
    due.sort_unstable();
    sent.sort_unstable();
    Ok(Paced {
        rate,
        requests: took.len(),
        p50_ms: quantile(&due, 0.5),
        p99_ms: quantile(&due, 0.99),
        p999_ms: quantile(&due, 0.999),
        sent_p99_ms: quantile(&sent, 0.99),
    })
}

/// Of sorted times, in milliseconds.
fn quantile(times: &[Duration], share: f64) -> f64 {
    let at = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

struct Took {
    since_due: Duration,
    since_sent: Duration,
}

/// A connection, and room for an answer.
struct Line {
    stream: TcpStream,
    request: String,
    answer: [u8; 4096],
}

impl Line {
    /// Connects, and asks once.
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET /abc HTTP/1.1\r\nHost: {HELLO_HOST}\r\n\r\n");
        let answer = [0; 4096];
        let mut line = Self { stream, request, answer };
        line.ask()?;
        Ok(line)
    }

    /// Sends each request when it is due, or at once when that is over.
    fn keep(mut self, first: Instant, interval: Duration, length: Duration) -> Result<Vec<Took>> {
        let mut took = Vec::with_capacity((length.as_secs_f64() / interval.as_secs_f64()) as usize + 1);
        let given_up = first + length + PATIENCE;
        for number in 0_u32.. {
            let due = first + interval.mul_f64(f64::from(number));
            if due >= first + length {
                break;
            }
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                thread::sleep(early);
            }
            let sent = Instant::now();
            ensure!(sent < given_up, "the pace cannot be kept: {} s behind", PATIENCE.as_secs());
            self.ask()?;
            let came = Instant::now();
            took.push(Took {
                since_due: came.saturating_duration_since(due),
                since_sent: came.saturating_duration_since(sent),
            });
        }
        Ok(took)
    }

    /// One request and all of its answer, which must be the right one.
    fn ask(&mut self) -> Result<()> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut end = 0;
        loop {
            let room = self.answer.get_mut(end..).unwrap_or_default();
            let count = self.stream.read(room).context("an answer is missing")?;
            end += count;
            let answer = self.answer.get(..end).unwrap_or_default();
            let told = || String::from_utf8_lossy(answer).into_owned();
            ensure!(count > 0, "closed, or too long an answer, after {:?}", told());
            ensure!(answer.starts_with(OK), "not the answer: {:?}", told());
            // In one piece whose length was told before, or in chunks: the same server does both, as it has the body by then or not.
            if answer.ends_with(CHUNKED) || (answer.ends_with(BODY) && !answer.windows(IN_CHUNKS.len()).any(|part| part == IN_CHUNKS)) {
                return Ok(());
            }
            // Nothing follows these.
            ensure!(!answer.ends_with(b"\r\n0\r\n\r\n"), "not the answer: {:?}", told());
        }
    }
}

/// How every answer begins.
const OK: &[u8] = b"HTTP/1.1 200";
/// How it ends, when its length was told before.
const BODY: &[u8] = b"hello /abc";
/// How it ends in chunks.
const CHUNKED: &[u8] = b"hello /abc\r\n0\r\n\r\n";
/// Which of the two it is.
const IN_CHUNKS: &[u8] = b"transfer-encoding: chunked\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_quantile_is_the_time_that_so_many_kept() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        for (share, expected) in [(0.5, 100.0), (0.99, 198.0), (0.999, 200.0)] {
            assert!((quantile(&times, share) - expected).abs() < 1e-9, "{share}");
        }
    }

    /// One connection whose server answers each request with these bytes.
    fn against(answers: &'static [&'static str]) -> Result<Paced> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            let mut chunk = [0; 1024];
            for answer in answers {
                if stream.read(&mut chunk)? == 0 {
                    break;
                }
                stream.write_all(answer.as_bytes())?;
            }
            Ok(())
        });
        let paced = run(address, 1000.0, 1, Duration::from_millis(3));
        drop(server.join());
        paced
    }

    #[test]
    fn every_answer_is_looked_at() {
        const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello /abc";
        const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\nhello /abc\r\n0\r\n\r\n";
        const BAD: &str = "HTTP/1.1 503 No\r\ncontent-length: 10\r\n\r\nhello /abc";
        const EMPTY: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(against(&[GOOD, GOOD, CHUNKS, GOOD]).map(|paced| paced.requests).ok(), Some(3));
        assert!(against(&[GOOD, GOOD, BAD, GOOD]).is_err());
        assert!(against(&[GOOD, EMPTY, GOOD, GOOD]).is_err());
        assert!(against(&[GOOD, GOOD]).is_err());
    }
}
