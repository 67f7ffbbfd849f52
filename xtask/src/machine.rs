//! What was measured on.

use crate::process;
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    fmt::{self, Write},
    fs,
    path::Path,
    process::Command,
    thread,
};

/// CPU, cores, kernel, load, compiler and commit.
///
/// # Errors
/// When the number of cores is unknown.
pub(crate) fn describe(root: &Path) -> Result<Value> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let memory = read("/proc/meminfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("MemTotal:")?.trim().to_owned()));
    let git = |arguments: &[&str]| process::output(Command::new("git").arg("-C").arg(root).args(arguments)).unwrap_or_default();
    Ok(json!({
        "cpu": cpu,
        "cores": thread::available_parallelism()?.get(),
        "memory": memory,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load": read("/proc/loadavg"),
        "rustc": process::output(Command::new("rustc").arg("--version")).unwrap_or_default(),
        "wrk": wrk_version(),
        "commit": git(&["rev-parse", "--short=12", "HEAD"]),
        "uncommitted": !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty(),
    }))
}

/// The same as lines of a list.
///
/// # Errors
/// Never: a text takes everything.
pub(crate) fn markdown(machine: &Value, out: &mut String) -> fmt::Result {
    let of = |name: &str| match machine.get(name) {
        Some(Value::String(text)) => text.clone(),
        other => other.unwrap_or(&Value::Null).to_string(),
    };
    writeln!(
        out,
        "- Machine: {}, {} cores, {}, Linux {}; load average before: {}",
        of("cpu"),
        of("cores"),
        of("memory"),
        of("kernel"),
        of("load")
    )?;
    let uncommitted = machine.get("uncommitted") == Some(&Value::Bool(true));
    writeln!(
        out,
        "- Commit {}{}; {}",
        of("commit"),
        if uncommitted { " with uncommitted changes" } else { "" },
        of("rustc")
    )
}

/// `wrk -v` prints its version, then its usage, and fails.
fn wrk_version() -> Option<String> {
    let output = Command::new("wrk").arg("-v").output().ok()?;
    Some(
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()?
            .split(" Copyright")
            .next()?
            .trim()
            .to_owned(),
    )
}
