//! The journal: what is promised, on redb, synced by group commit.
//!
//! One thread writes (`writer`): it takes whatever is waiting, commits it with one fsync and answers all of it. What waits
//! is visible at once (`pending`), so that a delivery that is done stays done while its commit is on the way, and while a
//! full disk refuses it. The file and its tables are in `file`.

mod file;
mod pending;
#[cfg(test)]
mod tests;
mod writer;

use file::Source;
use pending::{Closed, Pending};
use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};
use tokio::sync::oneshot;
use tollgate_config::EndpointId;
use writer::Writer;

use crate::clock::millis;

/// What a mark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkKind {
    /// An event's id.
    Id,
    /// The signed body.
    Body,
}

/// Says that a delivery of this endpoint is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// Whose.
    pub endpoint: EndpointId,
    /// Of what.
    pub kind: MarkKind,
    /// SHA-256 of it.
    pub hash: [u8; 32],
}

/// Why the journal did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Written by a newer Tollgate.
    #[error("the journal at {path} has format {found}; this build reads {known}: run the Tollgate that wrote it, or a newer one")]
    Newer {
        /// Where.
        path: String,
        /// Its format.
        found: u64,
        /// What is known.
        known: u64,
    },
    /// As many live marks as it may hold.
    #[error("the journal holds {0} live marks, as many as it may")]
    Full(u64),
    /// The disk, or the database on it.
    #[error("the journal is unavailable: {0}")]
    Unavailable(String),
}

/// The journal. Cheap to clone. When the last clone goes, what is waiting is committed first.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pending: Arc<Pending>,
    source: Arc<Source>,
    max_marks: u64,
    writer: Option<JoinHandle<()>>,
}

/// A write that joins the next group commit.
#[derive(Debug)]
pub struct Committing {
    answered: oneshot::Receiver<Result<(), JournalError>>,
    /// Absent when there is nothing to hurry: it was refused at once.
    pending: Option<Arc<Pending>>,
}

impl Committing {
    /// Waits until it is synced, and ends the wait for company. Dropping this instead lets the commit go on in its own time.
    ///
    /// # Errors
    /// When the disk did not take it. The marks stay visible in this process all the same, and join the next commits until one goes well.
    pub async fn synced(self) -> Result<(), JournalError> {
        if let Some(pending) = self.pending {
            pending.hurry();
        }
        self.answered.await.unwrap_or_else(|_| Err(closed()))
    }

    fn failed(error: JournalError) -> Self {
        let (answer, answered) = oneshot::channel();
        // The receiver is in hand.
        let _ = answer.send(Err(error));
        Self { answered, pending: None }
    }
}

/// How many marks over its limit the journal still takes: [`Journal::has_room`] is asked when a delivery is admitted, and those
/// already admitted must find a place for theirs. More than a gateway has in flight.
pub const IN_FLIGHT_MARKS: u64 = 8192;

impl Journal {
    /// Opens or creates the journal in this folder; holds at most `max_marks` live marks.
    ///
    /// # Errors
    /// When it is newer, held by another process, or cannot be read. A journal is never moved aside or emptied: it is a promise.
    pub fn open(folder: &Path, max_marks: u64) -> Result<Self, JournalError> {
        Self::start(Source::file(folder)?, max_marks)
    }

    /// A journal that is gone with the process.
    ///
    /// # Errors
    /// When the system gives no memory for it, or no thread.
    pub fn in_memory(max_marks: u64) -> Result<Self, JournalError> {
        Self::start(Source::memory()?, max_marks)
    }

    /// Whether one of these is marked as done and still lives; sees writes that have not been synced yet.
    pub fn any_done(&self, marks: &[Mark], now: SystemTime) -> Result<bool, JournalError> {
        let now = millis(now);
        // Pending first: a mark leaves it only after the commit that a later read of the file sees.
        if self.inner.pending.any_live(marks, now) {
            return Ok(true);
        }
        self.inner.source.any_live(marks, now)
    }

    /// Whether another `more` marks fit.
    pub fn has_room(&self, more: u64) -> bool {
        self.len().saturating_add(more) <= self.inner.max_marks
    }

    /// Marks as done until `expires`. Visible to `any_done` at once, on disk with the next group commit. A mark that is there keeps
    /// the later expiry.
    pub fn mark_done(&self, marks: Vec<Mark>, expires: SystemTime) -> Committing {
        let most = self.inner.max_marks.saturating_add(IN_FLIGHT_MARKS);
        if self.len().saturating_add(marks.len() as u64) > most {
            return Committing::failed(JournalError::Full(self.inner.max_marks));
        }
        let (answer, answered) = oneshot::channel();
        match self.inner.pending.mark(marks, millis(expires), answer) {
            Ok(()) => Committing {
                answered,
                pending: Some(Arc::clone(&self.inner.pending)),
            },
            Err(Closed) => Committing::failed(closed()),
        }
    }

    /// Removes up to `budget` expired marks; says how many.
    pub async fn sweep(&self, now: SystemTime, budget: usize) -> Result<usize, JournalError> {
        let (answer, answered) = oneshot::channel();
        self.inner.pending.sweep(millis(now), budget, answer).map_err(|Closed| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Live and expired marks that it holds.
    pub fn len(&self) -> u64 {
        self.inner.pending.held()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn start(source: Source, max_marks: u64) -> Result<Self, JournalError> {
        let pending = Arc::new(Pending::new(source.count()?));
        let source = Arc::new(source);
        let writer = Writer {
            pending: Arc::clone(&pending),
            source: Arc::clone(&source),
        };
        let writer = thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        let writer = Some(writer.map_err(|error| JournalError::Unavailable(format!("cannot start its thread: {error}")))?);
        Ok(Self {
            inner: Arc::new(Inner {
                pending,
                source,
                max_marks,
                writer,
            }),
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pending.close();
        if let Some(writer) = self.writer.take() {
            // Its calls into the database are guarded, so there is no panic to pass on.
            let _ = writer.join();
        }
    }
}

fn closed() -> JournalError {
    JournalError::Unavailable("it is closed".to_owned())
}
