//! Collecting what is wrong with a file, and the words to say it in.

use crate::{ManifestError, ManifestErrors, Place};
use std::{fmt::Display, path::PathBuf, sync::Arc};

/// Errors kept of one file. Nobody reads more in one go, and a file of 4 MiB could otherwise make millions of them.
const MAX_ERRORS: usize = 1_000;
/// Characters of a found text that are shown: enough to find it again.
const MAX_SHOWN: usize = 60;
/// Longest text that is compared with known words. The longest known word has 17 letters.
const MAX_COMPARED: usize = 40;
/// A word that is not so near to any known one gets no suggestion (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.8;
/// Known words that are compared: a manifest of 40,000 unknown tenants must not compare each with 40,000 others.
const MAX_CANDIDATES: usize = 200;
/// Known words listed in a hint.
const MAX_LISTED: usize = 20;

/// Where something stands: a position and the path of keys to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) path: String,
}

impl At {
    /// The start of the file, for what concerns all of it.
    pub(crate) fn top() -> Self {
        Self {
            line: 1,
            column: 1,
            path: String::new(),
        }
    }
}

/// What is wrong with one file.
#[derive(Debug)]
pub(crate) struct Report {
    file: Arc<PathBuf>,
    errors: Vec<ManifestError>,
    more: bool,
}

impl Report {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            file: Arc::new(file),
            errors: Vec::new(),
            more: false,
        }
    }

    /// The position as errors and domain types carry it.
    pub(crate) fn place(&self, at: &At) -> Place {
        Place {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
        }
    }

    pub(crate) fn add(&mut self, at: &At, message: impl Into<String>, help: Option<String>) {
        if self.errors.len() >= MAX_ERRORS {
            self.more = true;
            return;
        }
        self.errors.push(ManifestError {
            place: self.place(at),
            path: at.path.clone(),
            message: message.into(),
            help,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All errors in the order of the file.
    pub(crate) fn finish(mut self) -> ManifestErrors {
        self.errors.sort_by_key(|error| (error.place.line, error.place.column));
        if self.more
            && let Some(last) = self.errors.last().cloned()
        {
            self.errors.push(ManifestError {
                path: String::new(),
                message: format!("there are more errors, the first {MAX_ERRORS} are shown"),
                help: None,
                ..last
            });
        }
        ManifestErrors(self.errors)
    }
}

/// A found text as a message shows it: in backticks, cut, with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// The known word that is most like this one, if any is near.
pub(crate) fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if found.len() > MAX_COMPARED {
        return None;
    }
    let scored = known
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|word| (strsim::jaro_winkler(word, found), word));
    scored
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

/// `did you mean …` where a known word is near, then all that are accepted.
pub(crate) fn hint<'k>(found: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    let near = nearest(found, known.clone()).map(|word| format!("did you mean `{word}`? "));
    let known = listed(known);
    if known.is_empty() {
        return "there are none".to_owned();
    }
    format!("{}accepted: {known}", near.unwrap_or_default())
}

/// Words in backticks, at most [`MAX_LISTED`] of them.
pub(crate) fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    let mut words = words.into_iter();
    let mut out: Vec<_> = words.by_ref().take(MAX_LISTED).map(|word| format!("`{word}`")).collect();
    if words.next().is_some() {
        out.push("…".to_owned());
    }
    out.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_text_is_cut_and_harmless() {
        assert_eq!(shown("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(shown(&"x".repeat(100)), format!("`{}…`", "x".repeat(MAX_SHOWN)));
    }

    #[test]
    fn the_nearest_word_is_near() {
        for (found, near) in [("slak", Some("slack")), ("gihtub", Some("github")), ("xyz", None), ("", None)] {
            assert_eq!(nearest(found, ["slack", "github"]), near, "{found}");
        }
        assert_eq!(nearest(&"slack".repeat(100_000), ["slack"]), None);
    }

    #[test]
    fn errors_come_in_the_files_order_and_are_bounded() {
        let mut report = Report::new("t.yaml".into());
        for line in (0..MAX_ERRORS + 5).rev() {
            report.add(&At { line, ..At::top() }, "wrong", None);
        }
        let ManifestErrors(errors) = report.finish();
        assert_eq!(errors.len(), MAX_ERRORS + 1);
        assert!(errors.is_sorted_by_key(|error| error.place.line));
        assert_eq!(
            errors.last().map(|error| error.message.as_str()),
            Some("there are more errors, the first 1000 are shown")
        );
    }
}
