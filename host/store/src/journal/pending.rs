//! What waits for its commit: visible to readers at once, taken by the writer in one piece.

use super::{JournalError, Mark};
use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How long the writer leaves marks alone that the disk refused, when nothing new comes: long enough for a full disk not to be asked all the time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long marks that nobody waits for may wait for company. A commit costs the same for one mark as for fifty; on a busy gateway this
/// makes 200 commits a second out of thousands. Whoever waits for the disk ends it at once.
const GROUP_WINDOW: Duration = Duration::from_millis(5);

/// Marks that fill a group: the window does not wait for more.
const GROUP_FULL: usize = 1_024;

/// The journal no longer takes anything.
#[derive(Debug)]
pub(super) struct Closed;

/// A sweep that waits for the writer.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) now: u64,
    pub(super) budget: usize,
    pub(super) answer: oneshot::Sender<Result<usize, JournalError>>,
}

/// Everything that waited when the writer came.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) marks: Vec<(Mark, u64)>,
    pub(super) tickets: Vec<oneshot::Sender<Result<(), JournalError>>>,
    pub(super) sweeps: Vec<Sweep>,
    /// Whether nothing will follow.
    pub(super) last: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Marks not on disk yet, each with its expiry. Bounded by what [`super::Journal::mark_done`] takes.
    marks: HashMap<Mark, u64>,
    tickets: Vec<oneshot::Sender<Result<(), JournalError>>>,
    sweeps: Vec<Sweep>,
    /// Marks on disk.
    stored: u64,
    /// Whether somebody waits for the disk to have one of `marks`.
    hurried: bool,
    /// Whether the disk refused some of `marks`.
    refused: bool,
    closing: bool,
}

impl State {
    /// Whether the next commit has a reason not to wait for company.
    fn is_due(&self) -> bool {
        self.hurried || self.closing || !self.sweeps.is_empty() || self.marks.len() >= GROUP_FULL
    }
}

#[derive(Debug)]
pub(super) struct Pending {
    state: Mutex<State>,
    changed: Condvar,
}

impl Pending {
    pub(super) fn new(stored: u64) -> Self {
        Self {
            state: Mutex::new(State {
                stored,
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    /// Nothing panics while it holds the lock half done, so a poisoned one guards a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn any_live(&self, marks: &[Mark], now: u64) -> bool {
        let state = self.state();
        marks.iter().any(|mark| state.marks.get(mark).is_some_and(|expires| *expires > now))
    }

    /// On disk and waiting; a mark that is both counts twice until its commit.
    pub(super) fn held(&self) -> u64 {
        let state = self.state();
        state.stored.saturating_add(state.marks.len() as u64)
    }

    pub(super) fn mark(&self, marks: Vec<Mark>, expires: u64, ticket: oneshot::Sender<Result<(), JournalError>>) -> Result<(), Closed> {
        let mut state = self.state();
        if state.closing {
            return Err(Closed);
        }
        for mark in marks {
            let kept = state.marks.entry(mark).or_insert(expires);
            *kept = expires.max(*kept);
        }
        state.tickets.push(ticket);
        // The writer sleeps until the first of a group and looks at the others when its window ends.
        if state.tickets.len() == 1 || state.is_due() {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Somebody waits for the disk.
    pub(super) fn hurry(&self) {
        self.state().hurried = true;
        self.changed.notify_one();
    }

    pub(super) fn sweep(&self, now: u64, budget: usize, answer: oneshot::Sender<Result<usize, JournalError>>) -> Result<(), Closed> {
        let mut state = self.state();
        if state.closing {
            return Err(Closed);
        }
        state.sweeps.push(Sweep { now, budget, answer });
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_one();
    }

    /// Waits for something to do and takes all of it. The marks stay visible until [`Self::committed`].
    pub(super) fn next(&self) -> Batch {
        let mut state = self.state();
        while state.tickets.is_empty() && state.sweeps.is_empty() && !state.closing {
            if state.refused {
                let (woken, waited) = self
                    .changed
                    .wait_timeout(state, RETRY_AFTER)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if waited.timed_out() {
                    break;
                }
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let window = Instant::now() + GROUP_WINDOW;
        while !state.is_due() && !state.tickets.is_empty() {
            let left = window.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.hurried = false;
        Batch {
            marks: state.marks.iter().map(|(mark, expires)| (mark.clone(), *expires)).collect(),
            tickets: std::mem::take(&mut state.tickets),
            sweeps: std::mem::take(&mut state.sweeps),
            last: state.closing,
        }
    }

    /// The file has these marks now, and this many in all.
    pub(super) fn committed(&self, marks: &[(Mark, u64)], stored: u64) {
        let mut state = self.state();
        for (mark, expires) in marks {
            // One that was marked again with a later expiry waits on.
            if state.marks.get(mark) == Some(expires) {
                state.marks.remove(mark);
            }
        }
        state.stored = stored;
        state.refused = false;
    }

    /// The disk refused these: they stay, but for those that a sweep would have removed.
    pub(super) fn refused(&self, swept_to: Option<u64>) {
        let mut state = self.state();
        if let Some(now) = swept_to {
            state.marks.retain(|_, expires| *expires > now);
        }
        state.refused = !state.marks.is_empty();
    }
}
