//! What the counts were, and whether that still holds.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{fmt, process::Command};

/// They may grow by so much: repeated counts differ by less than a tenth of it, and no change that matters hides in it for long.
pub(super) const SLACK: f64 = 0.10;

/// Instructions of one time each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// An instance, made and dropped.
    pub(super) instantiate: u64,
    /// A whole call: a fresh instance, a request, its answer.
    pub(super) call: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} an instance, {} a whole call", self.instantiate, self.call)
    }
}

/// The committed counts.
#[derive(Debug)]
pub(super) struct Baseline {
    counts: Counts,
    rustc: String,
}

/// See [`Baseline::compare`].
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// For people.
    pub(super) lines: Vec<String>,
    /// One has grown past the slack.
    pub(super) has_grown: bool,
    /// One has shrunk by as much.
    pub(super) has_shrunk: bool,
}

impl Baseline {
    /// Of these counts and the compiler that is here.
    pub(super) fn new(counts: Counts) -> Self {
        Self { counts, rustc: rustc() }
    }

    /// Reads what [`Baseline::text`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn read(text: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(text)?;
        let number = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_u64)
                .with_context(|| format!("it has no number `{name}`"))
        };
        Ok(Self {
            counts: Counts {
                instantiate: number("instantiate")?,
                call: number("call")?,
            },
            rustc: value.get("rustc").and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
    }

    /// As it stands in the file.
    ///
    /// # Errors
    /// Never, as far as we know.
    pub(super) fn text(&self) -> Result<String> {
        let Counts { instantiate, call } = self.counts;
        let value = json!({ "instantiate": instantiate, "call": call, "rustc": self.rustc });
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    }

    /// The compiler of the baseline, if it is not the one that is here.
    pub(super) fn other_compiler(&self) -> Option<&str> {
        (self.rustc != rustc()).then_some(&self.rustc)
    }

    /// New counts against these.
    pub(super) fn compare(&self, now: Counts) -> Compared {
        let mut compared = Compared::default();
        for (what, before, now) in [
            ("instance", self.counts.instantiate, now.instantiate),
            ("call", self.counts.call, now.call),
        ] {
            let change = now as f64 / before.max(1) as f64 - 1.0;
            compared.has_grown |= change > SLACK;
            compared.has_shrunk |= change < -SLACK;
            let line = format!(
                "{what}: {now}, the baseline {before}: {:+.1} % of at most {:+.0} %",
                change * 100.0,
                SLACK * 100.0
            );
            compared.lines.push(line);
        }
        compared
    }
}

fn rustc() -> String {
    crate::process::output(Command::new("rustc").arg("--version")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_past_the_slack_is_told() {
        let counts = |instantiate, call| Counts { instantiate, call };
        let before = Baseline::new(counts(100_000, 200_000));
        for (name, now, grown, shrunk) in [
            ("the same", counts(100_000, 200_000), false, false),
            ("within the slack", counts(109_999, 180_001), false, false),
            ("instances cost more", counts(110_001, 200_000), true, false),
            ("calls cost more", counts(100_000, 220_001), true, false),
            ("calls cost less", counts(100_000, 179_999), false, true),
            ("one more, one less", counts(111_000, 100_000), true, true),
        ] {
            let compared = before.compare(now);
            assert_eq!(
                (compared.has_grown, compared.has_shrunk),
                (grown, shrunk),
                "{name}: {:?}",
                compared.lines
            );
        }
    }

    #[test]
    fn a_baseline_reads_back() {
        let counts = Counts { instantiate: 1, call: 2 };
        let text = Baseline::new(counts).text().unwrap_or_default();
        let read = Baseline::read(text.as_bytes()).map(|read| (read.counts, read.other_compiler().is_none()));
        assert_eq!(read.ok(), Some((counts, true)));
        for wrong in ["", "{}", "{\"instantiate\": 1}", "{\"instantiate\": 1, \"call\": \"2\"}"] {
            assert!(Baseline::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
