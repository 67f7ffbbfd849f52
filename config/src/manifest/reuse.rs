//! Instances that are called more than once: how often, and how long they wait.

use super::{
    context::Context,
    limits::{duration, number},
    value::Value,
};
use std::{ops::RangeInclusive, time::Duration};

/// How long an instance lives that is called more than once. Off unless the manifest says it: what one request leaves in it, the next one finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReuseLimits {
    /// Calls of one instance over its life.
    pub requests: u64,
    /// How long it is kept without one.
    pub idle: Duration,
}

impl ReuseLimits {
    /// 10 s: longer than the pauses of a revision that is called all the time, so that its instances live by `requests`; one that is called now and then
    /// holds no memory for it.
    pub const IDLE: Duration = Duration::from_secs(10);

    /// From a fresh instance for each to a thousand: by then making one costs a call a thousandth of itself, and what leaks has had its time.
    pub const REQUESTS_RANGE: RangeInclusive<u64> = 1..=1_000;
    /// Up to five minutes: what is called less often than that does not wait for an instance.
    pub const IDLE_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);
}

/// Reads `deployments[].limits.reuse`.
pub(super) fn read(value: &Value<'_>, context: &mut Context) -> Option<ReuseLimits> {
    let fields = value.fields("deployments[].limits.reuse", context)?;
    let leaks = "what leaks has had its time by then, and a fresh one now and then costs next to nothing";
    let requests = match fields.need("requests", context) {
        Some(value) => number(&value, &ReuseLimits::REQUESTS_RANGE, leaks, context),
        None => None,
    };
    let rare = "what is called less often does not wait for an instance";
    let idle = duration(&fields, "idle", ReuseLimits::IDLE, &ReuseLimits::IDLE_RANGE, rare, context);
    let alone = match fields.get("at_once") {
        Some(value) => alone(&value, context),
        None => Some(()),
    };
    alone?;
    Some(ReuseLimits {
        requests: requests?,
        idle: idle?,
    })
}

/// Reads `at_once`, which is 1.
fn alone(value: &Value<'_>, context: &mut Context) -> Option<()> {
    match value.integer(context)? {
        1 => Some(()),
        0 => value.refuse("found 0, and an instance without a call is none: say 1, or leave it out", context),
        more => value.refuse_with(
            format!("found {more}, and more than 1 is not built yet"),
            "the calls of one instance run one after the other: by their instance the session, the grants and the budgets of a call are told apart".to_owned(),
            context,
        ),
    }
}
