//! The way of one tick: the rooms of a request, less those that are about a caller.

use super::Tick;
use crate::{
    access::{End, TARGET},
    admit::{Admission, Entrant, admit},
    dispatch,
    edge::body,
    gate::Gate,
    request_id,
    respond::{self, Refused},
    trace::Trace,
};
use http::StatusCode;
use std::time::{Instant, SystemTime};
use tollgate_config::RevisionId;

/// What is known of a tick while it runs.
#[derive(Default)]
struct Line {
    revision: Option<RevisionId>,
    status: Option<StatusCode>,
}

/// Takes a tick to its end: counts it, and writes one line of it.
pub(super) async fn take(gate: &Gate, tick: Tick, now: SystemTime) {
    let started = Instant::now();
    let timer = tick.timer().clone();
    let (event, late) = (tick.event_id().to_owned(), tick.late());
    let mut line = Line::default();
    let (end, refused) = match walk(gate, tick, now, &mut line).await {
        Ok(end) => (end, None),
        Err(refused) => {
            gate.metrics.refused(refused.code());
            (End::Failed, Some(refused))
        }
    };
    match end {
        End::Done => timer.counters.done.inc(),
        End::Duplicate => timer.counters.duplicate.inc(),
        _ => timer.counters.failed.inc(),
    }
    tracing::info!(
        target: TARGET,
        event_id = event,
        late_seconds = late,
        status = line.status.map(|status| status.as_u16()),
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        end = end.as_str(),
        reason = refused.as_ref().map(Refused::code),
        detail = refused.as_ref().and_then(Refused::detail),
        tenant = timer.owner.tenant.tenant_id.as_str(),
        endpoint = timer.id.as_str(),
        deployment = timer.owner.deployment.id.as_str(),
        revision = line.revision.as_ref().map(RevisionId::as_str),
    );
}

/// The way, as `edge::walk` is a request's.
async fn walk(gate: &Gate, tick: Tick, now: SystemTime, line: &mut Line) -> Result<End, Refused> {
    let mut head = tick.head()?;
    Trace::enter(&mut head.headers, request_id::draw());

    // Identity: its timer's.
    let owner = tick.timer().owner.clone();

    // Admission: it is taken in the journal, for good.
    let admitted = match admit(&gate.dedupe, Entrant::Tick(Box::new(tick)), owner, now).await? {
        Admission::Admitted(admitted) => admitted,
        Admission::Duplicate(_) => return Ok(End::Duplicate),
    };

    // Dispatch and call, as a delivery.
    let assignment = dispatch::assign(&admitted)?;
    line.revision = Some(assignment.revision.id.clone());
    let call = dispatch::request(head, &admitted, &assignment, body::empty())?;
    let answer = assignment.revision.revision.call(call).await.map_err(Refused::Call)?;

    // The answer has no reader; a 2xx that came to its end is done.
    let (parts, body) = answer.into_parts();
    line.status = Some(parts.status);
    respond::read_whole(body).await?;
    Ok(if parts.status.is_success() { End::Done } else { End::Failed })
}
