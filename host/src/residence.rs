//! What is in memory: workers are brought there when a call needs them, and leave when nobody has called them for a while or others need the room.
//!
//! A [`Unit`] is one component with its warm-up, whoever uses it: thousands of revisions of a few packs are a few units. Only one whose compiled
//! code lies in the cache may leave: bringing it back is then a read, not a compilation. All others stay.

mod counters;
mod unit;

pub(crate) use unit::{Maker, Unit};

pub use counters::{Activations, Durations, Loaded};
pub use unit::Components;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};
use tollgate_config::manifest::{CACHE_IDLE, CACHE_LOADED};

/// Between two notes, on the disk, that what is in memory is in use: after a restart the cache must not take it for forgotten. It counts in days.
const NOTE_EVERY: Duration = Duration::from_secs(3600);

/// How much stays in memory, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidenceLimits {
    /// Most bytes of compiled workers, as large as they are in the cache. The one that was not called for longest leaves first. One alone may
    /// have more.
    pub bytes: u64,
    /// One that was not called for so long leaves at the next [`crate::Host::sweep`].
    pub idle: Duration,
}

impl Default for ResidenceLimits {
    fn default() -> Self {
        Self {
            bytes: CACHE_LOADED.get(),
            idle: CACHE_IDLE,
        }
    }
}

/// Why one left.
#[derive(Debug, Clone, Copy)]
enum Leave {
    Idle,
    Room,
}

/// All units of one host.
pub(crate) struct Residence<M: Maker> {
    limits: ResidenceLimits,
    began: Instant,
    /// Milliseconds since it began, as of the last activation or sweep. A call takes its time from here: reading a clock for each would cost more
    /// than it tells.
    clock: AtomicU64,
    /// Where that clock stood at the last sweep.
    swept: AtomicU64,
    /// And when use was last noted.
    noted: AtomicU64,
    units: Mutex<HashMap<blake3::Hash, Weak<Unit<M>>>>,
    /// Reads at once: each verifies and copies megabytes, which more threads than cores do no sooner.
    reads: Semaphore,
    /// Compilations that are asked for at once: each holds a thread until it has a place among the compilers.
    compilations: Semaphore,
    pub(crate) counters: Activations,
}

impl<M: Maker> Residence<M> {
    pub(crate) fn new(limits: ResidenceLimits) -> Arc<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            limits,
            began: Instant::now(),
            clock: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            units: Mutex::default(),
            reads: Semaphore::new(cores),
            compilations: Semaphore::new(cores),
            counters: Activations::default(),
        })
    }

    /// The unit of this name: the one that is known, else the one that `make` gives.
    pub(crate) fn unit(&self, name: blake3::Hash, make: impl FnOnce() -> Arc<Unit<M>>) -> Arc<Unit<M>> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unit) = units.get(&name).and_then(Weak::upgrade) {
            return unit;
        }
        units.retain(|_, unit| unit.strong_count() > 0);
        let unit = make();
        units.insert(name, Arc::downgrade(&unit));
        unit
    }

    /// What leaves because nobody called it for too long, and not since the last sweep either: that is how finely a call's time is known.
    pub(crate) fn sweep(&self, now: Instant) {
        let now = self.advance(now);
        let before = self.swept.swap(now, Ordering::Relaxed);
        let idle = u64::try_from(self.limits.idle.as_millis()).unwrap_or(u64::MAX);
        for unit in self.units() {
            let used = unit.used();
            if used < before && now.saturating_sub(used) >= idle {
                self.leave(&unit, Leave::Idle);
            }
        }
        let noted = self.noted.load(Ordering::Relaxed);
        if Duration::from_millis(now.saturating_sub(noted)) >= NOTE_EVERY {
            self.noted.store(now, Ordering::Relaxed);
            self.note();
        }
    }

    /// Names of what is in memory, those that the cache has.
    pub(crate) fn in_cache(&self) -> Vec<blake3::Hash> {
        self.units().iter().filter_map(|unit| unit.in_cache()).collect()
    }

    /// Notes in the cache that what is in memory is in use, and finds out what has gone from there: that stays in memory.
    pub(crate) fn note(&self) {
        for unit in self.units() {
            unit.note();
        }
    }

    /// What is in memory now.
    pub(crate) fn loaded(&self) -> Loaded {
        let mut loaded = Loaded::default();
        for (bytes, kept) in self.units().iter().filter_map(|unit| unit.weight()) {
            loaded.units += 1;
            loaded.bytes += bytes;
            loaded.pinned += u64::from(!kept);
        }
        loaded
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn advance(&self, now: Instant) -> u64 {
        let since = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        self.clock.fetch_max(since, Ordering::Relaxed).max(since)
    }

    fn units(&self) -> Vec<Arc<Unit<M>>> {
        let units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        units.values().filter_map(Weak::upgrade).collect()
    }

    /// Makes room for one that has just come: those that were not called for longest leave.
    fn make_room(&self, newcomer: &Unit<M>) {
        let mut total = 0;
        let mut others = Vec::new();
        for unit in self.units() {
            let Some((bytes, kept)) = unit.weight() else { continue };
            total += bytes;
            if kept && !std::ptr::eq(&*unit, newcomer) {
                others.push((unit.used(), bytes, unit));
            }
        }
        if total <= self.limits.bytes {
            return;
        }
        others.sort_by_key(|(used, ..)| *used);
        for (_, bytes, unit) in others {
            if total <= self.limits.bytes {
                break;
            }
            if self.leave(&unit, Leave::Room) {
                total -= bytes;
            }
        }
    }

    fn leave(&self, unit: &Unit<M>, why: Leave) -> bool {
        let left = unit.leave();
        if left {
            let counter = match why {
                Leave::Idle => &self.counters.left_idle,
                Leave::Room => &self.counters.left_for_room,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        left
    }
}

#[cfg(test)]
mod tests;
