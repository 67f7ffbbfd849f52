//! Reading JSON without losing a digit: one level at a time, every value kept as the text that it was.
//!
//! A value that went through a number type would lose ids beyond 2^53, and nesting would cost stack; here a number is its text, and a deep value
//! that nobody asks for is only skipped.

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// One object's members, their values unread.
#[derive(Debug, Default, Clone)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A JSON text, whole and valid.
pub(crate) fn valid(text: &[u8]) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(text)
}

impl<'a> Object<'a> {
    /// The members; nothing when the value is no object.
    pub(crate) fn read(value: &'a RawValue) -> Option<Self> {
        if !value.get().starts_with('{') {
            return None;
        }
        serde_json::from_str(value.get()).ok()
    }

    /// A member as it was written. Of two with one name the last one counts, as in JavaScript.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// A member that stands exactly once, as it was written.
    pub(crate) fn once(&self, name: &str) -> Option<&'a RawValue> {
        let mut found = self.0.iter().filter(|(member, _)| member == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(text)
    }

    /// A member that names something: a string that is not empty, or a number, digit for digit.
    pub(crate) fn id(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(id)
    }

    /// A member that is a whole number.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.raw(name)?.get().parse().ok()
    }

    /// A member that is a size in bytes; 0 when it is not.
    pub(crate) fn size(&self, name: &str) -> u64 {
        self.integer(name).and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        self.raw(name).and_then(Self::read)
    }

    /// The elements of a member that is a list; none when it is not.
    pub(crate) fn list(&self, name: &str) -> Vec<&'a RawValue> {
        self.raw(name)
            .filter(|value| value.get().starts_with('['))
            .and_then(|value| serde_json::from_str(value.get()).ok())
            .unwrap_or_default()
    }

    /// The objects in a member that is a list.
    pub(crate) fn objects(&self, name: &str) -> impl Iterator<Item = Self> {
        self.list(name).into_iter().filter_map(Self::read)
    }

    /// Whether there is such a member, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }
}

/// A string's text.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    if !value.get().starts_with('"') {
        return None;
    }
    serde_json::from_str(value.get()).ok().map(|Borrowed(text)| text)
}

/// A string that is not empty, or a number's digits.
pub(crate) fn id(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    if written.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Some(Cow::Borrowed(written));
    }
    text(value).filter(|text| !text.is_empty())
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                #[serde(transparent)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_digit_for_digit() {
        let text = br#"{"id": 820982911946154508123, "a\u0062": "x\ny", "n": null, "e": "", "l": [1, {"k": 2}], "o": {"id": 1.0}, "t": true, "id2": -7}"#;
        let object = Object::read(valid(text).unwrap()).unwrap();
        assert_eq!(object.id("id").as_deref(), Some("820982911946154508123"));
        assert_eq!(object.id("id2").as_deref(), Some("-7"));
        assert_eq!(object.text("ab").as_deref(), Some("x\ny"));
        assert_eq!(
            (object.text("n"), object.id("e"), object.id("t"), object.text("id")),
            (None, None, None, None)
        );
        assert_eq!(object.text("e").as_deref(), Some(""));
        assert_eq!(object.objects("l").count(), 1);
        assert_eq!(object.object("o").unwrap().id("id").as_deref(), Some("1.0"));
        assert_eq!(object.list("o").len(), 0);
    }

    #[test]
    fn the_last_of_two_members_counts() {
        assert_eq!(
            Object::read(valid(br#"{"a": "1", "a": "2"}"#).unwrap())
                .unwrap()
                .text("a")
                .as_deref(),
            Some("2")
        );
    }

    #[test]
    fn what_is_no_json_is_refused_and_depth_costs_no_stack() {
        for text in [&b""[..], b"{", b"{} {}", b"{\"a\": 01}", b"\xff", b"\xef\xbb\xbf{}", b"{'a': 1}"] {
            assert!(valid(text).is_err(), "{text:?}");
        }
        let deep = [b"{\"a\":".to_vec(), vec![b'['; 100_000], vec![b']'; 100_000], b"}".to_vec()].concat();
        assert_eq!(Object::read(valid(&deep).unwrap()).unwrap().list("a").len(), 1);
    }
}
