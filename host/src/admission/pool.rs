//! The pool's places, shared by tenants.
//!
//! A tenant takes a place while it holds fewer than [`AHEAD`] times those that are free. So one tenant alone takes three quarters of the pool and
//! leaves the rest to whoever comes; of `n` tenants that ask for more than they get each has the same part, and `1 / (1 + 3n)` stays free for
//! one more. (It is how switches share their buffers: Choudhury and Hahne's dynamic thresholds.) A place that comes free goes to the tenant that waits and
//! holds fewest. Where there is one tenant only, all is its own.
//!
//! While nobody waits, taking a place and giving it back are two atomic operations each. What a tenant holds and what is free are not read in one: in a race
//! a tenant may get a place more than its part for each core. The pool itself is exact.

use crate::CallError;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};
use tollgate_config::TenantId;

/// How many times what is free a tenant may hold.
const AHEAD: usize = 3;

/// The places. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Places>);

#[derive(Debug)]
struct Places {
    size: usize,
    free: AtomicUsize,
    /// Those who wait, of all tenants. Changed under the lock of `queues`.
    waiting: AtomicUsize,
    queues: Mutex<Vec<Queue>>,
    tenants: Mutex<HashMap<TenantId, Weak<Share>>>,
    /// Tenants that have a revision here.
    sharers: AtomicUsize,
}

/// Those of one tenant who wait, in their order.
#[derive(Debug)]
struct Queue {
    share: Arc<Share>,
    waiters: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// A tenant's part of the pool.
#[derive(Debug)]
pub(crate) struct Share {
    tenant: TenantId,
    places: Arc<Places>,
    held: AtomicUsize,
    waiting: AtomicUsize,
    /// Callers that found the queue full, and those that waited too long.
    turned_away: [AtomicU64; 2],
}

/// What a tenant has of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUse {
    /// Whose.
    pub tenant: TenantId,
    /// Places that it holds.
    pub held: usize,
    /// Callers that wait for one.
    pub waiting: usize,
    /// Callers that found as many waiting as may.
    pub queue_full: u64,
    /// Callers that waited too long.
    pub waited: u64,
}

impl TenantUse {
    /// Adds what it has of another pool.
    pub(crate) fn add(&mut self, other: &Self) {
        self.held += other.held;
        self.waiting += other.waiting;
        self.queue_full += other.queue_full;
        self.waited += other.waited;
    }
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Share>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self(Arc::new(Places {
            size,
            free: AtomicUsize::new(size),
            waiting: AtomicUsize::new(0),
            queues: Mutex::default(),
            tenants: Mutex::default(),
            sharers: AtomicUsize::new(0),
        }))
    }

    /// A tenant's part, the same for all that it has here.
    pub(crate) fn share(&self, tenant: &TenantId) -> Arc<Share> {
        let mut tenants = self.tenants();
        if let Some(share) = tenants.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Share {
            tenant: tenant.clone(),
            places: Arc::clone(&self.0),
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            turned_away: Default::default(),
        });
        tenants.insert(tenant.clone(), Arc::downgrade(&share));
        self.0.sharers.fetch_add(1, SeqCst);
        share
    }

    /// What each tenant has.
    pub(crate) fn tenants_use(&self) -> Vec<TenantUse> {
        let shares: Vec<_> = self.tenants().values().filter_map(Weak::upgrade).collect();
        shares.iter().map(|share| share.used()).collect()
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Weak<Share>>> {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|_, share| share.strong_count() > 0);
        tenants
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.places.sharers.fetch_sub(1, SeqCst);
    }
}

impl Share {
    /// Takes a place, waiting at most `patience`; at most as many of a tenant wait as the pool has places.
    ///
    /// # Errors
    /// [`CallError::Saturated`]. A dropped future leaves the queue.
    pub(crate) async fn enter(self: &Arc<Self>, patience: Duration) -> Result<Place, CallError> {
        if let Some(place) = self.take() {
            return Ok(place);
        }
        let mut wait = match self.line_up()? {
            Ok(place) => return Ok(place),
            Err(wait) => wait,
        };
        if timeout(patience, &mut wait.granted).await.is_ok_and(|granted| granted.is_ok()) {
            return Ok(wait.into_place());
        }
        count(&self.turned_away, 1);
        Err(CallError::Saturated("waited too long"))
    }

