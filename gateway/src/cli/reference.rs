//! Secrets on the command line: references, never values, and never a value in an error.

use super::report::Failure;
use crate::secrets;
use std::env;
use tollgate_config::{
    SecretRef,
    reference::{ACCEPTED, ReferenceError},
};
use zeroize::Zeroizing;

/// Understands `env://NAME` and `file://PATH`; a relative path starts at the current folder. What was given is not told: it may be
/// the secret itself.
pub(super) fn parse(flag: &str, text: &str) -> Result<SecretRef, Failure> {
    let here = env::current_dir().map_err(|error| Failure::new("file", format!("no current folder: {error}")))?;
    SecretRef::parse(text, &here).map_err(|error| match error {
        ReferenceError::NotBuilt => Failure::later("secret://"),
        _ => Failure::usage(format!("{flag}: {error}; it takes {ACCEPTED}")),
    })
}

/// A secret's bytes, or that it is blank.
pub(super) enum Secret {
    /// Something stands there.
    Present(Zeroizing<Vec<u8>>),
    /// Nothing, or only white space.
    Blank,
}

/// Reads a secret.
pub(super) fn read(flag: &str, reference: &SecretRef) -> Result<Secret, Failure> {
    match secrets::read(flag, reference) {
        Ok(secret) if secret.iter().all(u8::is_ascii_whitespace) => Ok(Secret::Blank),
        Ok(secret) => Ok(Secret::Present(secret)),
        Err(error) if error.blank => Ok(Secret::Blank),
        Err(error) => Err(Failure::chain("secret", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_taken() {
        for good in ["env://NAME", "file:///run/secret", "file://secret"] {
            assert!(parse("--secret", good).is_ok(), "{good}");
        }
        for wrong in [
            "hunter2",
            "env://",
            "file://",
            "http://hunter2",
            "secret://env/hunter2",
            "env://hunter2=x",
            "",
        ] {
            let told = parse("--secret", wrong).map_err(|failure| format!("{failure:?}"));
            assert!(told.as_ref().is_err_and(|told| !told.contains("hunter2")), "{wrong}: {told:?}");
        }
    }
}
