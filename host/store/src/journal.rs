//! The journal: what is promised, on redb, synced by group commit.

use std::{path::Path, time::SystemTime};
use tollgate_config::EndpointId;

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
#[derive(Debug, thiserror::Error)]
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

/// The journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {}

/// A write that joins the next group commit.
#[derive(Debug)]
pub struct Committing {}

impl Committing {
    /// Waits until it is synced. Dropping this instead lets the commit go on.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub async fn synced(self) -> Result<(), JournalError> {
        todo!()
    }
}

impl Journal {
    /// Opens or creates the journal in this folder; holds at most `max_marks` live marks.
    ///
    /// # Errors
    /// When it is newer, held by another process, or cannot be read.
    pub fn open(folder: &Path, max_marks: u64) -> Result<Self, JournalError> {
        let _ = (folder, max_marks);
        todo!()
    }

    /// A journal that is gone with the process.
    pub fn in_memory(max_marks: u64) -> Self {
        let _ = max_marks;
        todo!()
    }

    /// Whether one of these is marked as done and still lives; sees writes that have not been synced yet.
    pub fn any_done(&self, marks: &[Mark], now: SystemTime) -> Result<bool, JournalError> {
        let _ = (marks, now);
        todo!()
    }

    /// Whether another `more` marks fit.
    pub fn has_room(&self, more: u64) -> bool {
        let _ = more;
        todo!()
    }

    /// Marks as done until `expires`. Visible to `any_done` at once, on disk with the next group commit.
    pub fn mark_done(&self, marks: Vec<Mark>, expires: SystemTime) -> Committing {
        let _ = (marks, expires);
        todo!()
    }

    /// Removes up to `budget` expired marks; says how many.
    pub async fn sweep(&self, now: SystemTime, budget: usize) -> Result<usize, JournalError> {
        let _ = (now, budget);
        todo!()
    }

    /// Live and expired marks that it holds.
    pub fn len(&self) -> u64 {
        todo!()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
