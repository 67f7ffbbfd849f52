//! How often the store may be asked: by one call, and by all calls of a deployment in a second. How much it keeps is the store's to bound, which
//! counts where it writes ([`tollgate_store::Quota`]).

use crate::limit::Limit;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tollgate_config::{DeploymentId, EnvId, TenantCtx, TenantId, manifest::StoreLimits};
use tollgate_store::{Quota, SessionStore};

/// What a guest asked too often. The text is for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Spent {
    /// This call.
    #[error("the call has asked the store as often as it may, {0} times: see limits.store.operations")]
    Call(u64),
    /// All calls of the deployment together.
    #[error("the deployment asks the store more often than it may, {0} times a second: see limits.store.rate; try again later")]
    Rate(u64),
}

impl Spent {
    pub(crate) fn limit(self) -> Limit {
        match self {
            Self::Call(_) => Limit::StoreOperations,
            Self::Rate(_) => Limit::StoreRate,
        }
    }
}

/// What one call may still ask.
#[derive(Debug)]
pub(crate) struct Operations {
    used: u64,
    limit: u64,
}

impl Operations {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: 0, limit }
    }

    /// Takes so many, or none.
    pub(crate) fn take(&mut self, count: usize, rate: &Rate, now: Instant) -> Result<(), Spent> {
        let used = self.used.saturating_add(count as u64);
        if used > self.limit {
            return Err(Spent::Call(self.limit));
        }
        if !rate.take(count as u64, now) {
            return Err(Spent::Rate(rate.limit));
        }
        self.used = used;
        Ok(())
    }
}

/// A bucket that a second's worth of operations fits in, refilled evenly. A full one gives more than it holds, to a batch that is larger than that, and
/// is then filled for as long as the batch is worth: else a deployment with a low rate could never write one.
#[derive(Debug)]
pub(crate) struct Rate {
    limit: u64,
    began: Instant,
    /// When the bucket will be full again, in nanoseconds since `began`.
    full: AtomicU64,
}

const SECOND: u64 = Duration::from_secs(1).as_nanos() as u64;

impl Rate {
    pub(crate) fn new(limit: u64, began: Instant) -> Self {
        Self {
            limit: limit.max(1),
            began,
            full: AtomicU64::new(0),
        }
    }

    fn take(&self, count: u64, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let cost = count.saturating_mul(SECOND / self.limit);
        let after = |full: u64| {
            let after = full.max(now).saturating_add(cost);
            (full <= now || after <= now.saturating_add(SECOND)).then_some(after)
        };
        self.full.fetch_update(Relaxed, Relaxed, after).is_ok()
    }
}

/// The deployments' buckets: revisions of one deployment share theirs.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<(EnvId, TenantId, DeploymentId), Weak<Rate>>>);

impl Rates {
    /// Bounds what a deployment keeps in the store, and gives the bucket that bounds how often it asks. A changed rate begins with a full one.
    pub(crate) fn bound(&self, store: &dyn SessionStore, tenant: &TenantCtx, deployment: &DeploymentId, limits: &StoreLimits) -> Arc<Rate> {
        let quota = Quota {
            keys: limits.keys,
            bytes: limits.bytes.get(),
        };
        store.limit(tenant, deployment, quota);
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rates.retain(|_, rate| rate.strong_count() > 0);
        let of = (tenant.env_id.clone(), tenant.tenant_id.clone(), deployment.clone());
        if let Some(rate) = rates.get(&of).and_then(Weak::upgrade).filter(|rate| rate.limit == limits.rate) {
            return rate;
        }
        let rate = Arc::new(Rate::new(limits.rate, Instant::now()));
        rates.insert(of, Arc::downgrade(&rate));
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_so_many_operations_and_a_refused_one_costs_nothing() {
        let (rate, now) = (Rate::new(1_000, Instant::now()), Instant::now());
        let mut call = Operations::new(3);
        assert_eq!(call.take(2, &rate, now), Ok(()));
        assert_eq!(call.take(2, &rate, now), Err(Spent::Call(3)));
        assert_eq!(call.take(1, &rate, now), Ok(()));
        assert_eq!(call.take(1, &rate, now), Err(Spent::Call(3)));
    }

    #[test]
    fn a_second_refills_the_bucket_evenly() {
        let began = Instant::now();
        let rate = Rate::new(10, began);
        let take = |count, millis| Operations::new(u64::MAX).take(count, &rate, began + Duration::from_millis(millis));
        assert_eq!(take(10, 0), Ok(()));
        assert_eq!(take(1, 99), Err(Spent::Rate(10)));
        assert_eq!(take(1, 100), Ok(()));
        assert_eq!(take(5, 500), Err(Spent::Rate(10)), "four are there");
        assert_eq!(take(4, 500), Ok(()));
        assert_eq!(take(9, 5_000), Ok(()));
        assert_eq!(take(2, 5_000), Err(Spent::Rate(10)), "it holds no more than a second's worth");
        assert_eq!(take(1, 5_000), Ok(()));
    }

    #[test]
    fn a_batch_that_is_larger_than_the_bucket_passes_when_that_is_full_and_is_paid_for() {
        let began = Instant::now();
        let rate = Rate::new(10, began);
        let take = |count, millis| Operations::new(u64::MAX).take(count, &rate, began + Duration::from_millis(millis));
        assert_eq!(take(100, 0), Ok(()));
        assert_eq!(take(1, 9_099), Err(Spent::Rate(10)), "ninety are owed");
        assert_eq!(take(1, 9_100), Ok(()));
        assert_eq!(take(100, 10_000), Err(Spent::Rate(10)), "it is not full");
        assert_eq!(take(100, 10_100), Ok(()));
    }
}
