//! What is wrong with a manifest: every error of a file at once, each with its place.

use crate::Place;
use std::fmt;

/// One thing that is wrong, where it stands and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// File, line and column.
    pub place: Place,
    /// The path of the key from the root, as `deployments[0].limits.cpu`; empty for the whole file.
    pub path: String,
    /// What is wrong, as a lowercase fragment. Never shows what stands under `secrets`.
    pub message: String,
    /// What is accepted, or the nearest known key.
    pub help: Option<String>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

/// All errors of one manifest, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}
