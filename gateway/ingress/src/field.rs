//! Header fields that take part in a signature scheme.

use crate::{Reason, Refusal};
use http::{HeaderMap, HeaderValue, header};

/// Longest id that may stand in a header, a storage key or a log line. Real ones have at most about 80 characters.
pub(crate) const MAX_ID_LEN: usize = 256;

/// A body that is not sent as it was signed cannot be verified over its bytes; decoding it first would be a bomb's way in.
pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        if !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity") {
            return Err(Refusal::new(Reason::UnsupportedEncoding, "the body has a content-encoding"));
        }
    }
    Ok(())
}

/// Two copies of a field, equal or not: proxies and libraries differ in which one they take, so neither counts.
pub(crate) fn refuse_repeated(headers: &HeaderMap, names: &[&str]) -> Result<(), Refusal> {
    for name in names {
        if headers.get_all(*name).iter().nth(1).is_some() {
            return Err(Refusal::new(Reason::DuplicateHeader, format!("{name} stands more than once")));
        }
    }
    Ok(())
}

/// The field's text.
///
/// # Errors
/// `missing` when there is none, `bad` when it is not visible ASCII.
pub(crate) fn required<'a>(headers: &'a HeaderMap, name: &str, missing: Reason, bad: Reason) -> Result<&'a str, Refusal> {
    let value = headers.get(name).ok_or_else(|| Refusal::new(missing, format!("no {name}")))?;
    value.to_str().map_err(|_| Refusal::new(bad, format!("{name} is not plain text")))
}

/// The field's text, where there is one that is not blank.
pub(crate) fn optional<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .map(HeaderValue::to_str)?
        .ok()
        .filter(|text| !text.trim().is_empty())
}

/// The type and subtype of `Content-Type`, without parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = optional(headers, header::CONTENT_TYPE.as_str())?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn only_identity_is_an_encoding_that_was_signed() {
        for (value, fine) in [
            ("identity", true),
            ("Identity ", true),
            ("gzip", false),
            ("identity, gzip", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, value.parse().unwrap());
            assert_eq!(refuse_encoded(&headers).is_ok(), fine, "{value:?}");
        }
    }

    #[test]
    fn media_types_lose_their_parameters() {
        let mut headers = HeaderMap::new();
        assert_eq!(media_type(&headers), None);
        headers.insert(header::CONTENT_TYPE, "Application/JSON; charset=utf-8".parse().unwrap());
        assert_eq!(media_type(&headers).as_deref(), Some("application/json"));
    }
}
