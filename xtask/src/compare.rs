//! `cargo xtask compare`: Tollgate and the peers that are installed, on the same job, in one interleaved run on this machine.
//!
//! Each round measures every contender once, one after the other, and the next round begins with another one: what the machine does
//! meanwhile hits all alike. Only ratios of one run mean something; the report keeps every raw number.
//!
//! In reading order: [`contender`] (who runs) and [`peers`] (how each is started), [`signed`] (the webhooks), [`load`] (one measurement at full speed), [`half`]
//! (at half of it, by [`pace`]), [`report`] (what is written).

mod contender;
mod half;
mod load;
mod pace;
mod peers;
mod report;
mod signed;

use crate::{demo, machine, process, samples};
use anyhow::{Context, Result, bail};
use contender::Contender;
use load::{Load, Measurement};
use report::{Job, Report};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Connections of the load generator: enough to keep two cores busy, few enough that queueing does not hide the cost of a call.
const CONNECTIONS: usize = 16;

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each contender is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of one measurement; at most 60, so that what a round signed is young enough when it is sent
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Measure this gateway, and the samples that are there, instead of building them
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// Compare with this native peer instead of building it
    #[arg(long, value_name = "FILE")]
    native: Option<PathBuf>,
}

/// Measures all jobs; writes `target/compare/report.json` and `docs/reports/DATE-compare.md`.
///
/// # Errors
/// When Tollgate or the load generator cannot run, or a contender answers wrongly. A peer that is not installed is left out by name.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if process::find("wrk").is_none() {
        bail!("the load generator wrk is not installed: `apt-get install wrk`");
    }
    let gateway = match &options.gateway {
        Some(gateway) => gateway.clone(),
        None => {
            samples::build(root, false)?;
            demo::release(root)?
        }
    };
    let native = options.native.clone().map_or_else(|| demo::released(root, "native"), Ok);
    let work = root.join("target/compare");
    fs::create_dir_all(&work)?;

    // Before the first contender, so that its load average tells whether the machine was idle.
    let machine = machine::describe(root)?;
    let mut absent = Vec::new();
    let contenders = peers::start(root, &work, &gateway, native, &mut absent)?;
    let load = Load::new(&work, options.seconds, CONNECTIONS)?;
    let all: Vec<_> = contenders.iter().collect();
    let hello = Job {
        name: "hello",
        what: "plain HTTP/1.1, `GET /abc`, answered `hello /abc`; in Tollgate and `wasmtime serve` by the same component".to_owned(),
        results: measure("hello", options.rounds, &all, &|contender| load.hello(contender))?,
    };
    let half = half::measure(&all, &hello, options.rounds, options.seconds)?;
    let mut jobs = vec![hello];
    if process::find(load::H2LOAD).is_none() {
        let reason = "h2 and h2c: the load generator h2load is not installed: `apt-get install nghttp2-client`";
        println!("left out: {reason}");
        absent.push(reason.to_owned());
    }
    for (name, what, does, once) in others() {
        if name.contains("h2") && process::find(load::H2LOAD).is_none() {
            continue;
        }
        let who: Vec<_> = contenders.iter().filter(|contender| does(contender)).collect();
        let results = measure(name, options.rounds, &who, &|contender| once(&load, contender))?;
        jobs.push(Job { name, what, results });
    }
    let report = Report {
        machine,
        rounds: options.rounds,
        seconds: options.seconds,
        connections: CONNECTIONS,
        jobs,
        half,
        absent,
    };
    report.write(root, &work)
}

/// A job: its name, what it is, who does it, and how it is measured once.
type Other = (
    &'static str,
    String,
    fn(&Contender) -> bool,
    fn(&Load, &Contender) -> Result<Measurement>,
);

/// The jobs beside plain `hello`.
fn others() -> [Other; 4] {
    [
        (
            "hello, TLS",
            format!(
                "the same over HTTP/1.1 behind TLS, {CONNECTIONS} handshakes among the requests; native has Tollgate's rustls, node its own OpenSSL, all a certificate of their \
                 own with a P-256 key"
            ),
            |contender| contender.tls.is_some(),
            |load, contender| load.hello_tls(contender),
        ),
        (
            "hello, h2",
            format!("the same over h2 behind TLS, {} streams at once on each connection", load::STREAMS),
            |contender| contender.tls.is_some(),
            |load, contender| load.hello_h2(contender.tls, "https", "h2"),
        ),
        (
            "hello, h2c",
            format!("the same over h2 without TLS, by prior knowledge, {} streams at once", load::STREAMS),
            |contender| contender.h2c.is_some(),
            |load, contender| load.hello_h2(contender.h2c, "http", "h2c"),
        ),
        (
            "slack",
            "plain HTTP/1.1, `POST /slack/events`: distinct Slack messages, signed anew for each round and none sent twice; verified (window 300 s), deduplicated and counted \
             in memory, answered as JSON"
                .to_owned(),
            |contender| contender.verifies,
            |load, contender| load.slack(contender),
        ),
    ]
}

/// Every contender once a round, each round beginning with the next one.
fn measure(
    job: &str,
    rounds: u32,
    contenders: &[&Contender],
    once: &dyn Fn(&Contender) -> Result<Measurement>,
) -> Result<Vec<report::Result>> {
    let mut results: Vec<_> = contenders.iter().map(|contender| report::Result::new(contender)).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round as usize + turn) % contenders.len();
            let (Some(contender), Some(result)) = (contenders.get(index), results.get_mut(index)) else {
                continue;
            };
            let measured = once(contender).with_context(|| format!("{job}, {}", contender.name))?;
            println!(
                "{job} {}/{rounds} {}: {:.0} requests/s{}",
                round + 1,
                contender.name,
                measured.rate,
                measured.p99_ms.map_or_else(String::new, |ms| format!(", p99 {ms:.2} ms"))
            );
            result.rounds.push(measured);
        }
    }
    Ok(results)
}
