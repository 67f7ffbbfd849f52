//! Where a secret lies. Never the secret.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The forms of a reference, for messages.
pub const ACCEPTED: &str = "`env://NAME` or `file://PATH`";

/// A reference to a secret. Resolved by the gateway alone.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env://NAME`: an environment variable of the gateway's process.
    Env(String),
    /// `file://PATH`: a file's bytes, less one trailing newline. Relative to the manifest's folder.
    File(PathBuf),
}

/// Why a text is no reference. Shows nothing of the text: it may be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has the form of no reference.
    #[error("a secret is given by reference, never as itself")]
    Literal,
    /// `secret://…`, the platform's own form.
    #[error("`secret://` references are not built yet")]
    NotBuilt,
    /// `env://` and something that no shell would call a name.
    #[error("`env://` names an environment variable for a secret: letters, digits and `_`, the first no digit")]
    Name,
    /// `file://` without a path, or with a NUL in it.
    #[error("`file://` needs the path of a file that holds the secret")]
    Path,
}

impl SecretRef {
    /// Reads a reference; a relative file is joined to `folder`.
    ///
    /// # Errors
    /// [`ReferenceError`], which says nothing of what was found.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ReferenceError> {
        if let Some(name) = text.strip_prefix("env://") {
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return if starts && goes_on {
                Ok(Self::Env(name.to_owned()))
            } else {
                Err(ReferenceError::Name)
            };
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.is_empty() || path.contains('\0') {
                Err(ReferenceError::Path)
            } else {
                Ok(Self::File(folder.join(path)))
            };
        }
        Err(if text.starts_with("secret://") {
            ReferenceError::NotBuilt
        } else {
            ReferenceError::Literal
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_place() {
        for (text, read) in [
            ("env://A_1", Ok(SecretRef::Env("A_1".into()))),
            ("file://keys/a", Ok(SecretRef::File("/etc/t/keys/a".into()))),
            ("file:///run/a", Ok(SecretRef::File("/run/a".into()))),
            ("env://", Err(ReferenceError::Name)),
            ("env://1A", Err(ReferenceError::Name)),
            ("env://A B", Err(ReferenceError::Name)),
            ("file://", Err(ReferenceError::Path)),
            ("secret://prod/acme/_/slack/signing", Err(ReferenceError::NotBuilt)),
            ("ENV://A", Err(ReferenceError::Literal)),
            ("hunter2", Err(ReferenceError::Literal)),
            ("", Err(ReferenceError::Literal)),
        ] {
            assert_eq!(SecretRef::parse(text, Path::new("/etc/t")), read, "{text:?}");
        }
    }
}
