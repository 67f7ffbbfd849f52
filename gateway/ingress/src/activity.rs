//! The canonical activity: one shape for every provider's events.

use serde::Serialize;

/// An activity before its tenant is known. (Being written.)
#[derive(Debug, Clone)]
pub(crate) struct Draft {}

/// The canonical activity; `Serialize` gives the JSON that workers see.
#[derive(Debug, Clone, Serialize)]
pub struct Activity<'a> {
    /// The tenant.
    pub tenant: &'a str,
}
