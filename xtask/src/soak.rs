//! `cargo xtask soak`: everything that `hostile` can do, at once and for long, beside honest calls of another tenant. At its end nothing may have grown, no
//! place be lost, no task hang, and no honest request have failed.
//!
//! In reading order: [`misdeeds`] (who calls what), [`client`] (one connection), [`watch`] (what the gateway uses, its [`memory`] by kind), [`report`] (what is written).

mod client;
mod memory;
mod misdeeds;
mod report;
mod watch;

use crate::{demo, gateway::Gateway, samples};
use anyhow::{Context, Result, bail};
use misdeeds::{Crowd, HONEST_CONNECTIONS};
use report::Report;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use watch::{Sample, Watch};

/// How long to go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Minutes, the warm-up included
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=24 * 60))]
    minutes: u64,
    /// Attack this gateway, with the samples that are there, and build nothing
    #[arg(long)]
    gateway: Option<PathBuf>,
}

/// Between two looks at the gateway.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Instances of each deployment at once.
const HOSTILE: u64 = 64;
const PATIENT: u64 = 16;
const HELLO: u64 = HONEST_CONNECTIONS as u64 * 2;
/// What one slot of the pool keeps when its instance is gone, for the next one: at most 2 MiB of memory, its tables, and its stack as deep as it was used.
const SLOT: u64 = 3 << 20;
/// How often the attack rests, its end included: what a crowd leaves open changes with its pace, what is left when nobody calls does not.
const RESTS: u32 = 12;
/// How long the gateway may take to become quiet: more than any call's wall time and any look at a closed connection.
const QUIET: Duration = Duration::from_secs(60);

/// Runs the attack; writes `target/soak/report.json` and `docs/reports/DATE-soak.md`, and prints the summary.
///
/// # Errors
/// When the gateway cannot run, or what must hold does not.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let binary = match &options.gateway {
        Some(gateway) => gateway.clone(),
        None => {
            samples::build(root, false)?;
            demo::release(root)?
        }
    };
    let work = root.join("target/soak");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let gateway = Gateway::start(&binary, &work, &manifest(root), "error", &[])?;
    let watch = Watch::new(&gateway);
    let idle = watch.look()?;

    let length = Duration::from_secs(options.minutes * 60);
    // Pools fill, caches warm, the store reaches its quotas.
    let warm = (length / 6).min(Duration::from_secs(300));
    let begun = Instant::now();
    let mut crowd = Crowd::start(gateway.listener(0)?);
    let mut samples: Vec<(Duration, Sample)> = Vec::new();
    let mut rests = Vec::new();
    for round in 1..=RESTS {
        let end = length * round / RESTS;
        while begun.elapsed() < end {
            thread::sleep(LOOK_EVERY.min(end.saturating_sub(begun.elapsed())));
            let sample = watch.look().context("the gateway does not answer; see target/soak/tollgate.log")?;
            if samples.len().is_multiple_of(12) {
                println!("{:>5} s  {sample}", begun.elapsed().as_secs());
            }
            if begun.elapsed() >= warm {
                samples.push((begun.elapsed(), sample));
            }
        }
        crowd.rest();
        let rest = quiet(&watch)?;
        println!("{:>5} s  at rest: {rest}", begun.elapsed().as_secs());
        rests.push((begun.elapsed(), rest));
        if round < RESTS {
            crowd.resume();
        }
    }
    let report = Report {
        minutes: options.minutes,
        warm,
        idle,
        samples,
        rests,
        pool: (HOSTILE + PATIENT + HELLO) * SLOT * shards(),
        counted: crowd.stop(),
        limits: watch.lines("tollgate_worker_limit_total")?,
        calls: watch.sum("tollgate_worker_calls_total")?,
    };
    let failures = report.failures();
    report.write(root, &work, &failures)?;
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} things do not hold: {}", failures.len(), failures.join("; "))
}

/// wasmtime's pool has a list of free slots for each core, up to 16, and takes from the thread's own first: a thread may find none in its list that
/// another one has.
fn shards() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(16) as u64)
}

/// Waits until nothing is left to do, or long enough.
fn quiet(watch: &Watch<'_>) -> Result<Sample> {
    let end = Instant::now() + QUIET;
    loop {
        let sample = watch.look()?;
        if sample.is_quiet() || Instant::now() > end {
            return Ok(sample);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// `hostile` of one tenant, with limits that it reaches within a second or two and once with the default ones, and `hello` of another tenant.
fn manifest(root: &Path) -> Value {
    let samples = root.join("target/samples");
    let deployment = |name: &str, pack: &str, tenant: &str, limits: Value| {
        json!({
            "id": name, "tenant": tenant, "limits": limits,
            "routes": [{ "host": format!("{name}.localhost"), "path": "/", "access": "public" }],
            "revisions": [{ "id": "r1", "pack": samples.join(format!("{pack}.gtpack")) }],
        })
    };
    let hostile = json!({
        "memory": "16MiB", "cpu": "50ms", "wall": "2s", "first_byte": "1s", "stall": "1s", "concurrency": HOSTILE, "queue": 16, "body": "64KiB",
        "store": { "keys": 50, "bytes": "16KiB", "operations": 80, "rate": 2000 },
    });
    json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [{ "address": "127.0.0.1:0", "protocols": ["h1"] }],
        "admin": { "address": "127.0.0.1:0" },
        "store": { "kind": "sled", "path": "store" },
        "trust": { "keys": [samples.join("dev.pub")] },
        "tenants": { "acme": { "hosts": ["hostile.localhost", "patient.localhost"] }, "beta": { "hosts": ["hello.localhost"] } },
        "deployments": [
            deployment("hostile", "hostile", "acme", hostile),
            deployment("patient", "hostile", "acme", json!({ "memory": "16MiB", "concurrency": PATIENT })),
            deployment("hello", "hello", "beta", json!({ "concurrency": HELLO })),
        ],
    })
}

/// What all threads of the attack share: whether to go on, and what they have counted.
type Shared = Arc<misdeeds::Counts>;