    /// Takes a place if one is there for it now. Who waits goes first, within a tenant.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let taken = self.waiting.load(SeqCst) == 0 && self.try_take();
        taken.then(|| Place(Arc::clone(self)))
    }

    fn try_take(&self) -> bool {
        let held = self.held.load(SeqCst);
        let alone = self.places.sharers.load(SeqCst) <= 1;
        let take = |free: usize| (free > 0 && (alone || held < AHEAD.saturating_mul(free))).then(|| free - 1);
        let taken = self.places.free.fetch_update(SeqCst, SeqCst, take).is_ok();
        if taken {
            self.held.fetch_add(1, SeqCst);
        }
        taken
    }

    fn give_back(&self) {
        self.held.fetch_sub(1, SeqCst);
        // Whoever lines up counts itself first and looks at what is free then: one of the two sees the other.
        self.places.free.fetch_add(1, SeqCst);
        if self.places.waiting.load(SeqCst) > 0 {
            self.places.hand_out();
        }
    }

    fn line_up(self: &Arc<Self>) -> Result<Result<Place, Wait>, CallError> {
        let places = &self.places;
        let mut queues = places.queues();
        let ahead = self.waiting.load(SeqCst);
        if ahead >= places.size {
            count(&self.turned_away, 0);
            return Err(CallError::Saturated("too many of the tenant wait for the pool"));
        }
        self.waiting.fetch_add(1, SeqCst);
        places.waiting.fetch_add(1, SeqCst);
        if ahead == 0 && self.try_take() {
            self.waiting.fetch_sub(1, SeqCst);
            places.waiting.fetch_sub(1, SeqCst);
            return Ok(Ok(Place(Arc::clone(self))));
        }
        let (sender, granted) = oneshot::channel();
        let at = match queues.iter().position(|queue| Arc::ptr_eq(&queue.share, self)) {
            Some(at) => at,
            None => {
                queues.push(Queue {
                    share: Arc::clone(self),
                    waiters: VecDeque::new(),
                });
                queues.len() - 1
            }
        };
        let mut id = 0;
        if let Some(queue) = queues.get_mut(at) {
            id = queue.waiters.back().map_or(0, |(last, _)| last + 1);
            queue.waiters.push_back((id, sender));
        }
        Ok(Err(Wait {
            share: Arc::clone(self),
            id,
            granted,
            done: false,
        }))
    }

    fn used(&self) -> TenantUse {
        let [queue_full, waited] = &self.turned_away;
        TenantUse {
            tenant: self.tenant.clone(),
            held: self.held.load(SeqCst),
            waiting: self.waiting.load(SeqCst),
            queue_full: queue_full.load(SeqCst),
            waited: waited.load(SeqCst),
        }
    }
}

fn count(counts: &[AtomicU64; 2], at: usize) {
    if let Some(count) = counts.get(at) {
        count.fetch_add(1, SeqCst);
    }
}

impl Places {
    /// Gives what is free to those who wait: each time to the tenant that holds fewest, of equals to the one that waits for longest.
    fn hand_out(&self) {
        let mut queues = self.queues();
        loop {
            let held = |(_, queue): &(usize, &Queue)| queue.share.held.load(SeqCst);
            let Some((at, _)) = queues.iter().enumerate().min_by_key(held) else {
                return;
            };
            // Whoever holds more may take less.
            if queues.get(at).is_none_or(|queue| !queue.share.try_take()) {
                return;
            }
            let mut queue = queues.remove(at);
            let granted = queue.waiters.pop_front().is_some_and(|(_, waiter)| {
                self.gone(&queue.share);
                waiter.send(()).is_ok()
            });
            if !granted {
                // It has just gone away: the place is free again.
                queue.share.held.fetch_sub(1, SeqCst);
                self.free.fetch_add(1, SeqCst);
            }
            if !queue.waiters.is_empty() {
                queues.push(queue);
            }
        }
    }

    fn gone(&self, share: &Share) {
        share.waiting.fetch_sub(1, SeqCst);
        self.waiting.fetch_sub(1, SeqCst);
    }

    fn queues(&self) -> MutexGuard<'_, Vec<Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits. Dropped, it leaves the queue, or gives back the place that it was just given.
#[derive(Debug)]
struct Wait {
    share: Arc<Share>,
    id: u64,
    granted: oneshot::Receiver<()>,
    done: bool,
}

impl Wait {
    fn into_place(mut self) -> Place {
        self.done = true;
        Place(Arc::clone(&self.share))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let places = &self.share.places;
        // Places are granted under this lock: what has not come by now does not come.
        let mut queues = places.queues();
        if self.granted.try_recv().is_ok() {
            drop(queues);
            self.share.give_back();
            return;
        }
        let at = queues.iter().position(|queue| Arc::ptr_eq(&queue.share, &self.share));
        if let Some(queue) = at.and_then(|at| queues.get_mut(at)) {
            queue.waiters.retain(|(id, _)| *id != self.id);
            places.gone(&self.share);
            if queue.waiters.is_empty()
                && let Some(at) = at
            {
                queues.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
