//! One event runs once.
//!
//! `received` is in memory: a repeat of what still runs waits for it. `done` is in the journal: a repeat of what is done is known for as
//! long as its provider retries, over restarts too. A failed delivery leaves nothing behind, so that the provider's retry runs.

use http::StatusCode;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::watch;
use tollgate_store::{Journal, JournalError, Mark};

/// Marks in flight at most, each of about 200 bytes: eight times the pool's places, for those that wait in queues. The journal keeps room for as many.
pub(crate) const MAX_IN_FLIGHT: usize = tollgate_store::journal::IN_FLIGHT_MARKS as usize;

/// Marks in the journal at most: three days (the longest horizon) of eleven deliveries a second. A full journal answers 503 and evicts nothing that lives.
pub(crate) const MAX_DONE: u64 = 3_000_000;

/// The table. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dedupe {
    journal: Journal,
    received: Arc<Mutex<HashMap<Mark, Flight>>>,
    capacity: usize,
}

/// How the first one ended; `None` while it runs.
type Flight = watch::Receiver<Option<Ended>>;

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this status from the worker or the gateway.
    Answered(StatusCode),
    /// Its caller went away, and the call was cancelled with it.
    Abandoned,
}

/// What a delivery is.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The first: run it, and settle the ticket.
    First(Ticket),
    /// A repeat of one that runs.
    Running(Flight),
    /// A repeat of one that is done.
    Done,
}

/// Why it cannot be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DedupeError {
    /// No room. 503.
    #[error("no room for another mark")]
    Full,
    /// The journal. 503.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Dedupe {
    /// A table with room for `capacity` marks in flight.
    pub(crate) fn new(journal: Journal, capacity: usize) -> Self {
        Self {
            journal,
            received: Arc::default(),
            capacity,
        }
    }

    /// Enters a delivery under its marks; without marks every delivery is a first one. A hit on any mark is a repeat.
    ///
    /// # Errors
    /// When there is no room, or the journal does not answer. Nothing is left behind then.
    pub(crate) fn enter(&self, marks: Vec<Mark>, now: SystemTime, horizon: Duration) -> Result<Seen, DedupeError> {
        let (sender, flight) = watch::channel(None);
        if !marks.is_empty() {
            let mut received = self.lock();
            if let Some(running) = marks.iter().find_map(|mark| received.get(mark)) {
                return Ok(Seen::Running(running.clone()));
            }
            let in_flight = received.len() + marks.len();
            if in_flight > self.capacity || !self.journal.has_room(in_flight as u64) {
                return Err(DedupeError::Full);
            }
            received.extend(marks.iter().map(|mark| (mark.clone(), flight.clone())));
        }
        // The journal is asked outside the lock, and after the marks are in flight: `settle` makes the mark visible in the journal before it
        // leaves the flight, so whoever finds neither is the first.
        let ticket = Ticket {
            dedupe: self.clone(),
            marks,
            flight: sender,
            expires: now + horizon,
            settled: false,
        };
        if !ticket.marks.is_empty() && self.journal.any_done(&ticket.marks, now)? {
            ticket.known();
            return Ok(Seen::Done);
        }
        Ok(Seen::First(ticket))
    }

    /// Where marks are kept, for those that wait for no other.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Marks in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().len()
    }

    /// Marks in the journal.
    pub(crate) fn done(&self) -> u64 {
        self.journal.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Mark, Flight>> {
        // The map is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run a delivery, and the duty to say how it ended. Dropped unsettled, it says `Abandoned`.
#[derive(Debug)]
pub(crate) struct Ticket {
    dedupe: Dedupe,
    marks: Vec<Mark>,
    flight: watch::Sender<Option<Ended>>,
    expires: SystemTime,
    settled: bool,
}

impl Ticket {
    /// Says how it ended. A 2xx is done: its marks join the journal's next group commit, which nobody waits for here (DESIGN 3.6). Anything else is failed, and
    /// runs again when it is sent again.
    pub(crate) fn settle(mut self, status: StatusCode) {
        if status.is_success() && !self.marks.is_empty() {
            // Dropping the promise lets the commit go on.
            drop(self.dedupe.journal.mark_done(self.marks.clone(), self.expires));
        }
        self.end(Ended::Answered(status));
    }

    /// It was done before; who waits on this flight learns that.
    fn known(mut self) {
        self.end(Ended::Answered(StatusCode::OK));
    }

    fn end(&mut self, ended: Ended) {
        self.settled = true;
        if !self.marks.is_empty() {
            let mut received = self.dedupe.lock();
            for mark in &self.marks {
                received.remove(mark);
            }
        }
        self.flight.send_replace(Some(ended));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.end(Ended::Abandoned);
        }
    }
}

/// Waits for the first one's end, at most this long.
pub(crate) async fn outcome(mut flight: Flight, at_most: Duration) -> Option<Ended> {
    let ended = tokio::time::timeout(at_most, flight.wait_for(Option::is_some)).await.ok()?;
    // A sender that is gone without a word was dropped by a panic: abandoned too.
    Some(ended.ok().and_then(|ended| *ended).unwrap_or(Ended::Abandoned))
}

#[cfg(test)]
mod tests;
