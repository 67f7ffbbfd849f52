//! What is written: raw numbers, medians, and Tollgate's ratio to each peer.

use super::{contender::Contender, half::Half, load::Measurement};
use crate::machine;
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    fmt::{self, Write},
    fs,
    path::Path,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    /// See [`machine`].
    pub(crate) machine: Value,
    /// Measurements of each contender.
    pub(crate) rounds: u32,
    /// Length of each.
    pub(crate) seconds: u32,
    /// Of the load generator.
    pub(crate) connections: usize,
    /// What was measured at full speed.
    pub(crate) jobs: Vec<Job>,
    /// What was measured at half of it.
    pub(crate) half: Option<Half>,
    /// Who was left out, and why.
    pub(crate) absent: Vec<String>,
}

/// One job and everyone who did it; Tollgate is the first.
#[derive(Debug)]
pub(crate) struct Job {
    /// Short.
    pub(crate) name: &'static str,
    /// A sentence.
    pub(crate) what: String,
    /// One for each contender.
    pub(crate) results: Vec<Result>,
}

/// One contender's numbers.
#[derive(Debug)]
pub(crate) struct Result {
    /// The contender's.
    pub(crate) name: &'static str,
    version: String,
    command: String,
    /// In the order of the rounds.
    pub(crate) rounds: Vec<Measurement>,
}

impl Result {
    /// Of a contender that has not been measured yet.
    pub(crate) fn new(contender: &Contender) -> Self {
        Self {
            name: contender.name,
            version: contender.version.clone(),
            command: contender.command.clone(),
            rounds: Vec::new(),
        }
    }

    /// The median of the rounds.
    pub(crate) fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate).collect())
    }

    /// The median of the rounds, if it was measured.
    fn median(&self, figure: impl Fn(&Measurement) -> Option<f64>) -> Option<f64> {
        self.rounds.iter().map(figure).collect::<Option<Vec<_>>>().map(median)
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = (values.len().saturating_sub(1)) / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(lower), at(upper))
}

/// Tollgate against one peer: of the medians, and the lowest and highest of any one round.
struct Ratio {
    medians: f64,
    lowest: f64,
    highest: f64,
}

impl Ratio {
    fn of(ours: &Result, theirs: &Result) -> Self {
        let rounds = ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours.rate / theirs.rate);
        let (lowest, highest) = rounds.fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        Self {
            medians: ours.rate() / theirs.rate(),
            lowest,
            highest,
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.medians, self.lowest, self.highest)
    }
}

impl Report {
    /// Writes both forms, and says the ratios.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, root: &Path, work: &Path) -> anyhow::Result<()> {
        let now = OffsetDateTime::now_utc();
        let time = now.format(&Rfc3339)?;
        let json = work.join("report.json");
        fs::write(&json, serde_json::to_vec_pretty(&self.json(&time))?)?;
        let markdown = root.join("docs/reports").join(format!("{}-compare.md", now.date()));
        fs::create_dir_all(root.join("docs/reports"))?;
        fs::write(&markdown, self.markdown(&time)?).with_context(|| format!("{} cannot be written", markdown.display()))?;
        for job in &self.jobs {
            let Some((ours, peers)) = job.results.split_first() else { continue };
            for peer in peers {
                println!(
                    "{}: tollgate makes {} times the requests of {}",
                    job.name,
                    Ratio::of(ours, peer),
                    peer.name
                );
            }
        }
        if let Some(half) = &self.half {
            println!("{}", half.summary());
        }
        println!("{}\n{}", json.display(), markdown.display());
        Ok(())
    }

    fn json(&self, time: &str) -> Value {
        let jobs = self.jobs.iter().map(|job| {
            let results = job.results.iter().map(|result| {
                let rounds: Vec<_> = result.rounds.iter().map(|r| json!({ "requests": r.requests, "rate": r.rate, "p50_ms": r.p50_ms, "p99_ms": r.p99_ms })).collect();
                let ratio = job.results.first().map(|ours| Ratio::of(ours, result));
                json!({
                    "name": result.name, "version": result.version, "command": result.command, "rounds": rounds,
                    "rate": result.rate(), "p50_ms": result.median(|r| r.p50_ms), "p99_ms": result.median(|r| r.p99_ms),
                    "tollgate_ratio": ratio.map(|ratio| json!({ "medians": ratio.medians, "lowest": ratio.lowest, "highest": ratio.highest })),
                })
            });
            json!({ "name": job.name, "what": job.what, "results": results.collect::<Vec<_>>() })
        });
        json!({
            "time": time, "machine": self.machine, "rounds": self.rounds, "seconds": self.seconds, "connections": self.connections,
            "jobs": jobs.collect::<Vec<_>>(), "half_load": self.half.as_ref().map(Half::json), "absent": self.absent,
        })
    }

    fn markdown(&self, time: &str) -> std::result::Result<String, fmt::Error> {
        let mut out = String::new();
        writeln!(out, "# Comparison of {time}\n")?;
        writeln!(
            out,
            "Written by `cargo xtask compare --rounds {} --seconds {}`.",
            self.rounds, self.seconds
        )?;
        writeln!(
            out,
            "{} rounds of {} s; in each every contender once, each round beginning with the next one.",
            self.rounds, self.seconds
        )?;
        writeln!(
            out,
            "`wrk` (for h2: `h2load`) with one thread and {} connections runs on the same machine. Only ratios within this run mean something.\n",
            self.connections
        )?;
        machine::markdown(&self.machine, &mut out)?;
        writeln!(
            out,
            "- Tollgate and `wasmtime serve` without reuse give every request a fresh instance; Tollgate keeps guard pages and Spectre mitigations on. node and workerd serve all requests from one isolate in one thread."
        )?;
        writeln!(
            out,
            "- The load generator pays for TLS and h2 as well, on the same cores, so that those ratios lie nearer to 1 than the servers alone would be."
        )?;
        for absent in &self.absent {
            writeln!(out, "- Left out: {absent}")?;
        }
        for job in &self.jobs {
            writeln!(out, "\n## {}\n\n{}.\n", job.name, job.what)?;
            writeln!(
                out,
                "| contender | version | requests/s, median | p50 ms | p99 ms | Tollgate's ratio (lowest to highest round) |\n|---|---|---:|---:|---:|---:|"
            )?;
            for result in &job.results {
                let ratio = job
                    .results
                    .first()
                    .filter(|ours| ours.name != result.name)
                    .map(|ours| Ratio::of(ours, result).to_string());
                let ms = |figure: Option<f64>| figure.map_or_else(String::new, |ms| format!("{ms:.2}"));
                writeln!(
                    out,
                    "| {} (`{}`) | {} | {:.0} | {} | {} | {} |",
                    result.name,
                    result.command,
                    result.version,
                    result.rate(),
                    ms(result.median(|r| r.p50_ms)),
                    ms(result.median(|r| r.p99_ms)),
                    ratio.as_deref().unwrap_or("")
                )?;
            }
            writeln!(out, "\nRequests a second, round by round:\n")?;
            for result in &job.results {
                let rounds: Vec<_> = result.rounds.iter().map(|round| format!("{:.0}", round.rate)).collect();
                writeln!(out, "- {}: {}", result.name, rounds.join(", "))?;
            }
        }
        if let Some(half) = &self.half {
            half.markdown(&mut out)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_is_the_middle() {
        for (values, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)] {
            assert!((median(values.clone()) - expected).abs() < f64::EPSILON, "{values:?}");
        }
    }
}
