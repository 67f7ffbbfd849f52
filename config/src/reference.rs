//! Where a secret lies. Never the secret.

use std::{fmt, path::PathBuf};

/// A reference to a secret. Resolved by the gateway alone.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env://NAME`: an environment variable of the gateway's process.
    Env(String),
    /// `file://PATH`: a file's bytes, less one trailing newline. Relative to the manifest's folder.
    File(PathBuf),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env://{name}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
