//! Instances that are called more than once, by revision; nothing for those that `limits.reuse` does not name.

use super::{counters, gauges, number};
use crate::{gate::Gate, snapshot::State};
use prometheus::{Error, Registry};
use tollgate_host::End;

/// Adds them as they stand now.
pub(super) fn add(registry: &Registry, gate: &Gate) -> Result<(), Error> {
    let labels = ["tenant", "deployment", "revision"];
    let kept = gauges(
        registry,
        "tollgate_worker_instances_kept",
        "Instances that a revision keeps for its next calls.",
        &labels,
    )?;
    let calls = counters(
        registry,
        "tollgate_worker_reused_calls_total",
        "Calls of an instance that was kept.",
        &labels,
    )?;
    let ended = counters(
        registry,
        "tollgate_worker_instances_ended_total",
        "Instances that might have been kept and ended, by reason.",
        &["tenant", "deployment", "revision", "reason"],
    )?;
    for deployment in &gate.snapshot().deployments {
        let State::Ready(loaded) = &deployment.state else { continue };
        let Some(reused) = loaded.revision.reused() else { continue };
        let (tenant, name, id) = (deployment.tenant.tenant_id.as_str(), deployment.id.as_str(), loaded.id.as_str());
        kept.get_metric_with_label_values(&[tenant, name, id])?
            .set(number(reused.kept as u64));
        calls.get_metric_with_label_values(&[tenant, name, id])?.inc_by(reused.calls);
        for why in End::ALL {
            ended
                .get_metric_with_label_values(&[tenant, name, id, why.name()])?
                .inc_by(reused.ended(why));
        }
    }
    Ok(())
}
