//! One measurement at full speed, by `wrk`, or by `h2load` where it is h2.

use super::{
    contender::{Contender, HELLO_HOST, SLACK_HOST},
    signed,
};
use crate::process;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    cell::Cell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Requests that a round signs beforehand, for each second; more are made when they were too few.
const SIGNED_A_SECOND: usize = 25_000;
/// Above this the machine's memory, not the contenders, would be measured.
const MOST_SIGNED: usize = 4_000_000;

/// Debian's `nghttp2-client`.
pub(crate) const H2LOAD: &str = "h2load";
/// On each connection, with h2: what one connection is there for, and fewer than any contender's limit of calls at once.
pub(crate) const STREAMS: usize = 4;

/// What one contender did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    /// Answered requests a second.
    pub(crate) rate: f64,
    /// Median latency, milliseconds, if the load generator says it.
    pub(crate) p50_ms: Option<f64>,
    /// 99th percentile, milliseconds, likewise.
    pub(crate) p99_ms: Option<f64>,
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
        self.get(&format!("http://{}/abc", contender.address))
    }

    /// The same behind TLS.
    ///
    /// # Errors
    /// When a request failed.
    pub(crate) fn hello_tls(&self, contender: &Contender) -> Result<Measurement> {
        self.get(&format!("https://{}/abc", contender.tls.context("it speaks no TLS")?))
    }

    fn get(&self, url: &str) -> Result<Measurement> {
        let host = format!("Host: {HELLO_HOST}");
        self.measurement(&self.run("load.lua", &["-H", &host, url])?)
    }

    /// The same over h2, with or without TLS, [`STREAMS`] at once on each connection.
    ///
    /// # Errors
    /// When a request failed, or another protocol was spoken.
    pub(crate) fn hello_h2(&self, address: Option<SocketAddr>, scheme: &str, protocol: &str) -> Result<Measurement> {
        let mut h2load = Command::new(H2LOAD);
        h2load.args([
            "-t1",
            &format!("-c{}", self.connections),
            &format!("-m{STREAMS}"),
            &format!("-D{}s", self.seconds),
        ]);
        // The name is asked for in TLS and in `:authority`.
        h2load.arg(format!("--connect-to={}", address.context("it speaks no h2")?));
        let told = process::output(h2load.arg(format!("{scheme}://{HELLO_HOST}/abc")))?;
        let spoken = format!("Application protocol: {protocol}");
        ensure!(told.lines().any(|line| line == spoken), "it did not speak {protocol}: {told}");
        let (requests, rate) = summed_up(&told).with_context(|| format!("h2load did not sum up, or requests failed: {told}"))?;
        Ok(Measurement {
            rate,
            p50_ms: None,
            p99_ms: None,
            requests,
        })
    }

    /// Slack messages that nobody has seen, each sent once.
    ///
    /// # Errors
    /// When a request failed.
    pub(crate) fn slack(&self, contender: &Contender) -> Result<Measurement> {
        loop {
            let file = self.work.join("signed.requests");
            let requests = signed::Round::sign(self.signed.get(), SLACK_HOST)?;
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
            p50_ms: Some(number("p50")? / 1e3),
            p99_ms: Some(number("p99")? / 1e3),
            requests,
        })
    }
}

/// Answered requests, and how many a second, of what h2load prints; nothing when one of them failed.
fn summed_up(told: &str) -> Option<(u64, f64)> {
    let line = |start: &str| told.lines().find_map(|line| line.strip_prefix(start));
    let rate = line("finished in ")?.split(", ").nth(1)?.strip_suffix(" req/s")?.parse().ok()?;
    let count = |line: &str, word: &str| -> Option<u64> { line.split(", ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok()) };
    let (requests, codes) = (line("requests: ")?, line("status codes: ")?);
    let done = count(requests, " done")?;
    // The head of a request that the end cut off counts as a status too.
    let others = ["3xx", "4xx", "5xx"]
        .into_iter()
        .map(|class| count(codes, &format!(" {class}")))
        .sum::<Option<u64>>();
    let good = count(requests, " failed")? == 0 && count(requests, " errored")? == 0 && count(requests, " timeout")? == 0;
    (good && done > 0 && others == Some(0) && count(codes, " 2xx")? >= done).then_some((done, rate))
}

/// The one JSON object of an answer, whatever coding carries it.
fn json(answer: &str) -> Option<Value> {
    let (begin, end) = (answer.find('{')?, answer.rfind('}')?);
    serde_json::from_str(answer.get(begin..=end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::summed_up;

    #[test]
    fn what_h2load_prints_is_read() {
        let told = |failed: u64, good: u64, bad: u64| {
            format!(
                "Application protocol: h2\nfinished in 2.00s, 34213.50 req/s, 1.97MB/s\n\
                 requests: 68427 total, 68491 started, 68427 done, 68427 succeeded, {failed} failed, 0 errored, 0 timeout\n\
                 status codes: {good} 2xx, 0 3xx, {bad} 4xx, 0 5xx\n"
            )
        };
        assert_eq!(summed_up(&told(0, 68490, 0)), Some((68427, 34213.5)));
        for (name, text) in [
            ("one failed", told(1, 68427, 0)),
            ("one was refused", told(0, 68427, 1)),
            ("nothing", String::new()),
        ] {
            assert_eq!(summed_up(&text), None, "{name}");
        }
    }
}
