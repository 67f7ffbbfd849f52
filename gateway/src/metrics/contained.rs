//! What holds workers back: limits that were hit, room that is used, breakers, and the tenants' parts of the pool.

mod reuse;

use crate::{gate::Gate, snapshot::State};
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tollgate_host::{BreakerState, Limit};

/// Adds them as they stand now.
pub(super) fn add(registry: &Registry, gate: &Gate) -> Result<(), Error> {
    revisions(registry, gate)?;
    tenants(registry, gate)?;
    reuse::add(registry, gate)?;
    let alive = tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    for (name, help, value) in [
        (
            "tollgate_tasks",
            "Tasks of the gateway that have not ended: connections, calls, timers.",
            alive,
        ),
        ("tollgate_slow_calls", "Calls that go on in the slow lane.", gate.host.slow_calls()),
    ] {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(number(value as u64));
        registry.register(Box::new(gauge))?;
    }
    let failures = IntCounter::new(
        "tollgate_store_failures_total",
        "Operations that workers asked of the session store and that it did not do.",
    )?;
    failures.inc_by(gate.host.store_failures());
    registry.register(Box::new(failures))?;
    Ok(())
}

fn revisions(registry: &Registry, gate: &Gate) -> Result<(), Error> {
    let limits = counters(
        registry,
        "tollgate_worker_limit_total",
        "Limits that calls have hit.",
        &["tenant", "deployment", "revision", "limit"],
    )?;
    let states = gauges(
        registry,
        "tollgate_worker_breaker_state",
        "What a revision's breaker does: 0 closed, 1 half open, 2 open.",
        &["tenant", "deployment", "revision"],
    )?;
    let openings = counters(
        registry,
        "tollgate_worker_breaker_openings_total",
        "How often a revision's breaker has opened.",
        &["tenant", "deployment", "revision"],
    )?;
    let of_deployment = ["tenant", "deployment"];
    let keys = gauges(
        registry,
        "tollgate_store_keys",
        "Keys that a deployment keeps in the store.",
        &of_deployment,
    )?;
    let bytes = gauges(
        registry,
        "tollgate_store_bytes",
        "Bytes that a deployment keeps in the store, keys and values.",
        &of_deployment,
    )?;
    for deployment in &gate.snapshot().deployments {
        let State::Ready(loaded) = &deployment.state else { continue };
        let (tenant, name, id) = (deployment.tenant.tenant_id.as_str(), deployment.id.as_str(), loaded.id.as_str());
        let revision = &loaded.revision;
        // Only those that were hit: all of them for thousands of revisions would be more lines than anyone reads.
        for limit in Limit::ALL {
            let hits = revision.counters().limits.of(limit);
            if hits > 0 {
                limits.get_metric_with_label_values(&[tenant, name, id, limit.name()])?.inc_by(hits);
            }
        }
        if let Some((state, opened)) = revision.breaker() {
            states.get_metric_with_label_values(&[tenant, name, id])?.set(match state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            });
            openings.get_metric_with_label_values(&[tenant, name, id])?.inc_by(opened);
        }
        if let Some(usage) = revision.usage() {
            for (gauge, value) in [(&keys, usage.keys), (&bytes, usage.bytes)] {
                gauge.get_metric_with_label_values(&[tenant, name])?.set(number(value));
            }
        }
    }
    Ok(())
}

fn tenants(registry: &Registry, gate: &Gate) -> Result<(), Error> {
    let held = gauges(
        registry,
        "tollgate_tenant_instances",
        "Places of the pool that a tenant holds.",
        &["tenant"],
    )?;
    let waiting = gauges(
        registry,
        "tollgate_tenant_waiting",
        "Callers of a tenant that wait for a place of the pool.",
        &["tenant"],
    )?;
    let shed = counters(
        registry,
        "tollgate_tenant_shed_total",
        "Callers of a tenant that found no place in the pool, by reason.",
        &["tenant", "reason"],
    )?;
    for used in gate.host.tenants() {
        let tenant = used.tenant.as_str();
        for (gauge, value) in [(&held, used.held), (&waiting, used.waiting)] {
            gauge.get_metric_with_label_values(&[tenant])?.set(number(value as u64));
        }
        for (reason, value) in [("queue_full", used.queue_full), ("waited", used.waited)] {
            shed.get_metric_with_label_values(&[tenant, reason])?.inc_by(value);
        }
    }
    Ok(())
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
