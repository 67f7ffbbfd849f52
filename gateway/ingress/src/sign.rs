//! The other direction: sign a payload as a provider does, for `tollgate send`, tests and the comparison.

use crate::{Key, UnixTime};
use http::HeaderMap;
use tollgate_config::manifest::Provider;

/// A payload made ready to send.
#[derive(Debug, Clone)]
pub struct Signed {
    /// All headers that the provider sets, `Content-Type` too.
    pub headers: HeaderMap,
    /// The body, with a fresh event id where the provider keeps it there.
    pub body: Vec<u8>,
}

/// A payload cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignError(pub String);

/// A small real payload of the provider.
pub fn sample(provider: Provider) -> &'static str {
    let _ = provider;
    todo!()
}

/// Signs. With `fresh_id`, the event gets that id wherever the provider keeps it (body or header); without (`--as-is`), the body stays as it is.
///
/// # Errors
/// When the key is not of the provider's form, or the payload has no place for an id.
pub fn sign(provider: Provider, payload: &[u8], key: &Key, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
    let _ = (provider, payload, key, now, fresh_id);
    todo!()
}
