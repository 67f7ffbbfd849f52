//! How often a tenant or an endpoint may be called. Off unless the manifest says it.

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tollgate_config::{EndpointId, TenantId, manifest::Rate};

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One bucket: `burst` requests at once, refilled evenly.
pub(crate) struct Limiter<C: Clock = MonotonicClock> {
    bucket: Bucket<C>,
    clock: C,
    rate: Rate,
}

impl<C: Clock + Clone> Limiter<C> {
    /// A full bucket.
    fn new(rate: Rate, clock: C) -> Self {
        // A zero interval would be no limit, and `interval` is never zero.
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(rate.requests));
        Self {
            bucket: RateLimiter::direct_with_clock(quota.allow_burst(rate.burst), clock.clone()),
            clock,
            rate,
        }
    }

    /// Takes one request out of the bucket.
    ///
    /// # Errors
    /// When it is empty: how long until there is one again.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.bucket.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl<C: Clock> fmt::Debug for Limiter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rate.fmt(f)
    }
}

/// What has a rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// A tenant, over all its endpoints and routes.
    Tenant(TenantId),
    /// An endpoint.
    Endpoint(EndpointId),
}

/// All buckets. They outlive the snapshots that use them: a new one takes over what has been used under the old, as long as the rate is the same.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<Scope, Arc<Limiter>>>);

impl Rates {
    /// The bucket of this scope, with this rate; a changed rate begins with a full one.
    pub(crate) fn of(&self, scope: Scope, rate: Rate) -> Arc<Limiter> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.get(&scope) {
            Some(limiter) if limiter.rate == rate => limiter.clone(),
            _ => {
                let limiter = Arc::new(Limiter::new(rate, MonotonicClock));
                buckets.insert(scope, limiter.clone());
                limiter
            }
        }
    }

    /// Forgets those that nothing uses any more; called when a snapshot has been replaced.
    pub(crate) fn prune(&self) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, limiter| Arc::strong_count(limiter) > 1);
    }
}

/// A `Retry-After` in whole seconds, never too early.
pub(crate) fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::num::NonZeroU32;

    fn rate(requests: u32, per: u64, burst: u32) -> Rate {
        Rate {
            requests: NonZeroU32::new(requests).unwrap(),
            per: Duration::from_secs(per),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    #[test]
    fn a_bucket_empties_and_says_truly_when_there_is_more() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::new(rate(2, 10, 3), clock.clone());
        for _ in 0..3 {
            assert_eq!(limiter.take(), Ok(()));
        }
        assert_eq!(limiter.take(), Err(Duration::from_secs(5)));
        clock.advance(Duration::from_millis(4_999));
        let wait = limiter.take().unwrap_err();
        assert_eq!((wait, seconds(wait)), (Duration::from_millis(1), 1));
        clock.advance(wait);
        assert_eq!(limiter.take(), Ok(()));
        assert_eq!(limiter.take(), Err(Duration::from_secs(5)));
        clock.advance(Duration::from_secs(1_000));
        assert_eq!((0..10).filter(|_| limiter.take().is_ok()).count(), 3, "never more than the burst");
    }

    #[test]
    fn a_new_snapshot_takes_the_bucket_over_unless_its_rate_changed() {
        let rates = Rates::default();
        let scope = || Scope::Tenant(TenantId::new("acme").unwrap());
        let old = rates.of(scope(), rate(1, 3600, 1));
        assert_eq!(old.take(), Ok(()));
        let new = rates.of(scope(), rate(1, 3600, 1));
        assert!(new.take().is_err(), "what was used is used");
        let changed = rates.of(scope(), rate(2, 3600, 1));
        assert_eq!(changed.take(), Ok(()));
        let other = rates.of(Scope::Endpoint(EndpointId::new("acme").unwrap()), rate(2, 3600, 1));
        assert_eq!(other.take(), Ok(()), "an endpoint of the same name has its own");
        drop(changed);
        rates.prune();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, wait) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_500, 60)] {
            assert_eq!(seconds(Duration::from_millis(millis)), wait, "{millis}");
        }
    }
}
