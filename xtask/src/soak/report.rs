//! What a soak has shown: what must hold and does not, and the numbers.

use super::{misdeeds::Counted, watch::Sample};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, fs, path::Path, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The heap may move by so much, as caches and connections breathe. A leak of ten bytes a call shows within the hour.
const HEAP_SLACK: u64 = 16 << 20;
/// Threads of the blocking pool come and go, and what they have open.
const SLACK: u64 = 4;
/// Rows of samples that are shown.
const ROWS: usize = 40;

/// A whole run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) minutes: u64,
    /// Before the samples begin.
    pub(super) warm: Duration,
    /// Before the attack.
    pub(super) idle: Sample,
    /// Under it.
    pub(super) samples: Vec<(Duration, Sample)>,
    /// Each time that nobody called, the last one after it.
    pub(super) rests: Vec<(Duration, Sample)>,
    /// Bytes that the slots of all instances may keep.
    pub(super) pool: u64,
    pub(super) counted: Counted,
    /// By limit, as the metrics have them.
    pub(super) limits: BTreeMap<String, u64>,
    pub(super) calls: u64,
}

type Figure = fn(&Sample) -> u64;

impl Report {
    /// What must hold and does not.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = self.counted.missing();
        let (good, bad) = self.counted.honest();
        if bad > 0 || good == 0 {
            failures.push(format!("{bad} honest requests failed, {good} did not"));
        }
        let memory: [(&str, Figure); 2] = [
            ("the heap", |sample| sample.memory.heap),
            ("what is mapped of files", |sample| sample.memory.files),
        ];
        for (when, samples) in [("under attack", &self.samples), ("at rest", &self.rests)] {
            for (what, figure) in memory {
                let (early, late) = thirds(samples, figure);
                if late > early + HEAP_SLACK {
                    failures.push(format!("{what} {when} grew from {early} to {late}"));
                }
            }
        }
        // Slots stay warm when they were used once, and the more instances there are at once, the more are used: it grows, up to here.
        let all = self.samples.iter().chain(&self.rests);
        let pool = all.map(|(_, sample)| sample.memory.pool).max().unwrap_or_default();
        if pool > self.pool {
            failures.push(format!("the pool has {pool} bytes, of {} that its slots may keep", self.pool));
        }
        let left: [(&str, Figure); 3] = [
            ("threads", |sample| sample.threads),
            ("open files", |sample| sample.files),
            ("tasks", |sample| sample.tasks),
        ];
        for (at, rest) in &self.rests {
            let at = at.as_secs();
            if !rest.is_quiet() {
                failures.push(format!("the gateway did not become quiet at {at} s: {}", rest.json()));
            }
            for (what, figure) in left {
                let (before, after) = (figure(&self.idle), figure(rest));
                if after > before + SLACK {
                    failures.push(format!("{after} {what} were left at {at} s, of {before} before"));
                }
            }
        }
        failures
    }

    fn json(&self, failures: &[String]) -> Value {
        let (good, bad) = self.counted.honest();
        let [p50, p99, most] = self.counted.honest_ms;
        let thirds = |figure: Figure| {
            let [attack, rest] = [&self.samples, &self.rests].map(|samples| {
                let (early, late) = thirds(samples, figure);
                json!({ "early": early, "late": late })
            });
            json!({ "under_attack": attack, "at_rest": rest })
        };
        json!({
            "minutes": self.minutes, "holds": failures.is_empty(), "failures": failures,
            "honest": { "ok": good, "failed": bad, "p50_ms_at_most": p50, "p99_ms_at_most": p99, "max_ms_at_most": most },
            "calls": self.calls, "answers": self.counted.answers, "limits": self.limits,
            "resident_bytes": thirds(|sample| sample.resident), "heap_bytes": thirds(|sample| sample.memory.heap), "pool_bytes": thirds(|sample| sample.memory.pool), "pool_most_bytes": self.pool, "threads": thirds(|sample| sample.threads),
            "files": thirds(|sample| sample.files), "tasks": thirds(|sample| sample.tasks),
            "idle": self.idle.json(),
        })
    }

    /// Prints the summary and writes it with the samples.
    pub(super) fn write(&self, root: &Path, work: &Path, failures: &[String]) -> Result<()> {
        let mut summary = self.json(failures);
        println!("{summary}");
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("samples".to_owned(), timed(&self.samples));
            summary.insert("rests".to_owned(), timed(&self.rests));
        }
        fs::write(work.join("report.json"), serde_json::to_vec_pretty(&summary)?)?;
        let now = OffsetDateTime::now_utc();
        let file = root.join(format!("docs/reports/{}-soak.md", now.date()));
        fs::write(&file, self.markdown(&now.format(&Rfc3339)?, failures)?)
            .with_context(|| format!("{} cannot be written", file.display()))?;
        println!("soak: {} and {}", file.display(), work.join("report.json").display());
        Ok(())
    }

    fn markdown(&self, now: &str, failures: &[String]) -> Result<String> {
        let (good, bad) = self.counted.honest();
        let [p50, p99, most] = self.counted.honest_ms;
        let mut text = format!(
            "# Soak of {now}\n\nWritten by `cargo xtask soak --minutes {}`. Every misdeed of `hostile` at once, from many connections, beside honest calls of another \
             tenant's `hello`.\n\n",
            self.minutes
        );
        match failures {
            [] => text.push_str("All holds: the heap did not grow, the pool kept within its slots, at each rest no place was lost, no task hung and no file stayed open, no honest request failed.\n"),
            failures => failures
                .iter()
                .try_for_each(|failure| writeln!(text, "- Does not hold: {failure}"))?,
        }
        writeln!(
            text,
            "\n- {} calls of workers. Honest requests: {good} answered, {bad} failed; half within {p50} ms, 99 of 100 within {p99} ms, all within {most} ms (upper bounds of \
             buckets).\n- Warm-up: {} s, not among the samples under attack. What is open then follows the pace of the crowd and is shown only; it is judged when the crowd rests.\n- The pool's slots stay warm once they were used: at most {} MiB for all instances that the tenants may have at once.\n\nAt rest, every figure before the attack and each time that nobody called:\n",
            self.calls,
            self.warm.as_secs(),
            self.pool >> 20
        )?;
        let columns = self.rests.len() + 1;
        let seconds: Vec<_> = self.rests.iter().map(|(at, _)| format!(" {} s |", at.as_secs())).collect();
        writeln!(text, "| | before |{}\n|---|{}", seconds.concat(), "---:|".repeat(columns))?;
        for (row, (what, before)) in self.idle.figures().into_iter().enumerate() {
            let after = self
                .rests
                .iter()
                .filter_map(|(_, rest)| rest.figures().get(row).map(|(_, value)| format!(" {value} |")));
            writeln!(text, "| {what} | {before} |{}", after.collect::<String>())?;
        }
        text.push_str("\nUnder attack:\n\n");
        text.push_str(
            "| second | resident MiB | pool MiB | heap MiB | threads | files | instances | tasks | connections |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for (at, sample) in self.samples.iter().step_by(self.samples.len().div_ceil(ROWS).max(1)) {
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                at.as_secs(),
                sample.resident >> 20,
                sample.memory.pool >> 20,
                sample.memory.heap >> 20,
                sample.threads,
                sample.files,
                sample.instances,
                sample.tasks,
                sample.connections
            )?;
        }
        text.push_str("\n| what | what came of it |\n|---|---|\n");
        for (what, answers) in &self.counted.answers {
            let answers: Vec<_> = answers.iter().map(|(came, count)| format!("{came}: {count}")).collect();
            writeln!(text, "| {what} | {} |", answers.join(", "))?;
        }
        text.push_str("\n| limit | hit |\n|---|---:|\n");
        for (labels, count) in &self.limits {
            writeln!(text, "| `{labels}` | {count} |")?;
        }
        Ok(text)
    }
}

/// The medians of a figure over the first and the last third of samples.
fn thirds(samples: &[(Duration, Sample)], figure: Figure) -> (u64, u64) {
    let third = samples.len().div_ceil(3);
    let median = |samples: &[(Duration, Sample)]| {
        let mut values: Vec<_> = samples.iter().map(|(_, sample)| figure(sample)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let last = samples.len().saturating_sub(third);
    (
        median(samples.get(..third).unwrap_or_default()),
        median(samples.get(last..).unwrap_or_default()),
    )
}

/// Samples by their second.
fn timed(samples: &[(Duration, Sample)]) -> Value {
    samples.iter().map(|(at, sample)| json!([at.as_secs(), sample.json()])).collect()
}
