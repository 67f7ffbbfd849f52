//! The requests that a component is warmed up with before a snapshot of it is taken, as its pack declares them.

use crate::manifest::ValueError;
use serde::{Deserialize, Serialize};

/// Most requests of one warm-up: enough for each path of a worker that matters.
pub const MAX_REQUESTS: usize = 16;
/// Longest path with its query, in bytes.
const MAX_PATH_LEN: usize = 1024;
/// Most header fields of one request.
const MAX_FIELDS: usize = 32;
/// Longest name or value of a header field, in bytes.
const MAX_FIELD_LEN: usize = 1024;
/// Longest body, in bytes; all of them share the manifest's limit too.
const MAX_BODY_LEN: usize = 64 << 10;
/// The method when none is named.
pub(crate) const METHOD: &str = "GET";
/// Methods that a warm-up may use.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One request of a warm-up. Fields stand in the order of their CBOR keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The path with its query; begins with `/`.
    pub path: String,
    /// The method.
    #[serde(default = "get", skip_serializing_if = "is_get")]
    pub method: String,
    /// Header fields, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

fn get() -> String {
    METHOD.to_owned()
}

fn is_get(method: &str) -> bool {
    method == METHOD
}

pub(crate) fn check_count(count: usize) -> Result<(), ValueError> {
    if count > MAX_REQUESTS {
        return Err(ValueError::WarmUp("has more requests than the 16 that it may have"));
    }
    Ok(())
}

pub(crate) fn check_path(text: &str) -> Result<(), ValueError> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if text.starts_with('/') && visible && text.len() <= MAX_PATH_LEN {
        Ok(())
    } else {
        Err(ValueError::WarmUp(
            "is no path; it begins with `/` and has at most 1024 visible ASCII characters",
        ))
    }
}

pub(crate) fn check_method(text: &str) -> Result<(), ValueError> {
    if METHODS.contains(&text) {
        Ok(())
    } else {
        Err(ValueError::WarmUp(
            "is no method; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS",
        ))
    }
}

/// A name and a value (RFC 9110 5.1, 5.5), the name in lower case.
pub(crate) fn check_field(name: &str, value: &str) -> Result<(), ValueError> {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let named = (1..=MAX_FIELD_LEN).contains(&name.len()) && name.bytes().all(token);
    let valued = value.len() <= MAX_FIELD_LEN && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if named && valued {
        Ok(())
    } else {
        Err(ValueError::WarmUp(
            "is no header field; use a name in lower case and a value of visible ASCII",
        ))
    }
}

pub(crate) fn check_fields(count: usize) -> Result<(), ValueError> {
    if count > MAX_FIELDS {
        return Err(ValueError::WarmUp("has more header fields than the 32 that it may have"));
    }
    Ok(())
}

pub(crate) fn check_body(text: &str) -> Result<(), ValueError> {
    if text.len() > MAX_BODY_LEN {
        return Err(ValueError::WarmUp("is longer than 65536 bytes"));
    }
    Ok(())
}

impl Request {
    pub(crate) fn check(&self) -> Result<(), ValueError> {
        check_method(&self.method)?;
        check_path(&self.path)?;
        check_body(&self.body)?;
        check_fields(self.headers.len())?;
        self.headers.iter().try_for_each(|(name, value)| check_field(name, value))
    }
}
