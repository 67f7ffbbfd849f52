//! `rate`: how many requests in which time.

use super::{
    context::Context,
    limits::{duration, number},
    value::Value,
};
use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

/// How many requests in which time, as a bucket: `burst` at once, refilled evenly by `requests` for each `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests for each `per`.
    pub requests: NonZeroU32,
    /// The time.
    pub per: Duration,
    /// Requests at once; `requests` when the manifest does not say.
    pub burst: NonZeroU32,
}

impl Rate {
    /// 1 s: rates are thought of by the second.
    pub const PER: Duration = Duration::from_secs(1);
    /// Up to a million: more than one gateway serves in a second.
    pub const REQUESTS_RANGE: RangeInclusive<u64> = 1..=1_000_000;
    /// Up to a day, the longest quota that people give.
    pub const PER_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

    /// Between two requests when the bucket is empty; never zero.
    pub fn interval(&self) -> Duration {
        (self.per / self.requests.get()).max(Duration::from_nanos(1))
    }
}

/// Reads a rate of `section`.
pub(super) fn read(value: &Value<'_>, section: &'static str, context: &mut Context) -> Option<Rate> {
    let fields = value.fields(section, context)?;
    let most = "one gateway does not serve more";
    let requests = match fields.need("requests", context) {
        Some(value) => number(&value, &Rate::REQUESTS_RANGE, most, context),
        None => None,
    };
    let day = "a quota is for a day at most";
    let per = duration(&fields, "per", Rate::PER, &Rate::PER_RANGE, day, context);
    let burst = match fields.get("burst") {
        Some(value) => number(&value, &Rate::REQUESTS_RANGE, most, context),
        None => requests,
    };
    let whole = |count: u64| u32::try_from(count).ok().and_then(NonZeroU32::new);
    Some(Rate {
        requests: whole(requests?)?,
        per: per?,
        burst: whole(burst?)?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_interval_is_never_zero() {
        let rate = |requests, per| Rate {
            requests: NonZeroU32::new(requests).unwrap(),
            per,
            burst: NonZeroU32::MIN,
        };
        assert_eq!(rate(100, Rate::PER).interval(), Duration::from_millis(10));
        assert_eq!(rate(1_000_000, Duration::from_millis(1)).interval(), Duration::from_nanos(1));
        assert_eq!(rate(u32::MAX, Duration::from_millis(1)).interval(), Duration::from_nanos(1));
    }
}
