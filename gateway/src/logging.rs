//! Logs: JSON lines on stderr, the access log too, filtered by `RUST_LOG` (default `info`).
//!
//! A log never holds up a request: lines go through a bounded queue to a thread of their own, and what does not fit is dropped and
//! counted ([`dropped`]).

mod queue;

use queue::Queue;
use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// What is logged when `RUST_LOG` does not say, or says what cannot be understood.
const DEFAULT_FILTER: &str = "info";
/// How long the end of the process waits for a reader of stderr that has stopped reading.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// One process has one log, as it has one stderr.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// The log. Dropping it writes what is queued, for at most a second.
#[derive(Debug)]
pub struct Logs(Arc<Queue>);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.close(FLUSH_DEADLINE);
    }
}

/// Starts the log of this process. A second call gives the same one.
pub fn start() -> Logs {
    let queue = QUEUE.get_or_init(|| Queue::start(io::stderr())).clone();
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.trim().is_empty());
    let understood = asked.as_deref().map(EnvFilter::try_new);
    let wrong = matches!(understood, Some(Err(_)));
    let filter = understood.and_then(Result::ok).unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(Lines(queue.clone()))
        .finish();
    // Only the first start of a process sets it; the queue is the same.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if wrong {
        tracing::warn!("RUST_LOG cannot be understood; logging at {DEFAULT_FILTER}");
    }
    Logs(queue)
}

/// Lines that were dropped because stderr was not read fast enough, since the process began.
pub fn dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

struct Lines(Arc<Queue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes one line: the formatter writes each with a single call.
struct Line<'a>(&'a Queue);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
