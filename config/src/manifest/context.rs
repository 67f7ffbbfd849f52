//! What every part of the reading shares.

use crate::report::{At, Report};
use std::path::{Path, PathBuf};

/// What every part of the reading shares.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) report: Report,
    /// The manifest's folder.
    pub(super) root: PathBuf,
    /// Whether the environment is `local`; unknown when its name could not be read.
    pub(super) local: Option<bool>,
}

impl Context {
    /// A path of the manifest, from the manifest's folder.
    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }
}

/// A value and where it was read, for checks that look at several of them.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: At,
}
