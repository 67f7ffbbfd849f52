//! `application/x-www-form-urlencoded` bodies, read strictly: bytes that are no UTF-8 are an error, never replaced.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Most fields of a form, where each costs more than it has bytes. Real ones have about a hundred.
const MAX_FIELDS: usize = 4096;

/// The fields in their order, repeats kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body; nothing when it is no form, or has more fields than any has.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return None;
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, rest) = pair.split_at_checked(at)?;
            fields.push((decoded(name)?, decoded(rest.strip_prefix(b"=").unwrap_or(rest))?));
        }
        Some(Self(fields))
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The first value of this name that is not empty.
    pub(crate) fn id(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All fields in their order, repeats too.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets a field, at the end when it is new.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// `{"form": {…}}`, the canonical `raw` of a form. A name that repeats has a list.
    pub(crate) fn raw(&self) -> Value {
        let mut fields = Map::new();
        for (name, value) in &self.0 {
            let value = Value::from(value.as_str());
            match fields.get_mut(name) {
                None => {
                    fields.insert(name.clone(), value);
                }
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        json!({ "form": fields })
    }

    /// The body that a browser would send.
    pub(crate) fn encoded(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            if !out.is_empty() {
                out.push('&');
            }
            encode(&mut out, name);
            out.push('=');
            encode(&mut out, value);
        }
        out
    }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// `+` is a blank; a `%` that no two hexadecimal digits follow stands for itself (WHATWG URL, percent-decode).
fn decoded(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, beyond @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = beyond;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    String::from_utf8(out).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
        Form::read(body).map(|form| form.0)
    }

    #[test]
    fn fields_are_decoded_once_and_in_order() {
        let own = |list: &[(&str, &str)]| Some(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        assert_eq!(pairs(b"a=1&b=x+y%26z&&c"), own(&[("a", "1"), ("b", "x y&z"), ("c", "")]));
        assert_eq!(pairs(b"a=%2525&b=%zz%4&a==2"), own(&[("a", "%25"), ("b", "%zz%4"), ("a", "=2")]));
        assert_eq!(pairs(b"a=%ff"), None);
    }

    #[test]
    fn a_repeated_field_is_a_list_in_raw() {
        let raw = Form::read(b"a=1&b=2&a=3&a=4").map(|form| form.raw());
        assert_eq!(raw, Some(json!({"form": {"a": ["1", "3", "4"], "b": "2"}})));
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let form = Form(vec![("payload".to_owned(), "{\"a\": \"é&=+%\"}".to_owned())]);
        assert_eq!(Form::read(form.encoded().as_bytes()), Some(form));
    }
}
