//! The options that a provider takes: their keys, what may stand there, and what counts where nothing does.

use tollgate_config::manifest::Scalar;

/// An option that the provider does not have, or that has a wrong value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The key under `options`.
    pub key: String,
    /// What is wrong, and what is accepted.
    pub message: String,
}

/// One option that a provider takes.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key under `options`.
    pub key: &'static str,
    /// What may stand there.
    pub kind: OptionKind,
    /// Whether it must stand there.
    pub required: bool,
    /// What it does.
    pub what: &'static str,
}

/// What may stand at an option, and what counts where nothing does.
#[derive(Debug, Clone, Copy)]
pub enum OptionKind {
    /// `true` or `false`; `false` where nothing stands.
    Flag,
    /// A text that is not blank.
    Text {
        /// Where nothing stands.
        default: Option<&'static str>,
        /// One that would do, for documents and samples.
        example: &'static str,
    },
    /// A whole number.
    Integer {
        /// Where nothing stands.
        default: Option<i64>,
        /// The least one.
        least: i64,
        /// The greatest one.
        most: i64,
    },
    /// One of a few words.
    OneOf {
        /// Where nothing stands.
        default: Option<&'static str>,
        /// The words.
        of: &'static [&'static str],
    },
}

impl OptionSpec {
    /// A text that need not stand there.
    pub(crate) const fn text(key: &'static str, default: Option<&'static str>, example: &'static str, what: &'static str) -> Self {
        Self {
            key,
            kind: OptionKind::Text { default, example },
            required: false,
            what,
        }
    }

    /// What may stand there, in words.
    pub fn accepts(&self) -> String {
        match self.kind {
            OptionKind::Flag => "`true` or `false`".to_owned(),
            OptionKind::Text { example, .. } => format!("a text, such as `{example}`"),
            OptionKind::Integer { least, most, .. } => format!("a whole number from {least} to {most}"),
            OptionKind::OneOf { of, .. } => {
                let words: Vec<_> = of.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }
        }
    }

    pub(super) fn takes(&self, value: &Scalar) -> bool {
        match (self.kind, value) {
            (OptionKind::Flag, Scalar::Bool(_)) => true,
            (OptionKind::Text { .. }, Scalar::Text(text)) => !text.trim().is_empty(),
            (OptionKind::Integer { least, most, .. }, Scalar::Integer(number)) => (least..=most).contains(number),
            (OptionKind::OneOf { of, .. }, Scalar::Text(text)) => of.contains(&text.as_str()),
            _ => false,
        }
    }
}

/// `raw`, which every provider takes.
pub const RAW: OptionSpec = OptionSpec {
    key: "raw",
    kind: OptionKind::Flag,
    required: false,
    what: "the worker gets the provider's own bytes, not the activity",
};
/// `same_body`, of providers whose events may have no signed id.
pub const SAME_BODY: OptionSpec = OptionSpec {
    key: "same_body",
    // Where nothing stands, the provider's own counts.
    kind: OptionKind::OneOf {
        default: None,
        of: &["drop", "run"],
    },
    required: false,
    what: "what a known body is when its id is not signed, or when it has none",
};
