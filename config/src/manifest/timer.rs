//! `endpoints` with `provider: timer`.

use super::{
    Timer,
    context::Context,
    endpoint::{Draft, Served},
    limits,
    value::{Fields, Value},
};
use crate::{DeploymentId, EndpointId, Schedule, TeamId, TenantId, schedule::ScheduleError};
use std::{ops::RangeInclusive, time::Duration};

/// The word under `provider`.
pub(super) const PROVIDER: &str = "timer";
/// The clock that a schedule reads where none is named: it never jumps for summer.
pub(super) const ZONE: &str = "UTC";
/// 10 minutes: a restart with a new pack takes less, and what is later than that is rather a surprise than a help.
pub const GRACE: Duration = Duration::from_secs(600);
/// Up to a day: the journal remembers each tick for as long, and one each second is 86,400.
pub(super) const GRACE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);

/// What speaks of being called, which a timer never is.
const NOT_FOR_TIMERS: [&str; 6] = ["host", "path", "secrets", "deliver", "rate", "allow_from"];

/// Reads one; its `provider` has been seen.
pub(super) fn read(value: &Value<'_>, fields: &Fields<'_>, context: &mut Context) -> Draft {
    let id = fields.need("id", context).and_then(|value| value.id(EndpointId::new, context));
    let tenant = fields.need("tenant", context).and_then(|value| value.id(TenantId::new, context));
    let team = match fields.get("team") {
        Some(value) => value.parse(TeamId::new, context).map(Some),
        None => Some(None),
    };
    for name in NOT_FOR_TIMERS {
        if let Some(value) = fields.get(name) {
            value.refuse_with::<()>(
                format!("a timer has no `{name}`: nobody calls it"),
                Some("leave it out".to_owned()),
                context,
            );
        }
    }
    let deployment = fields
        .need("deployment", context)
        .map(|value| value.accepting("the id of one of the tenant's `deployments`"))
        .and_then(|value| value.id(DeploymentId::new, context));
    let options = fields.need("options", context).and_then(|value| options(&value, context));
    let mut draft = Draft {
        id,
        serves: vec![Served { tenant, deployment }],
        ..Draft::default()
    };
    draft.timer = (|| {
        let (schedule, grace) = options?;
        let served = draft.serves.first()?;
        Some(Timer {
            id: draft.id.as_ref()?.value.clone(),
            tenant: served.tenant.as_ref()?.value.clone(),
            team: team?,
            deployment: served.deployment.as_ref()?.value.clone(),
            schedule,
            grace,
            place: context.report.place(&value.at),
        })
    })();
    draft
}

fn options(value: &Value<'_>, context: &mut Context) -> Option<(Schedule, Duration)> {
    let fields = value.fields("endpoints[].options", context)?;
    let cron = fields
        .need("cron", context)
        .and_then(|value| Some((value.text(context)?.to_owned(), value)));
    let zone = match fields.get("timezone") {
        Some(value) => value.text(context).map(|text| (text.to_owned(), Some(value))),
        None => Some((ZONE.to_owned(), None)),
    };
    let late = "the journal remembers ticks for no longer";
    let grace = limits::duration(&fields, "grace", GRACE, &GRACE_RANGE, late, context);
    let ((cron, cron_at), (zone, zone_at)) = (cron?, zone?);
    let mut schedule = Schedule::parse(&cron, &zone);
    if let (Err(error @ ScheduleError::Zone), Some(at)) = (&schedule, zone_at) {
        at.refuse::<()>(error.to_string(), context);
        // What is wrong with the expression is said as well.
        schedule = Schedule::parse(&cron, ZONE);
    }
    match schedule {
        Ok(schedule) => Some((schedule, grace?)),
        Err(error) => cron_at.refuse(error.to_string(), context),
    }
}
