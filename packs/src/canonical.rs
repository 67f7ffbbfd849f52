//! Canonical CBOR (RFC 8949 4.2.1): one value, one byte string.
//!
//! Types write themselves with sorted keys, shortest lengths and nothing indefinite; reading encodes what was read once more and compares, so whatever the
//! decoder is lenient about (key order, long lengths, duplicate or trailing data) is refused.

use serde::{Serialize, de::DeserializeOwned};

/// Deepest nesting that is read. A manifest has three levels.
const MAX_DEPTH: usize = 8;

/// Why bytes are not what was expected of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or not of this shape.
    #[error("cannot be read: {0}; build the pack with `tollgate pack build`")]
    Shape(String),
    /// Readable, but written otherwise than we write.
    #[error("is not canonical cbor; build the pack with `tollgate pack build`")]
    NotCanonical,
}

/// Reads a value and checks that its bytes are the only ones for it.
pub(crate) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CborError> {
    let value = read_loosely(bytes)?;
    if write(&value) == bytes {
        Ok(value)
    } else {
        Err(CborError::NotCanonical)
    }
}

/// Reads a value without that check: for a look at a version before all the rest is trusted.
pub(crate) fn read_loosely<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CborError> {
    use ciborium::de::Error;
    ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).map_err(|error| {
        CborError::Shape(match error {
            Error::Io(_) => "it ends too early".to_owned(),
            Error::Syntax(at) => format!("no cbor at byte {at}"),
            // What serde says quotes the input: one line, escaped, of a bounded length.
            Error::Semantic(_, text) => text.chars().take(160).flat_map(char::escape_debug).collect(),
            Error::RecursionLimitExceeded => "it is nested too deep".to_owned(),
        })
    })
}

/// Writes a value; its type declares its fields in the order of their keys' encodings (shorter first, then by bytes).
pub(crate) fn write<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing plain structs to memory cannot fail; if it ever did, nothing equals the empty string, so reading would refuse.
    if ciborium::into_writer(value, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

#[cfg(test)]
pub(crate) fn assert_sorted(value: &ciborium::Value) {
    use ciborium::Value;
    match value {
        Value::Map(pairs) => {
            let keys: Vec<Vec<u8>> = pairs.iter().map(|(key, _)| write(key)).collect();
            assert!(keys.is_sorted(), "keys are out of order: {pairs:?}");
            pairs.iter().for_each(|(_, value)| assert_sorted(value));
        }
        Value::Array(values) => values.iter().for_each(assert_sorted),
        _ => {}
    }
}
