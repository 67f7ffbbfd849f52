//! A token's two JSON objects, read without trust: no member stands twice, however deep.

use super::{Algorithm, JwtError, JwtKey};
use crate::{UnixTime, json};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The last second of year 9999; a later time is a mistake or an attack on arithmetic.
const LAST: i64 = 253_402_300_799;

/// A verified token.
#[derive(Debug, Clone)]
pub struct Token {
    header: Members,
    claims: Members,
    algorithm: Algorithm,
    key: JwtKey,
}

impl Token {
    pub(super) fn new(header: Members, claims: Members, algorithm: Algorithm, key: JwtKey) -> Self {
        Self {
            header,
            claims,
            algorithm,
            key,
        }
    }

    /// A claim as it was written.
    pub fn claim(&self, name: &str) -> Option<&RawValue> {
        self.claims.raw(name)
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.text(name)
    }

    /// A claim that is a list of strings, or one string.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.claims.texts(name)
    }

    /// All claims by name, each as it was written.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.claims.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// When it expires; leeway is not counted in.
    pub fn expires(&self) -> Option<UnixTime> {
        self.claims.moment("exp").ok().flatten()
    }

    /// The token's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.header.text("kid")
    }

    /// The token's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.header.text("typ")
    }

    /// What it was signed by.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that fitted, with its endorsements.
    pub fn key(&self) -> &JwtKey {
        &self.key
    }
}

/// One object's members, their strings decoded on the way in.
#[derive(Debug, Clone)]
pub(super) struct Members(BTreeMap<String, Box<RawValue>>, BTreeMap<String, String>);

impl Members {
    /// Reads an object.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwtError> {
        let not_json = |_| JwtError::Malformed("a part is no JSON object without repeated members");
        let mut reader = serde_json::Deserializer::from_slice(text);
        Unique.deserialize(&mut reader).map_err(not_json)?;
        reader.end().map_err(not_json)?;
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(text).map_err(not_json)?;
        let texts = members
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), json::text(value)?.into_owned())));
        let texts = texts.collect();
        Ok(Self(members, texts))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|value| &**value)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.1.get(name).map(String::as_str)
    }

    /// Strings, of a list or alone; `None` when it is anything else.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        if let Some(text) = self.text(name) {
            return Some(vec![text.to_owned()]);
        }
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// A NumericDate (RFC 7519 2): seconds, perhaps with a fraction, which is dropped.
    pub(super) fn moment(&self, name: &str) -> Result<Option<UnixTime>, JwtError> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let bad = JwtError::Malformed("a time is no number of seconds");
        let (whole, fraction) = value.get().split_once('.').unwrap_or((value.get(), ""));
        if ![whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(bad);
        }
        match whole.parse() {
            Ok(seconds) if seconds <= LAST => Ok(Some(UnixTime(seconds))),
            _ => Err(bad),
        }
    }
}

/// Reads any JSON value and refuses an object that has a member twice: readers differ in which one counts (RFC 7515 4).
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member stands twice"));
            }
            map.next_value_seed(Unique)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
