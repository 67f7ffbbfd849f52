//! Instances of the engine `async` that their revision keeps between its calls, where its deployment asks for it (`limits.reuse`).
//!
//! They are a part of their [`Revision`](crate::Revision), and reached by nothing else: two revisions, deployments or tenants never meet in one, also when they
//! run the same component. What is kept has places of its own, so that it takes none from calls: as many as the engine has beside those that run,
//! shared by tenants as the others are ([`crate::admission::pool`]), and paid for by memory.

mod keeper;

use crate::{
    admission::pool::{Place, Share},
    call::Sandbox,
    revision::Prepared,
};
pub(crate) use keeper::Keeper;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::time::Instant;
use tollgate_config::{TenantId, manifest::ReuseLimits};

/// Bytes of memory that go with one place for a kept instance; what has more takes several. An ordinary worker uses 2 to 10 MiB: the 64 places of the engine
/// hold half a GiB of what nobody calls.
pub(crate) const SLICE: usize = 8 << 20;

/// Why an instance ended that might have been called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its call did not end well: it failed, reached a limit or was given up, or its answer was not taken.
    Call,
    /// `limits.reuse.requests`.
    Requests,
    /// `limits.reuse.idle`.
    Idle,
    /// There was no place for it, or not for so large a one.
    Room,
    /// Its revision is retired, or its worker has left memory.
    Retired,
}

impl End {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::Call, Self::Requests, Self::Idle, Self::Room, Self::Retired];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Requests => "requests",
            Self::Idle => "idle",
            Self::Room => "room",
            Self::Retired => "retired",
        }
    }
}

/// What became of a revision's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reused {
    /// Kept now.
    pub kept: usize,
    /// Calls of a kept one.
    pub calls: u64,
    ended: [u64; End::ALL.len()],
}

impl Reused {
    /// How many ended for this reason.
    pub fn ended(&self, why: End) -> u64 {
        self.ended.get(why as usize).copied().unwrap_or_default()
    }
}

/// An instance between two calls.
pub(crate) struct Kept {
    sandbox: Sandbox,
    until: Instant,
    /// Given back after it.
    _places: Vec<Place>,
}

impl Kept {
    /// Whether it was made of this.
    pub(crate) fn is_of(&self, prepared: &Arc<Prepared>) -> bool {
        self.sandbox.is_of(prepared)
    }

    /// Whether it has waited for long enough.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.until <= now
    }

    fn end(self, why: End) {
        self.sandbox.end(why);
    }
}

/// The kept instances of one revision.
pub(crate) struct Reuse {
    limits: ReuseLimits,
    /// The newest last; `None` once the revision is retired.
    kept: Mutex<Option<VecDeque<Kept>>>,
    /// Its tenant's part of the places.
    share: Arc<Share>,
    keeper: Arc<Keeper>,
    calls: AtomicU64,
    ended: [AtomicU64; End::ALL.len()],
}

impl Reuse {
    /// Nothing where an instance is called once.
    pub(crate) fn new(limits: ReuseLimits, keeper: &Arc<Keeper>, tenant: &TenantId) -> Option<Self> {
        (limits.requests > 1).then(|| Self {
            limits,
            kept: Mutex::new(Some(VecDeque::new())),
            share: keeper.share(tenant),
            keeper: Arc::clone(keeper),
            calls: AtomicU64::new(0),
            ended: Default::default(),
        })
    }

    /// The one that was kept last: what is not needed grows idle. Whoever takes it has a place for calls.
    pub(crate) fn take(&self, prepared: &Arc<Prepared>, now: Instant) -> Option<Sandbox> {
        let kept = self.kept().as_mut()?.pop_back()?;
        if kept.is_idle(now) {
            kept.end(End::Idle);
            return None;
        }
        if !kept.is_of(prepared) {
            kept.end(End::Retired);
            return None;
        }
        self.calls.fetch_add(1, Relaxed);
        Some(kept.sandbox)
    }

    /// Keeps it if it may be called again and there is room. `is_here` says whether what it was made of is in memory.
    pub(crate) fn keep(&self, mut sandbox: Sandbox, is_here: impl Fn(&Arc<Prepared>) -> bool, now: Instant) {
        if sandbox.calls() >= self.limits.requests {
            return sandbox.end(End::Requests);
        }
        let cost = sandbox.memory().div_ceil(SLICE).max(1);
        let places: Option<Vec<_>> = (0..cost).map(|_| self.share.take()).collect();
        let Some(places) = places else { return sandbox.end(End::Room) };
        sandbox.rest();
        let kept = Kept {
            sandbox,
            until: now + self.limits.idle,
            _places: places,
        };
        if let Some(kept) = self.put(kept, is_here) {
            return kept.end(End::Retired);
        }
        self.keeper.watch();
    }

    /// Gives it back when it may not stay. Whoever evicts takes the worker out of memory first, and looks here then: one of the two sees the other.
    fn put(&self, kept: Kept, is_here: impl Fn(&Arc<Prepared>) -> bool) -> Option<Kept> {
        let mut all = self.kept();
        match &mut *all {
            Some(all) if is_here(kept.sandbox.prepared()) => {
                all.push_back(kept);
                None
            }
            _ => Some(kept),
        }
    }

    /// Whether it has any.
    pub(crate) fn keeps(&self) -> bool {
        self.kept().as_ref().is_some_and(|all| !all.is_empty())
    }

    /// Lets go of those for which this holds.
    pub(crate) fn let_go(&self, why: End, holds: impl Fn(&Kept) -> bool) {
        let mut gone = Vec::new();
        if let Some(all) = &mut *self.kept() {
            let (go, stay): (VecDeque<_>, _) = all.drain(..).partition(holds);
            (gone, *all) = (go.into(), stay);
        }
        // Not under the lock: it takes a while.
        gone.into_iter().for_each(|kept| kept.end(why));
    }

    /// Lets go of all, and keeps none from now on.
    pub(crate) fn retire(&self) {
        let all = self.kept().take();
        all.into_iter().flatten().for_each(|kept| kept.end(End::Retired));
    }

    pub(crate) fn ended(&self, why: End) {
        if let Some(count) = self.ended.get(why as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn reused(&self) -> Reused {
        Reused {
            kept: self.kept().as_ref().map_or(0, VecDeque::len),
            calls: self.calls.load(Relaxed),
            ended: std::array::from_fn(|at| self.ended.get(at).map_or(0, |count| count.load(Relaxed))),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<VecDeque<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
