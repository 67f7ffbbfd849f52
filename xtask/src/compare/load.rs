//! One measurement, by `wrk`.

use super::{contender::Contender, signed};
use crate::process;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Requests that a round signs beforehand, for each second; more are made when they were too few.
const SIGNED_A_SECOND: usize = 25_000;
/// Above this the machine's memory, not the contenders, would be measured.
const MOST_SIGNED: usize = 4_000_000;

/// What one contender did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    /// Answered requests a second.
    pub(crate) rate: f64,
    /// Median latency, milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub(crate) p99_ms: f64,
    /// Answered requests.
    pub(crate) requests: u64,
}

/// The load generator, set up.
#[derive(Debug)]
pub(crate) struct Load {
    work: PathBuf,
    seconds: u32,
    connections: usize,
    signed: Cell<usize>,
}

impl Load {
    /// Writes the scripts.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn new(work: &Path, seconds: u32, connections: usize) -> Result<Self> {
        let sum_up = include_str!("load.lua");
        fs::write(work.join("load.lua"), sum_up)?;
        fs::write(work.join("signed.lua"), [include_str!("signed.lua"), sum_up].join("\n"))?;
        Ok(Self {
            work: work.into(),
            seconds,
            connections,
            signed: Cell::new(SIGNED_A_SECOND * seconds as usize),
        })
    }

    /// `GET /abc`, again and again.
    ///
    /// # Errors
    /// When a request failed.
    pub(crate) fn hello(&self, contender: &Contender) -> Result<Measurement> {
        let host = format!("Host: {}", contender.hello_host());
        let url = format!("http://{}/abc", contender.address);
        let summary = self.run("load.lua", &["-H", &host, &url])?;
        self.measurement(&summary)
    }

    /// Slack messages that nobody has seen, each sent once.
    ///
    /// # Errors
    /// When a request failed.
    pub(crate) fn slack(&self, contender: &Contender) -> Result<Measurement> {
        loop {
            let file = self.work.join("signed.requests");
            let requests = signed::Round::sign(self.signed.get(), contender.slack_host())?;
            // The first one is spent on a look at the answer, so that nobody is measured at doing something else.
            let answer = contender.ask(&requests.first)?;
            ensure!(
                answer.starts_with("HTTP/1.1 200") && json(&answer) == Some(requests.answer),
                "does not do the job: {answer}"
            );
            fs::write(&file, requests.rest)?;
            let url = format!("http://{}/slack/events", contender.address);
            let summary = self.run("signed.lua", &[&url, "--", &file.to_string_lossy()])?;
            fs::remove_file(&file)?;
            if summary.get("exhausted").and_then(Value::as_u64) == Some(0) {
                return self.measurement(&summary);
            }
            self.signed.set(self.signed.get() * 2);
            ensure!(
                self.signed.get() <= MOST_SIGNED,
                "{MOST_SIGNED} signed requests are too few for {} s; take fewer seconds",
                self.seconds
            );
        }
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", &format!("-c{}", self.connections), &format!("-d{}s", self.seconds), "-s"]);
        let output = process::output(wrk.arg(self.work.join(script)).args(arguments))?;
        let line = output
            .lines()
            .find(|line| line.starts_with('{'))
            .with_context(|| format!("wrk did not sum up: {output}"))?;
        Ok(serde_json::from_str(line)?)
    }

    fn measurement(&self, summary: &Value) -> Result<Measurement> {
        let number = |name: &str| {
            summary
                .get(name)
                .and_then(Value::as_f64)
                .with_context(|| format!("no {name} in {summary}"))
        };
        if number("failed")? > 0.0 {
            bail!("requests failed: {summary}");
        }
        let requests = summary.get("requests").and_then(Value::as_u64).context("no count")?;
        ensure!(requests > 0, "nothing was answered");
        Ok(Measurement {
            rate: requests as f64 / number("duration")? * 1e6,
            p50_ms: number("p50")? / 1e3,
            p99_ms: number("p99")? / 1e3,
            requests,
        })
    }
}

/// The one JSON object of an answer, whatever coding carries it.
fn json(answer: &str) -> Option<Value> {
    let (begin, end) = (answer.find('{')?, answer.rfind('}')?);
    serde_json::from_str(answer.get(begin..=end)?).ok()
}
