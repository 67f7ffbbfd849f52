//! What every connection of one gateway shares.

use crate::{
    admit::{dedupe::Dedupe, unknown::Strays},
    edge::body::Unverified,
    keys::Keyring,
    metrics::Metrics,
    rate::Rates,
    snapshot::Snapshot,
    tasks::Tasks,
};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tollgate_host::Host;

/// The shared parts.
pub(crate) struct Gate {
    snapshot: ArcSwap<Snapshot>,
    /// Counts.
    pub(crate) metrics: Metrics,
    /// What is in flight and what is done.
    pub(crate) dedupe: Dedupe,
    /// Deliveries of accounts that nobody lists.
    pub(crate) strays: Strays,
    /// How often tenants and endpoints have been called.
    pub(crate) rates: Rates,
    /// Public keys of others.
    pub(crate) keys: Arc<Keyring>,
    /// Bytes of endpoints' bodies that are not verified yet.
    pub(crate) unverified: Unverified,
    /// All tasks.
    pub(crate) tasks: Tasks,
    /// The pool, for its gauge.
    pub(crate) host: Host,
}

impl Gate {
    /// A gate that serves nothing yet.
    pub(crate) fn new(metrics: Metrics, dedupe: Dedupe, keys: Arc<Keyring>, tasks: Tasks, host: Host) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            metrics,
            dedupe,
            strays: Strays::default(),
            rates: Rates::default(),
            keys,
            unverified: Unverified::default(),
            tasks,
            host,
        }
    }

    /// What it serves now. A request keeps the one that it began with.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Serves this from now on.
    pub(crate) fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.rates.prune();
    }
}
