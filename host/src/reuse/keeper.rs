//! The kept instances of one engine, of all revisions: their places, and when they end.

use super::End;
use crate::{
    Revision,
    admission::pool::{Pool, Share},
    revision::Prepared,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tollgate_config::TenantId;

/// Between two looks for instances that are idle: so much later than said one may end. None is called by then.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An engine's keeper.
pub(crate) struct Keeper {
    places: Pool,
    revisions: Mutex<Vec<Weak<Revision>>>,
    /// Looks for idle ones; ends with its runtime, and while nothing is kept there is none.
    watch: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Pool::new(places),
            revisions: Mutex::default(),
            watch: Mutex::default(),
        })
    }

    /// A tenant's part of the places.
    pub(crate) fn share(&self, tenant: &TenantId) -> Arc<Share> {
        self.places.share(tenant)
    }

    /// Looks after the instances that this one keeps.
    pub(crate) fn enlist(&self, revision: &Arc<Revision>) {
        let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.retain(|revision| revision.strong_count() > 0);
        revisions.push(Arc::downgrade(revision));
    }

    /// Lets go of all that were made of this.
    pub(crate) fn evict(&self, prepared: &Arc<Prepared>) {
        for revision in self.revisions() {
            revision.let_go(End::Retired, |kept| kept.is_of(prepared));
        }
    }

    /// Something is kept: sees to it that it ends.
    pub(super) fn watch(self: &Arc<Self>) {
        let mut watch = self.watching();
        if watch.as_ref().is_none_or(JoinHandle::is_finished) {
            *watch = Some(tokio::spawn(look(Arc::downgrade(self))));
        }
    }

    /// Lets go of those that are idle.
    fn sweep(&self, now: Instant) {
        for revision in self.revisions() {
            revision.let_go(End::Idle, |kept| kept.is_idle(now));
        }
    }

    /// Whether any is left.
    fn keeps(&self) -> bool {
        self.revisions().iter().any(|revision| revision.keeps())
    }

    fn revisions(&self) -> Vec<Arc<Revision>> {
        let revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.iter().filter_map(Weak::upgrade).collect()
    }

    fn watching(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look(keeper: Weak<Keeper>) {
    loop {
        sleep(LOOK_EVERY).await;
        let Some(keeper) = keeper.upgrade() else { return };
        keeper.sweep(Instant::now());
        // Whoever keeps one puts it there first, and then asks for this task: one of the two sees the other.
        let mut watch = keeper.watching();
        if !keeper.keeps() {
            *watch = None;
            return;
        }
    }
}
