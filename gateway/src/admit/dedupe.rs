//! One event runs once.
//!
//! `received` is in memory: a repeat of what still runs waits for it. `done` is in the journal: a repeat of what is done is known for as
//! long as its provider retries, over restarts too. A failed delivery leaves nothing behind, so that the provider's retry runs.

mod tally;

use http::StatusCode;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tally::Tally;
use tokio::sync::watch;
use tollgate_config::TenantId;
use tollgate_store::{Journal, JournalError, Mark};

/// Marks in flight at most, each of about 200 bytes: eight times the pool's places, for those that wait in queues. The journal keeps room for as many.
pub(crate) const MAX_IN_FLIGHT: usize = tollgate_store::journal::IN_FLIGHT_MARKS as usize;

/// Marks in the journal at most: eight days (the longest horizon) of four deliveries a second, or a day of thirty-five. A full journal answers 503 and evicts nothing that lives.
pub(crate) const MAX_DONE: u64 = 3_000_000;

/// A tenant's share where there are several: half of the table, in flight and done, so that one that is flooded leaves as much to all others.
const TENANT_SHARE: usize = 2;

/// How much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Marks in flight, of all tenants.
    pub(crate) in_flight: usize,
    /// Marks in flight of one tenant.
    pub(crate) in_flight_each: usize,
    /// Live marks of one tenant that this process has made; the journal bounds those of all.
    pub(crate) done_each: u64,
}

impl Bounds {
    /// For a gateway with so many tenants. One alone may have it all.
    pub(crate) fn of_tenants(tenants: usize) -> Self {
        let share = if tenants > 1 { TENANT_SHARE } else { 1 };
        Self {
            in_flight: MAX_IN_FLIGHT,
            in_flight_each: MAX_IN_FLIGHT / share,
            done_each: MAX_DONE / share as u64,
        }
    }
}

/// The table. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dedupe {
    journal: Journal,
    received: Arc<Mutex<Received>>,
    bounds: Bounds,
}

/// What is in flight, and how much each tenant has.
#[derive(Debug, Default)]
struct Received {
    marks: HashMap<Mark, Flight>,
    tenants: HashMap<TenantId, Tally>,
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
    /// No room in the tenant's share. 503.
    #[error("no room for another mark of this tenant's")]
    ShareFull,
    /// The journal. 503.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Dedupe {
    /// An empty table over what the journal knows.
    pub(crate) fn new(journal: Journal, bounds: Bounds) -> Self {
        Self {
            journal,
            received: Arc::default(),
            bounds,
        }
    }

    /// Enters a tenant's delivery under its marks; without marks every delivery is a first one. A hit on any mark is a repeat.
    ///
    /// # Errors
    /// When there is no room, or the journal does not answer. Nothing is left behind then.
    pub(crate) fn enter(&self, tenant: &TenantId, marks: Vec<Mark>, now: SystemTime, horizon: Duration) -> Result<Seen, DedupeError> {
        let (sender, flight) = watch::channel(None);
        if !marks.is_empty() {
            let mut received = self.lock();
            if let Some(running) = marks.iter().find_map(|mark| received.marks.get(mark)) {
                return Ok(Seen::Running(running.clone()));
            }
            let in_flight = received.marks.len() + marks.len();
            if in_flight > self.bounds.in_flight || !self.journal.has_room(in_flight as u64) {
                return Err(DedupeError::Full);
            }
            let tally = received.tenants.entry(tenant.clone()).or_default();
            let own = tally.in_flight + marks.len();
            if own > self.bounds.in_flight_each || tally.done(now) + own as u64 > self.bounds.done_each {
                return Err(DedupeError::ShareFull);
            }
            tally.in_flight = own;
            received.marks.extend(marks.iter().map(|mark| (mark.clone(), flight.clone())));
        }
        // The journal is asked outside the lock, and after the marks are in flight: `settle` makes the mark visible in the journal before it
        // leaves the flight, so whoever finds neither is the first.
        let ticket = Ticket {
            dedupe: self.clone(),
            tenant: tenant.clone(),
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
        self.lock().marks.len()
    }

    /// Marks in the journal.
    pub(crate) fn done(&self) -> u64 {
        self.journal.len()
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        // Map and tallies are whole after every statement, so a panic elsewhere leaves nothing half done.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run a delivery, and the duty to say how it ended. Dropped unsettled, it says `Abandoned`.
#[derive(Debug)]
pub(crate) struct Ticket {
    dedupe: Dedupe,
    tenant: TenantId,
    marks: Vec<Mark>,
    flight: watch::Sender<Option<Ended>>,
    expires: SystemTime,
    settled: bool,
}

impl Ticket {
    /// Says how it ended. A 2xx is done: its marks join the journal's next group commit, which nobody waits for here. Anything else is failed, and
    /// runs again when it is sent again.
    pub(crate) fn settle(mut self, status: StatusCode) {
        if status.is_success() && !self.marks.is_empty() {
            // Dropping the promise lets the commit go on.
            drop(self.dedupe.journal.mark_done(self.marks.clone(), self.expires));
            let mut received = self.dedupe.lock();
            let tally = received.tenants.entry(self.tenant.clone()).or_default();
            tally.add(self.marks.len(), self.expires);
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
                received.marks.remove(mark);
            }
            if let Some(tally) = received.tenants.get_mut(&self.tenant) {
                tally.in_flight = tally.in_flight.saturating_sub(self.marks.len());
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
mod model;
#[cfg(test)]
mod tests;
