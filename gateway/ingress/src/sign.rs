//! The other direction: sign a payload as a provider does, for `tollgate send`, tests and the comparison.

use crate::{Key, Scheme, UnixTime, provider};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde_json::value::RawValue;
use tollgate_config::manifest::Provider;

/// `Content-Type` of JSON.
pub(crate) const JSON: &str = "application/json";
/// `Content-Type` of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

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

impl SignError {
    pub(crate) fn key() -> Self {
        Self("the key cannot sign".to_owned())
    }
}

/// A small real payload of the provider.
pub fn sample(provider: Provider) -> &'static str {
    provider::opener(provider).sample()
}

/// Signs. With `fresh_id`, the event gets that id wherever the provider keeps it (body or header); without (`--as-is`), the body stays as it is, and
/// an id that stands in a header is derived from it, so that the same body is the same event.
///
/// # Errors
/// When the key is not of the provider's form, or the payload has no place for an id.
pub fn sign(provider: Provider, payload: &[u8], key: &Key, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
    sign_for(&Scheme::example(provider), payload, key, now, fresh_id)
}

/// Signs for an endpoint with these options; [`sign`] takes each option's default, or its example where there is none.
///
/// # Errors
/// As [`sign`].
pub fn sign_for(scheme: &Scheme, payload: &[u8], key: &Key, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
    provider::opener(scheme.provider()).sign(payload, key, scheme, now, fresh_id)
}

impl Signed {
    pub(crate) fn new(body: Vec<u8>, content_type: &'static str) -> Self {
        Self {
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
            body,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SignError> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SignError(format!("{name:?} is no header's name")))?;
        let value = HeaderValue::from_str(value).map_err(|_| SignError(format!("{name} would not be plain text")))?;
        self.headers.insert(name, value);
        Ok(())
    }
}

/// Puts a JSON string in the place of `old`, which must be a value inside `whole`; all other bytes stay as they are.
pub(crate) fn replaced(whole: &str, old: &RawValue, new: &str) -> Option<String> {
    spliced(whole, old, &serde_json::Value::from(new).to_string())
}

/// Puts JSON in the place of `old`, which must be a value inside `whole`.
pub(crate) fn spliced(whole: &str, old: &RawValue, new: &str) -> Option<String> {
    // `old` was read out of `whole` without a copy, so its place is the distance of the two.
    let start = (old.get().as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let before = whole.get(..start)?;
    let after = whole.get(start.checked_add(old.get().len())?..)?;
    Some(format!("{before}{new}{after}"))
}

/// Puts a new first member into an object.
pub(crate) fn inserted(whole: &str, name: &str, new: &str) -> Option<String> {
    let (before, after) = whole.split_once('{')?;
    let comma = if after.trim_start().starts_with('}') { "" } else { "," };
    Some(format!(
        "{before}{{{}:{}{comma}{after}",
        serde_json::Value::from(name),
        serde_json::Value::from(new)
    ))
}
