//! An error's text with those of its causes: a message tells its own level only.

use std::{error::Error, fmt};

/// The error, then each cause after a colon. A cause on several lines (all errors of a manifest) starts on its own.
pub(crate) struct WithCauses<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            let gap = if text.contains('\n') { ":\n" } else { ": " };
            write!(f, "{gap}{text}")?;
            source = cause.source();
        }
        Ok(())
    }
}
