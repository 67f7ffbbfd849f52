//! Counts, in Prometheus' text format 0.0.4.
//!
//! Handles that a request needs are looked up once, when the snapshot is built; what the host counts is read when someone asks.

mod contained;

use crate::{access::End, gate::Gate, respond::UNKNOWN_ACCOUNT};
use http::StatusCode;
use prometheus::{Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};
use tollgate_config::{EndpointId, manifest::Provider};

mod residence;

use crate::snapshot::State;

/// Upper bounds in seconds: from a cached answer to the longest wall time that is usual.
const DURATION_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 10.0];

/// All counts of one gateway.
pub(crate) struct Metrics {
    registry: Registry,
    answers: [IntCounter; 6],
    duration: Histogram,
    refused: IntCounterVec,
    rejected: IntCounterVec,
    deliveries: IntCounterVec,
    key_matches: IntCounterVec,
    ticks_skipped: IntCounterVec,
    keys: KeyCounters,
    /// Requests whose answer has not ended.
    pub(crate) requests: IntGauge,
    /// Open connections.
    pub(crate) connections: IntGauge,
    /// Connections taken.
    pub(crate) accepted: IntCounter,
    connections_refused: IntCounterVec,
    connection_errors: IntCounterVec,
    /// Calls out.
    pub(crate) outbound: OutboundCounters,
}

/// Counts of calls out. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct OutboundCounters {
    /// By what became of them.
    pub(crate) requests: IntCounterVec,
    /// Those that were not made, by reason.
    pub(crate) refused: IntCounterVec,
    /// Answers whose body broke off, by what did it.
    pub(crate) broken: IntCounterVec,
}

impl OutboundCounters {
    /// Counts one of them.
    pub(crate) fn count(counters: &IntCounterVec, labels: &[&str; 3]) {
        inc(counters, labels);
    }
}

/// Fetches of others' public keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyCounters {
    fetched: IntCounter,
    failed: IntCounter,
}

impl KeyCounters {
    /// Counts one.
    pub(crate) fn count(&self, fetched: bool) {
        if fetched { &self.fetched } else { &self.failed }.inc();
    }
}

/// One endpoint's counts.
#[derive(Debug, Clone)]
pub(crate) struct EndpointCounters {
    /// Done.
    pub(crate) done: IntCounter,
    /// Let in and not done.
    pub(crate) failed: IntCounter,
    /// Repeats.
    pub(crate) duplicate: IntCounter,
    /// The provider's own checks.
    pub(crate) handshake: IntCounter,
    /// Not to be run.
    pub(crate) dropped: IntCounter,
    /// Of no account that is known.
    pub(crate) unknown_account: IntCounter,
    keys: Vec<IntCounter>,
}

/// One timer's counts.
#[derive(Debug, Clone)]
pub(crate) struct TickCounters {
    /// Done.
    pub(crate) done: IntCounter,
    /// Taken and not done.
    pub(crate) failed: IntCounter,
    /// Taken before.
    pub(crate) duplicate: IntCounter,
    /// Not run: too late, or a newer one was due too.
    pub(crate) missed: IntCounter,
    /// Not run: the one before it still ran.
    pub(crate) overlap: IntCounter,
}

impl EndpointCounters {
    /// Counts the key that opened a request: an old secret that still opens is one that is still in use.
    pub(crate) fn opened_by(&self, key: usize) {
        if let Some(counter) = self.keys.get(key) {
            counter.inc();
        }
    }
}

