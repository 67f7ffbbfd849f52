//! What is written: the table, and what its columns are.

use super::super::{DEBIAN, NPM, PYPI, WIT_BINDGEN};
use crate::machine;
use anyhow::Context;
use serde_json::Value;
use std::{
    fmt::{self, Write},
    fs,
    path::Path,
    time::Duration,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A whole run.
pub(super) struct Report {
    /// See [`machine`].
    pub(super) machine: Value,
    /// Of each measurement.
    pub(super) requests: u32,
    /// Two for each language that could be built.
    pub(super) rows: Vec<Row>,
    /// Workers that could not be built.
    pub(super) absent: Vec<&'static str>,
}

/// One worker, with a snapshot or without.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Which pool it runs in.
    pub(super) engine: &'static str,
    /// Bytes.
    pub(super) component: u64,
    /// `taken`, or why not.
    pub(super) snapshot: String,
    /// CPU seconds of the compiling child.
    pub(super) compile: f64,
    /// To the ready line, with nothing in the cache.
    pub(super) first_start: Duration,
    /// To the ready line, from the cache.
    pub(super) start: Duration,
    /// The first one after the start from the cache.
    pub(super) first_request: Duration,
    /// CPU time of the gateway for each of the others.
    pub(super) cpu: Duration,
    /// Of the others, as their caller sees it.
    pub(super) median: Duration,
    /// After them, in bytes.
    pub(super) resident: u64,
}

impl Row {
    /// Above the rows.
    pub(super) const HEAD: &str = "| worker | engine | component, bytes | snapshot | compile, CPU s | first start, s | start from cache, s | first request, ms | request, CPU us | request, median us | resident, MiB |\n\
        |---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {} | {} | {:.1} | {:.2} | {:.2} | {:.1} | {} | {} | {} |",
            self.name,
            self.engine,
            self.component,
            self.snapshot,
            self.compile,
            self.first_start.as_secs_f64(),
            self.start.as_secs_f64(),
            self.first_request.as_secs_f64() * 1e3,
            self.cpu.as_micros(),
            self.median.as_micros(),
            self.resident >> 20,
        )
    }
}

impl Report {
    /// Writes `docs/reports/DATE-languages.md`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, root: &Path) -> anyhow::Result<()> {
        let now = OffsetDateTime::now_utc();
        let file = root.join(format!("docs/reports/{}-languages.md", now.date()));
        fs::write(&file, self.markdown(&now.format(&Rfc3339)?)?).with_context(|| format!("{} cannot be written", file.display()))?;
        println!("languages: {}", file.display());
        Ok(())
    }

    fn markdown(&self, time: &str) -> Result<String, fmt::Error> {
        let mut out = format!(
            "# What a worker costs in each language, {time}\n\nWritten by `cargo xtask languages --requests {}`. One hello worker in each language \
             (`packs/samples/{{hello,c,js,python}}`), each in a gateway of its own, plain HTTP/1.1, `GET /abc?d=1`, one connection, {} requests one after the \
             other after {} that are not counted; `limits.cpu` at 1 s.\n\n",
            self.requests,
            self.requests,
            super::WARM
        );
        machine::markdown(&self.machine, &mut out)?;
        writeln!(
            out,
            "- Tools: {} and wit-bindgen {WIT_BINDGEN} (C); {} (JavaScript); {PYPI} (Python).",
            DEBIAN.first().unwrap_or(&""),
            NPM.join(", ")
        )?;
        for name in &self.absent {
            writeln!(out, "- Left out: {name}, which could not be built.")?;
        }
        out.push_str(
            "- Each worker stands twice: with the default warm-up request, and with `warm_up: []`. `snapshot` is what `/status` says: taken, or why not.\n\
             - First start: nothing in the cache, so that the worker is compiled, by a child of low priority: on a busy machine the seconds grow, its CPU time does not.\n\
             - CPU of a request is that of all the gateway's threads (`schedstat`), of compiling that of its children (`cutime`, `cstime`).\n\n",
        );
        writeln!(out, "{}", Row::HEAD)?;
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        Ok(out)
    }
}
