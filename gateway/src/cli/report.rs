//! How every command answers: data on stdout, errors on stderr, an exit status.

use super::problem::Problem;
use crate::causes::WithCauses;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

/// The status of a command line that is wrong, as shells and clap have it.
const USAGE: u8 = 2;

/// What a command is called in its answer.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    /// What is done, as `check`.
    pub op: &'static str,
    /// To what, as `manifest`.
    pub noun: &'static str,
}

impl Name {
    /// Of a command line that was not understood.
    pub const UNKNOWN: Self = Self {
        op: "parse",
        noun: "command",
    };
}

/// What a command found.
#[derive(Debug)]
pub struct Outcome {
    result: Option<Box<RawValue>>,
    text: String,
    warnings: Vec<String>,
    failure: Option<Failure>,
}

impl Outcome {
    /// Data for machines, and the same as text for people.
    ///
    /// # Errors
    /// When the data has no JSON form.
    pub fn new(result: &impl Serialize, text: impl Into<String>) -> Result<Self, Failure> {
        let result = to_raw_value(result).map_err(|error| Failure::new("internal", error.to_string()))?;
        Ok(Self {
            result: Some(result),
            text: text.into(),
            warnings: Vec::new(),
            failure: None,
        })
    }

    /// Everything has been printed already.
    pub fn told() -> Self {
        Self {
            result: None,
            text: String::new(),
            warnings: Vec::new(),
            failure: None,
        }
    }

    /// For people, on stderr; for machines they stand in the data already.
    #[must_use]
    pub fn and_warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The data stands, but the command failed all the same.
    #[must_use]
    pub fn and_failed(self, failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..self
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    kind: &'static str,
    message: String,
    advice: Option<String>,
    problems: Vec<Problem>,
    status: u8,
}

impl Failure {
    /// A stable kind, and what happened.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: None,
            problems: Vec::new(),
            status: 1,
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl ToString) -> Self {
        let message = message.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end().to_owned();
        Self {
            status: USAGE,
            ..Self::new("usage", message)
        }
    }

    /// A part that the design has and this build has not.
    pub fn later(what: &str) -> Self {
        Self::new("not_built", format!("`{what}` is not built yet"))
    }

    /// An error with all its causes.
    pub fn chain(kind: &'static str, error: &dyn Error) -> Self {
        Self::new(kind, WithCauses(error).to_string())
    }

    /// A file that could not be read or written.
    pub fn file(verb: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new("file", format!("cannot {verb} {}: {error}", path.display()))
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Says which file it is about.
    #[must_use]
    pub fn about(self, path: &std::path::Path) -> Self {
        Self {
            message: format!("{}: {}", path.display(), self.message),
            ..self
        }
    }

    /// Says what to do next, in the place of what was said before: who stands further out knows better.
    #[must_use]
    pub fn advise(self, advice: &str) -> Self {
        Self {
            advice: Some(advice.to_owned()),
            ..self
        }
    }

    /// Several things that are wrong with a manifest.
    pub fn problems(kind: &'static str, problems: Vec<Problem>) -> Self {
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Self {
            problems,
            ..Self::new(kind, lines.join("\n"))
        }
    }

    fn told(&self) -> String {
        match &self.advice {
            None => self.message.clone(),
            Some(advice) => format!("{}; {advice}", self.message),
        }
    }
}

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Serialize)]
struct Found<'a> {
    op: &'a str,
    noun: &'a str,
    result: &'a RawValue,
}

#[derive(Serialize)]
struct Failed<'a> {
    op: &'a str,
    noun: &'a str,
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Problem],
}

/// One line `{"op","noun","result"}`.
pub(crate) fn line(name: Name, result: &RawValue) -> String {
    let Name { op, noun } = name;
    // Strings and JSON that was checked when it was made always have a JSON form.
    serde_json::to_string(&Found { op, noun, result }).unwrap_or_default() + "\n"
}

impl Format {
    /// Prints what came out and gives the exit status.
    pub fn report(self, name: Name, outcome: Result<Outcome, Failure>) -> ExitCode {
        match outcome {
            Ok(outcome) => {
                if self == Self::Text {
                    outcome
                        .warnings
                        .iter()
                        .for_each(|warning| complain(&format!("tollgate: warning: {warning}\n")));
                }
                let printed = match (self, &outcome.result) {
                    (_, None) => ExitCode::SUCCESS,
                    (Self::Json, Some(result)) => print(&line(name, result)),
                    (Self::Text, Some(_)) => print(&outcome.text),
                };
                outcome.failure.map_or(printed, |failure| self.fail(name, &failure))
            }
            Err(failure) => self.fail(name, &failure),
        }
    }

    fn fail(self, name: Name, failure: &Failure) -> ExitCode {
        let Name { op, noun } = name;
        let message = failure.told();
        let text = match self {
            Self::Text => format!("tollgate: {message}\n"),
            Self::Json => {
                let error = Told {
                    kind: failure.kind,
                    message: &message,
                    errors: &failure.problems,
                };
                serde_json::to_string(&Failed { op, noun, error }).unwrap_or_default() + "\n"
            }
        };
        complain(&text);
        ExitCode::from(failure.status)
    }
}

/// Prints to stdout, with a newline at the end. Fails when nobody takes it (a full disk, a closed pipe).
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints to stderr what could have been typed, where nothing was.
pub(crate) fn help(text: &str) -> ExitCode {
    complain(text);
    ExitCode::from(USAGE)
}

fn complain(text: &str) {
    // With stderr gone there is nobody left to tell; the status still says it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_failure_tells_the_whole_chain() {
        let failure = Failure::chain("start", &Outer(io::Error::other("inner")));
        assert_eq!(failure.message, "outer: inner");
        let lines = Failure::chain("start", &Outer(io::Error::other("one\ntwo")));
        assert_eq!(lines.message, "outer:\none\ntwo");
    }

    #[test]
    fn usage_is_told_once() {
        let failure = Failure::usage("error: unexpected argument\n");
        assert_eq!((failure.message.as_str(), failure.status), ("unexpected argument", USAGE));
    }
}