impl Metrics {
    /// New counts, all zero.
    ///
    /// # Errors
    /// When two metrics share a name, which a test rules out.
    pub(crate) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, Error> {
            let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(vec.clone()))?;
            Ok(vec)
        };
        let answers = counters(
            "tollgate_answers_total",
            "Answers by class of status; `none` when the client went away first.",
            &["class"],
        )?;
        let class = |name: &str| answers.get_metric_with_label_values(&[name]);
        let duration = Histogram::with_opts(
            HistogramOpts::new("tollgate_request_duration_seconds", "From a request's head to its answer's end.")
                .buckets(DURATION_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(duration.clone()))?;
        let connections = IntGauge::new("tollgate_connections", "Open connections of the public listeners.")?;
        registry.register(Box::new(connections.clone()))?;
        let requests = IntGauge::new("tollgate_requests", "Requests whose answer has not ended.")?;
        registry.register(Box::new(requests.clone()))?;
        let accepted = IntCounter::new("tollgate_connections_total", "Connections that the public listeners took.")?;
        registry.register(Box::new(accepted.clone()))?;
        let fetches = counters(
            "tollgate_key_fetches_total",
            "Fetches of public keys that others publish, by what became of them.",
            &["result"],
        )?;
        let keys = KeyCounters {
            fetched: fetches.get_metric_with_label_values(&["fetched"])?,
            failed: fetches.get_metric_with_label_values(&["failed"])?,
        };
        Ok(Self {
            keys,
            answers: [
                class("none")?,
                class("1xx")?,
                class("2xx")?,
                class("3xx")?,
                class("4xx")?,
                class("5xx")?,
            ],
            duration,
            refused: counters(
                "tollgate_refused_total",
                "Requests that the gateway answered itself with an error, by reason: one for each limit.",
                &["reason"],
            )?,
            rejected: counters(
                "tollgate_ingress_rejected_total",
                "Requests to an endpoint that ended as neither delivery, duplicate nor handshake.",
                &["provider", "reason"],
            )?,
            deliveries: counters(
                "tollgate_deliveries_total",
                "Verified deliveries by what became of them; several may come in one request.",
                &["endpoint", "result"],
            )?,
            key_matches: counters(
                "tollgate_key_matches_total",
                "Which of an endpoint's keys opened a request, from 0.",
                &["endpoint", "key"],
            )?,
            ticks_skipped: counters(
                "tollgate_ticks_skipped_total",
                "Ticks of timers that were not run.",
                &["endpoint", "reason"],
            )?,
            requests,
            connections,
            accepted,
            connections_refused: counters(
                "tollgate_connections_refused_total",
                "Connections that were closed at once, by limit.",
                &["limit"],
            )?,
            connection_errors: counters(
                "tollgate_connection_errors_total",
                "Connections that ended by an error, by kind.",
                &["kind"],
            )?,
            outbound: OutboundCounters {
                requests: counters(
                    "tollgate_outbound_requests_total",
                    "Workers' calls out by what became of them.",
                    &["tenant", "deployment", "result"],
                )?,
                refused: counters(
                    "tollgate_outbound_refused_total",
                    "Workers' calls out that were not made, by reason.",
                    &["tenant", "deployment", "reason"],
                )?,
                broken: counters(
                    "tollgate_outbound_bodies_broken_total",
                    "Answers to workers' calls out whose body broke off after the head.",
                    &["tenant", "deployment", "result"],
                )?,
            },
            registry,
        })
    }

    /// The counts of an endpoint with this many keys.
    ///
    /// # Errors
    /// Never in practice: the labels are ours.
    pub(crate) fn endpoint(&self, id: &EndpointId, keys: usize) -> Result<EndpointCounters, Error> {
        let named = |name: &str| self.deliveries.get_metric_with_label_values(&[id.as_str(), name]);
        let result = |end: End| named(end.as_str());
        Ok(EndpointCounters {
            done: result(End::Done)?,
            failed: result(End::Failed)?,
            duplicate: result(End::Duplicate)?,
            handshake: result(End::Handshake)?,
            dropped: named("dropped")?,
            unknown_account: named(UNKNOWN_ACCOUNT)?,
            keys: (0..keys)
                .map(|key| self.key_matches.get_metric_with_label_values(&[id.as_str(), &key.to_string()]))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The counts of a timer.
    ///
    /// # Errors
    /// Never in practice: the labels are ours.
    pub(crate) fn timer(&self, id: &EndpointId) -> Result<TickCounters, Error> {
        let result = |end: End| self.deliveries.get_metric_with_label_values(&[id.as_str(), end.as_str()]);
        let skipped = |reason: &str| self.ticks_skipped.get_metric_with_label_values(&[id.as_str(), reason]);
        Ok(TickCounters {
            done: result(End::Done)?,
            failed: result(End::Failed)?,
            duplicate: result(End::Duplicate)?,
            missed: skipped("missed")?,
            overlap: skipped("overlap")?,
        })
    }

    /// Fetches of others' public keys.
    pub(crate) fn keys(&self) -> KeyCounters {
        self.keys.clone()
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        if let Some(counter) = self.answers.get(class) {
            counter.inc();
        }
    }

    /// Counts a request's time.
    pub(crate) fn took(&self, elapsed: Duration) {
        self.duration.observe(elapsed.as_secs_f64());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, reason: &'static str) {
        inc(&self.refused, &[reason]);
    }

    /// Counts a request to an endpoint that was not let in.
    pub(crate) fn rejected(&self, provider: Provider, reason: &'static str) {
        inc(&self.rejected, &[provider.as_str(), reason]);
    }

    /// Counts a connection that was closed at once.
    pub(crate) fn connection_refused(&self, limit: &'static str) {
        inc(&self.connections_refused, &[limit]);
    }

    /// Counts a connection that ended by an error.
    pub(crate) fn connection_error(&self, kind: &'static str) {
        inc(&self.connection_errors, &[kind]);
    }
}

fn inc(counters: &IntCounterVec, labels: &[&str]) {
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc();
    }
}

/// All of it as text.
///
/// # Errors
/// When the encoder fails.
pub(crate) fn render(gate: &Gate) -> Result<String, Error> {
    let mut families = gate.metrics.registry.gather();
    families.extend(host_counts(gate)?.gather());
    TextEncoder::new().encode_to_string(&families)
}

/// What the host and the journal count, as it stands now.
fn host_counts(gate: &Gate) -> Result<Registry, Error> {
    let registry = Registry::new();
    let labels = ["tenant", "deployment", "revision"];
    let counters = |name: &str, help: &str| -> Result<IntCounterVec, Error> {
        let vec = IntCounterVec::new(Opts::new(name, help), &labels)?;
        registry.register(Box::new(vec.clone()))?;
        Ok(vec)
    };
    let calls = counters("tollgate_worker_calls_total", "Attempted instantiations.")?;
    let traps = counters("tollgate_worker_traps_total", "Calls that trapped.")?;
    let cpu = counters("tollgate_worker_cpu_exhausted_total", "Calls out of CPU time.")?;
    let slowed = counters(
        "tollgate_worker_slowed_total",
        "Calls that used a whole tick of CPU and went on in the slow lane.",
    )?;
    let wall = counters("tollgate_worker_wall_exhausted_total", "Calls out of wall time.")?;
    let saturated = counters("tollgate_worker_saturated_total", "Calls that found no place.")?;
    let dropped = counters(
        "tollgate_worker_log_bytes_dropped_total",
        "Bytes of workers' logging that were dropped.",
    )?;
    for deployment in &gate.snapshot().deployments {
        let State::Ready(loaded) = &deployment.state else { continue };
        let of = [deployment.tenant.tenant_id.as_str(), deployment.id.as_str(), loaded.id.as_str()];
        let counts = loaded.revision.counters();
        for (vec, count) in [
            (&calls, &counts.calls),
            (&traps, &counts.traps),
            (&cpu, &counts.cpu_exhausted),
            (&slowed, &counts.slowed),
            (&wall, &counts.wall_exhausted),
            (&saturated, &counts.saturated),
            (&dropped, &counts.log_bytes_dropped),
        ] {
            vec.get_metric_with_label_values(&of)?.inc_by(count.load(Relaxed));
        }
    }
    for (name, help, value) in [
        ("tollgate_pool_instances", "Instances in use or kept.", gate.host.instances_in_use()),
        (
            "tollgate_unverified_bytes",
            "Bytes of endpoints' bodies that are not verified yet.",
            gate.unverified.bytes() as u64,
        ),
        (
            "tollgate_dedupe_in_flight",
            "Marks of deliveries in flight.",
            gate.dedupe.in_flight() as u64,
        ),
        (
            "tollgate_dedupe_marks",
            "Marks of done deliveries in the journal.",
            gate.dedupe.done(),
        ),
    ] {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(Box::new(gauge))?;
    }
    let engines = IntGaugeVec::new(
        Opts::new("tollgate_engine_instances", "Instances in use or kept, by their engine."),
        &["engine"],
    )?;
    registry.register(Box::new(engines.clone()))?;
    for (engine, pool) in gate.host.pools() {
        let gauge = engines.get_metric_with_label_values(&[engine.name()])?;
        gauge.set(i64::try_from(pool.instances).unwrap_or(i64::MAX));
    }
    let ages = IntGaugeVec::new(
        Opts::new("tollgate_keys_age_seconds", "Since an issuer's keys were fetched."),
        &["url"],
    )?;
    registry.register(Box::new(ages.clone()))?;
    for (url, age) in gate.keys.ages() {
        let gauge = ages.get_metric_with_label_values(&[url])?;
        gauge.set(i64::try_from(age).unwrap_or(i64::MAX));
    }
    contained::add(&registry, gate)?;
    let lines = IntCounter::new(
        "tollgate_log_lines_dropped_total",
        "Log lines dropped because stderr was not read fast enough.",
    )?;
    lines.inc_by(crate::logging::dropped());
    registry.register(Box::new(lines))?;
    residence::register(gate, &registry)?;
    Ok(registry)
}
