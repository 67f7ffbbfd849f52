//! What the parts of one call tell each other, and whose fault its end is.

use crate::{CallError, Revision, engine::TICK, limits::CpuBudget};
use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// What a call, its body and its limits know of each other.
#[derive(Debug)]
pub(crate) struct Shared {
    failure: OnceLock<CallError>,
    /// What the caller holds up: a worker that waits for it has not failed by its own fault.
    pub(crate) caller: Caller,
    cpu: Mutex<CpuBudget>,
}

/// What a caller does about its request and its answer.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// The worker asks for more of its body, and it does not come.
    owes: AtomicBool,
    /// The same, where a breaker has to know it.
    waits: Option<Arc<AtomicBool>>,
    /// The worker has its body, to its end or not.
    pub(crate) holds_body: AtomicBool,
    /// Its body broke off.
    pub(crate) broke: AtomicBool,
    /// The answer goes on, and it takes nothing.
    pub(crate) lags: AtomicBool,
}

impl Caller {
    /// Notes whether the worker waits for more of the body.
    pub(crate) fn owes(&self, owes: bool) {
        self.owes.store(owes, Relaxed);
        if let Some(waits) = &self.waits {
            waits.store(owes, Relaxed);
        }
    }

    fn is_to_blame(&self, error: &CallError) -> bool {
        match error {
            CallError::Wall | CallError::FirstByte | CallError::Stall => self.owes.load(Relaxed) || self.lags.load(Relaxed),
            CallError::Trap(_) | CallError::ErrorCode(_) | CallError::NoAnswer => self.broke.load(Relaxed),
            _ => false,
        }
    }
}

/// A call without an answer, and whether that is the worker's fault.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: CallError,
    pub(crate) is_workers: bool,
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self {
            is_workers: error.is_workers(),
            error,
        }
    }
}

impl Shared {
    pub(super) fn new(revision: &Revision, waits: Option<Arc<AtomicBool>>) -> Arc<Self> {
        Arc::new(Self {
            failure: OnceLock::new(),
            caller: Caller {
                waits,
                ..Caller::default()
            },
            cpu: Mutex::new(CpuBudget::new(revision.limits.cpu, TICK)),
        })
    }

    /// Keeps the first failure: what follows from it is no news.
    pub(crate) fn fail(&self, error: CallError) {
        let _ = self.failure.set(error);
    }

    /// Whose fault it is.
    pub(crate) fn judge(&self, error: CallError) -> Failed {
        Failed {
            is_workers: error.is_workers() && !self.caller.is_to_blame(&error),
            error,
        }
    }

    pub(crate) fn failure(&self) -> Option<CallError> {
        self.failure.get().cloned()
    }

    /// Whether nothing failed, the caller is still there, and the worker has let go of its body.
    pub(crate) fn ended_well(&self) -> bool {
        let Caller { broke, holds_body, .. } = &self.caller;
        self.failure.get().is_none() && !broke.load(Relaxed) && !holds_body.load(Relaxed)
    }

    pub(super) fn cpu<T>(&self, change: impl FnOnce(&mut CpuBudget) -> T) -> T {
        change(&mut self.cpu.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
