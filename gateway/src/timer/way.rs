//! The way of one tick: a request's, from the gate on.

use super::Tick;
use crate::{
    access::{Course, End, TARGET},
    admit::Entrant,
    edge::{body, enter},
    gate::Gate,
    request_id,
    respond::Refused,
    trace::Trace,
};
use http::StatusCode;
use std::time::{Instant, SystemTime};
use tollgate_config::RevisionId;

/// Takes a tick to its end: counts it, and writes one line of it.
pub(super) async fn take(gate: &Gate, tick: Tick, now: SystemTime) {
    let started = Instant::now();
    let timer = tick.timer().clone();
    let (event, late) = (tick.event_id().to_owned(), tick.late());
    let mut course = Course::of_tick();
    let (status, refused) = match walk(gate, tick, now, &mut course).await {
        Ok(status) => (Some(status), None),
        Err(refused) => {
            gate.metrics.refused(refused.code());
            (None, Some(refused))
        }
    };
    match course.end() {
        End::Done => timer.counters.done.inc(),
        End::Duplicate => timer.counters.duplicate.inc(),
        _ => timer.counters.failed.inc(),
    }
    tracing::info!(
        target: TARGET,
        event_id = event,
        late_seconds = late,
        status = status.map(|status| status.as_u16()),
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        end = course.end().as_str(),
        reason = refused.as_ref().map(Refused::code),
        detail = refused.as_ref().and_then(Refused::detail),
        tenant = timer.owner.tenant.tenant_id.as_str(),
        endpoint = timer.id.as_str(),
        deployment = timer.owner.deployment.id.as_str(),
        revision = course.revision().map(RevisionId::as_str),
    );
}

/// The way. Its answer has no reader but the log: a 2xx that came to its end is done.
async fn walk(gate: &Gate, tick: Tick, now: SystemTime, course: &mut Course) -> Result<StatusCode, Refused> {
    let mut head = tick.head()?;
    Trace::enter(&mut head.headers, request_id::draw());
    let answer = enter(gate, head, body::empty(), Entrant::Tick(Box::new(tick)), now, course).await?;
    Ok(answer.status())
}
