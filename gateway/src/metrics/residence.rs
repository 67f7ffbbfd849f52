//! What the host tells of workers in memory and on disk.

use crate::{gate::Gate, snapshot::State};
use prometheus::{
    Error, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::{Bucket, Histogram, Metric, MetricFamily, MetricType},
};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use tollgate_host::{Host, Refusal};

/// Adds it, as it stands now.
pub(super) fn register(gate: &Gate, registry: &Registry) -> Result<(), Error> {
    let host = &gate.host;
    let counted = host.activations();
    counters(
        registry,
        Opts::new(
            "tollgate_activations_total",
            "Workers that were brought into memory, at start or for a call, by where they came from; `failed`: from nowhere.",
        ),
        "source",
        &[
            ("cache", &counted.from_cache),
            ("compiled", &counted.compiled),
            ("memory", &counted.from_memory),
            ("failed", &counted.failed),
        ],
    )?;
    counters(
        registry,
        Opts::new(
            "tollgate_cold_calls_refused_total",
            "Calls of a worker that was not in memory: `expired` waited as long as they may, `backed_off` came soon after a failure.",
        ),
        "reason",
        &[("expired", &counted.expired), ("backed_off", &counted.backed_off)],
    )?;
    counters(
        registry,
        Opts::new("tollgate_evictions_total", "Workers that left memory."),
        "reason",
        &[("idle", &counted.left_idle), ("room", &counted.left_for_room)],
    )?;
    registry.register(Box::new(Activation::of(host)?))?;
    let loaded = host.loaded();
    for (name, help, value) in [
        (
            "tollgate_loaded_workers",
            "Compiled workers in memory; revisions of one pack share one.",
            loaded.units,
        ),
        (
            "tollgate_loaded_bytes",
            "Their bytes, as large as they are in the cache.",
            loaded.bytes,
        ),
        (
            "tollgate_loaded_workers_pinned",
            "Workers in memory that may not leave, because the cache does not have them.",
            loaded.pinned,
        ),
    ] {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(Box::new(gauge))?;
    }
    if let Some(cache) = host.cache() {
        counters(
            registry,
            Opts::new(
                "tollgate_cache_total",
                "Compiled workers on disk: read (`hit`), not there (`miss`), not what was written (`corrupted`), written (`stored`), \
                 not written, as on a full disk (`not_stored`), removed by age or size (`evicted`).",
            ),
            "result",
            &[
                ("hit", &cache.hits),
                ("miss", &cache.misses),
                ("corrupted", &cache.corrupted),
                ("stored", &cache.stored),
                ("not_stored", &cache.not_stored),
                ("evicted", &cache.evicted),
            ],
        )?;
    }
    snapshots(gate, registry)
}

/// Why which revisions run without a snapshot.
fn snapshots(gate: &Gate, registry: &Registry) -> Result<(), Error> {
    let help = "Revisions that are ready, by whether they begin where their warm-up ended (`taken`), and if not, why.";
    let gauges = IntGaugeVec::new(Opts::new("tollgate_snapshots", help), &["result"])?;
    registry.register(Box::new(gauges.clone()))?;
    for deployment in &gate.snapshot().deployments {
        let State::Ready(loaded) = &deployment.state else { continue };
        let result = loaded.revision.snapshot().map_or_else(Refusal::code, |()| "taken");
        gauges.get_metric_with_label_values(&[result])?.inc();
    }
    Ok(())
}

fn counters(registry: &Registry, opts: Opts, label: &str, counts: &[(&str, &AtomicU64)]) -> Result<(), Error> {
    let vec = IntCounterVec::new(opts, &[label])?;
    registry.register(Box::new(vec.clone()))?;
    for (value, count) in counts {
        vec.get_metric_with_label_values(&[*value])?.inc_by(count.load(Relaxed));
    }
    Ok(())
}

/// A histogram that has been counted elsewhere.
struct Activation {
    desc: Desc,
    metric: Metric,
}

impl Activation {
    fn of(host: &Host) -> Result<Self, Error> {
        let took = &host.activations().took;
        let buckets = took.at_most().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(took.count());
        histogram.set_sample_sum(took.sum().as_secs_f64());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let help = "How long bringing a worker into memory took.";
        Ok(Self {
            desc: Desc::new(
                "tollgate_activation_seconds".to_owned(),
                help.to_owned(),
                Vec::new(),
                HashMap::new(),
            )?,
            metric,
        })
    }
}

impl Collector for Activation {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![self.metric.clone()]);
        vec![family]
    }
}
