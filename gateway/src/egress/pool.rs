//! Connections that wait for the next call out. Each deployment has a pool of its own, so no tenant uses what another opened.
//!
//! A connection is kept by its target. The address that it leads to was checked when it was made, so what a name's look-up answers later cannot
//! move it; after [`MAX_AGE`] it is made anew.

use super::{connect::Sender, target::Target};
use crate::tasks::Tasks;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// Unused for so long, a connection goes: less than the minute that most servers wait.
const IDLE: Duration = Duration::from_secs(20);
/// So old, it is used no more: a service that has moved is found within this time.
const MAX_AGE: Duration = Duration::from_secs(300);
/// For the request's own body to end after its answer: one that still sends is not waited for.
const SETTLE: Duration = Duration::from_secs(1);
/// Of one target: what one call may have at once.
const MAX_PER_TARGET: usize = 16;
/// Of one deployment.
const MAX_IDLE: usize = 64;

/// A connection and since when it is there.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sender: Sender,
    pub(super) born: Instant,
    idle_since: Instant,
}

impl Kept {
    /// Just made.
    pub(super) fn new(sender: Sender) -> Self {
        let now = Instant::now();
        Self {
            sender,
            born: now,
            idle_since: now,
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        let open = match &self.sender {
            Sender::H1(sender) => sender.is_ready(),
            Sender::H2(sender) => sender.is_ready() && !sender.is_closed(),
        };
        open && now.duration_since(self.idle_since) < IDLE && now.duration_since(self.born) < MAX_AGE
    }
}

#[derive(Debug, Default)]
struct Idle {
    by_target: HashMap<Target, Vec<Kept>>,
    count: usize,
    is_swept: bool,
}

impl Idle {
    fn evict(&mut self, now: Instant) {
        self.by_target.retain(|_, kept| {
            kept.retain(|kept| kept.is_fresh(now));
            !kept.is_empty()
        });
        self.count = self.by_target.values().map(Vec::len).sum();
    }
}

/// One deployment's connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    tasks: Tasks,
}

impl Pool {
    /// An empty one.
    pub(super) fn new(tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            tasks,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.idle().count
    }

    /// A connection to the target, if one waits. HTTP/2 stays here for others, too.
    pub(super) fn take(&self, target: &Target) -> Option<Kept> {
        let now = Instant::now();
        let mut idle = self.idle();
        let kept = idle.by_target.get_mut(target)?;
        let mut found = None;
        let before = kept.len();
        while let Some(mut last) = kept.pop() {
            if !last.is_fresh(now) {
                continue;
            }
            if let Sender::H2(sender) = &last.sender {
                let shared = Kept {
                    sender: Sender::H2(sender.clone()),
                    ..last
                };
                last.idle_since = now;
                kept.push(last);
                found = Some(shared);
            } else {
                found = Some(last);
            }
            break;
        }
        let gone = before - kept.len();
        if kept.is_empty() {
            idle.by_target.remove(target);
        }
        idle.count -= gone;
        found
    }

    /// Keeps a connection whose answer has ended. It takes another request only when its own task has seen that, too.
    pub(super) fn give_back(self: &Arc<Self>, target: Target, mut kept: Kept) {
        let pool = Arc::clone(self);
        match &mut kept.sender {
            Sender::H1(sender) if !sender.is_ready() => {}
            _ => return self.put(target, kept),
        }
        self.tasks.serve_aside("idle call out", async move {
            if let Sender::H1(sender) = &mut kept.sender
                && let Ok(Ok(())) = timeout(SETTLE, sender.ready()).await
            {
                pool.put(target, kept);
            }
        });
    }

    /// Keeps a connection for the next call. What is over the limits is closed.
    pub(super) fn put(self: &Arc<Self>, target: Target, mut kept: Kept) {
        let now = Instant::now();
        kept.idle_since = now;
        let mut idle = self.idle();
        if idle.count >= MAX_IDLE {
            idle.evict(now);
        }
        if idle.count >= MAX_IDLE || !kept.is_fresh(now) {
            return;
        }
        let of_target = idle.by_target.entry(target).or_default();
        if of_target.len() >= MAX_PER_TARGET {
            return;
        }
        of_target.push(kept);
        idle.count += 1;
        if !std::mem::replace(&mut idle.is_swept, true) {
            self.tasks.serve_aside("idle calls out", sweep(Arc::downgrade(self)));
        }
    }
}

/// Closes what has waited for too long, until nothing waits.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        idle.evict(Instant::now());
        if idle.count == 0 {
            idle.is_swept = false;
            return;
        }
    }
}
