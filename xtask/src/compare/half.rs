//! Latency at half load: Tollgate and native, each at half of the rate that it reached in this run, and native at half of Tollgate's as well.

use super::{
    CONNECTIONS,
    contender::Contender,
    pace::{self, Paced},
    report::{Job, median},
};
use crate::process::server::own_cpu;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fmt::{self, Write},
    time::{Duration, Instant},
};

/// The three, in the order in which they are told.
#[derive(Debug)]
pub(super) struct Half {
    ours: Series,
    native: Series,
    /// At our rate.
    slower: Series,
}

#[derive(Debug)]
struct Series {
    what: &'static str,
    rounds: Vec<Paced>,
    /// Cores that the server and this program had busy, each round.
    cores: Vec<[f64; 2]>,
}

impl Series {
    fn median(&self, figure: impl Fn(&Paced) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    fn cores(&self) -> [f64; 2] {
        [0, 1].map(|at| median(self.cores.iter().filter_map(|cores| cores.get(at).copied()).collect()))
    }
}

/// Interleaved rounds, each beginning with the next one; nothing when native is left out.
///
/// # Errors
/// When one of them cannot keep the pace.
pub(super) fn measure(contenders: &[&Contender], full: &Job, rounds: u32, seconds: u32) -> Result<Option<Half>> {
    let full_rate = |name: &str| full.results.iter().find(|result| result.name == name).map(|result| result.rate());
    let find = |name: &str| contenders.iter().find(|contender| contender.name == name).copied();
    let (Some(tollgate), Some(native)) = (find("tollgate"), find("native")) else {
        return Ok(None);
    };
    let (Some(our_rate), Some(native_rate)) = (full_rate("tollgate"), full_rate("native")) else {
        return Ok(None);
    };
    let series = |what| Series {
        what,
        rounds: Vec::new(),
        cores: Vec::new(),
    };
    let mut turns = [
        (series("tollgate at half of its own"), tollgate, our_rate / 2.0),
        (series("native at half of its own"), native, native_rate / 2.0),
        (series("native at half of tollgate's"), native, our_rate / 2.0),
    ];
    for round in 0..rounds {
        turns.rotate_left(usize::from(round > 0));
        for (series, contender, rate) in &mut turns {
            let length = Duration::from_secs(seconds.into());
            let (begun, server, own) = (Instant::now(), contender.server.cpu()?, own_cpu()?);
            let paced = pace::run(contender.address, *rate, CONNECTIONS, length).with_context(|| format!("half load, {}", series.what))?;
            let spent = [(contender.server.cpu()?.saturating_sub(server)).as_secs_f64(), own_cpu()? - own];
            series.cores.push(spent.map(|seconds| seconds / begun.elapsed().as_secs_f64()));
            println!(
                "half load {}/{rounds} {}: {:.0} requests/s, p99 {:.3} ms",
                round + 1,
                series.what,
                paced.rate,
                paced.p99_ms
            );
            series.rounds.push(paced);
        }
    }
    turns.rotate_right((rounds as usize - 1) % 3);
    let [(ours, ..), (native, ..), (slower, ..)] = turns;
    Ok(Some(Half { ours, native, slower }))
}

impl Half {
    fn all(&self) -> [&Series; 3] {
        [&self.ours, &self.native, &self.slower]
    }

    /// Ours over theirs: of the medians, and the lowest and highest of any one round.
    fn ratio(&self, theirs: &Series) -> (f64, f64, f64) {
        let rounds = self.ours.rounds.iter().zip(&theirs.rounds);
        let (lowest, highest) = rounds.fold((f64::INFINITY, 0.0_f64), |(low, high), (ours, theirs)| {
            let ratio = ours.p99_ms / theirs.p99_ms;
            (low.min(ratio), high.max(ratio))
        });
        let p99 = |series: &Series| series.median(|round| round.p99_ms);
        (p99(&self.ours) / p99(theirs), lowest, highest)
    }

    /// The ratios in one line.
    pub(super) fn summary(&self) -> String {
        let [native, slower] = [&self.native, &self.slower].map(|theirs| {
            let (medians, lowest, highest) = self.ratio(theirs);
            format!("{medians:.2} ({lowest:.2} to {highest:.2}) times that of {}", theirs.what)
        });
        format!("half load: the p99 of {} is {native}, {slower}", self.ours.what)
    }

    pub(super) fn json(&self) -> Value {
        let series = self.all().map(|series| {
            let rounds = series.rounds.iter().map(|r| {
                json!({
                    "rate": r.rate, "requests": r.requests, "p50_ms": r.p50_ms, "p99_ms": r.p99_ms, "p999_ms": r.p999_ms, "sent_p99_ms": r.sent_p99_ms,
                })
            });
            json!({ "what": series.what, "p99_ms": series.median(|r| r.p99_ms), "busy_cores": series.cores, "rounds": rounds.collect::<Vec<_>>() })
        });
        let ratio = |theirs| {
            let (medians, lowest, highest) = self.ratio(theirs);
            json!({ "medians": medians, "lowest": lowest, "highest": highest })
        };
        json!({ "series": series, "p99_ratio_to_native": ratio(&self.native), "p99_ratio_at_the_same_rate": ratio(&self.slower) })
    }

    pub(super) fn markdown(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "\n## hello at half load\n\nThe same requests, sent at a constant rate on {CONNECTIONS} connections by a thread each, whatever the answers do: half of the median \
             rate above. Latency counts from the time at which a request was due (nothing is omitted because an earlier one was late); `as sent` counts from when it was sent. The generator is the \
             dearer the faster it sends: where its cores and the server's sum up to nearly all that there are, the latency is of the queue for them.\n"
        )?;
        writeln!(
            out,
            "| contender | requests/s | p50 ms | p99 ms | p99.9 ms | p99 ms as sent | cores busy, server and generator |\n|---|---:|---:|---:|---:|---:|---:|"
        )?;
        for series in self.all() {
            let [server, generator] = series.cores();
            writeln!(
                out,
                "| {} | {:.0} | {:.3} | {:.3} | {:.3} | {:.3} | {server:.2} + {generator:.2} |",
                series.what,
                series.median(|r| r.rate),
                series.median(|r| r.p50_ms),
                series.median(|r| r.p99_ms),
                series.median(|r| r.p999_ms),
                series.median(|r| r.sent_p99_ms)
            )?;
        }
        writeln!(out, "\n{}.\n\np99 in ms, round by round:\n", self.summary())?;
        for series in self.all() {
            let rounds: Vec<_> = series.rounds.iter().map(|round| format!("{:.3}", round.p99_ms)).collect();
            writeln!(out, "- {}: {}", series.what, rounds.join(", "))?;
        }
        Ok(())
    }
}
