//! What is wrong with a manifest, as one line for people and one object for machines.

use super::report::Failure;
use serde::Serialize;
use std::{fmt, path::Path};
use tollgate_config::{Environment, ManifestError, ManifestErrors, Place};

/// One thing that is wrong, and where.
#[derive(Debug, Serialize)]
pub struct Problem {
    file: String,
    /// Absent when it is about no line of the file.
    line: Option<usize>,
    column: Option<usize>,
    path: String,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// About the key `path` of a manifest, which stands at `place`, where that is known.
    pub(super) fn new(file: &Path, place: Option<&Place>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.display().to_string(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            path: path.into(),
            message: message.into(),
            help: None,
        }
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        let ManifestError {
            place,
            path,
            message,
            help,
        } = error;
        let unread = message.strip_prefix("the manifest cannot be read: ").filter(|_| path.is_empty());
        match unread {
            // A file that was not read has no lines.
            Some(why) => Self::new(&place.file, None, path.clone(), format!("cannot be read: {why}")),
            None => Self {
                help,
                ..Self::new(&place.file, Some(&place), path, message)
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// All errors of a manifest.
pub(super) fn failure(errors: ManifestErrors) -> Failure {
    Failure::problems("manifest", errors.0.into_iter().map(Problem::from).collect())
}

/// Reads a manifest.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(file: &Path) -> Result<Environment, Failure> {
    Environment::read(file).map_err(failure)
}
