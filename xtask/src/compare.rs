//! `cargo xtask compare`: Tollgate and the peers that are installed, on the same job, in one interleaved run on this machine.
//!
//! Each round measures every contender once, one after the other, and the next round begins with another one: what the machine does
//! meanwhile hits all alike. Only ratios of one run mean something; the report keeps every raw number.
//!
//! In reading order: [`contender`] (who runs), [`signed`] (the webhooks), [`load`] (one measurement), [`report`] (what is written), [`machine`].

mod contender;
mod load;
mod machine;
mod report;
mod signed;

use crate::{demo, process, samples};
use anyhow::{Context, Result, bail};
use contender::Contender;
use load::Measurement;
use report::{Job, Report};
use std::{fs, path::Path};

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
}

/// Measures both jobs; writes `target/compare/report.json` and `docs/reports/DATE-compare.md`.
///
/// # Errors
/// When Tollgate or the load generator cannot run, or a contender answers wrongly. A peer that is not installed is left out by name.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if process::find("wrk").is_none() {
        bail!("the load generator wrk is not installed: `apt-get install wrk`");
    }
    samples::build(root, false)?;
    let gateway = demo::release(root)?;
    let work = root.join("target/compare");
    fs::create_dir_all(&work)?;

    // Before the first contender, so that its load average tells whether the machine was idle.
    let machine = machine::describe(root)?;
    let mut absent = Vec::new();
    let contenders = contender::start(root, &work, &gateway, &mut absent)?;
    let load = load::Load::new(&work, options.seconds, CONNECTIONS)?;
    let hello = Job {
        name: "hello",
        what: "plain HTTP/1.1, `GET /abc`, answered `hello /abc`; in Tollgate and `wasmtime serve` by the same component",
        results: measure("hello", options.rounds, &contenders, |contender| load.hello(contender))?,
    };
    let both: Vec<_> = contenders.into_iter().filter(Contender::verifies).collect();
    let slack = Job {
        name: "slack",
        what: "plain HTTP/1.1, `POST /slack/events`: distinct Slack messages, signed anew for each round and none sent twice; verified (window 300 s), deduplicated and counted in memory, answered as JSON",
        results: measure("slack", options.rounds, &both, |contender| load.slack(contender))?,
    };
    let report = Report {
        machine,
        rounds: options.rounds,
        seconds: options.seconds,
        connections: CONNECTIONS,
        jobs: vec![hello, slack],
        absent,
    };
    report.write(root, &work)
}

/// Every contender once a round, each round beginning with the next one.
fn measure(
    job: &str,
    rounds: u32,
    contenders: &[Contender],
    mut once: impl FnMut(&Contender) -> Result<Measurement>,
) -> Result<Vec<report::Result>> {
    let mut results: Vec<_> = contenders.iter().map(report::Result::new).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round as usize + turn) % contenders.len();
            let (Some(contender), Some(result)) = (contenders.get(index), results.get_mut(index)) else {
                continue;
            };
            let measured = once(contender).with_context(|| format!("{job}, {}", contender.name))?;
            println!(
                "{job} {}/{rounds} {}: {:.0} requests/s, p99 {:.2} ms",
                round + 1,
                contender.name,
                measured.rate,
                measured.p99_ms
            );
            result.rounds.push(measured);
        }
    }
    Ok(results)
}
