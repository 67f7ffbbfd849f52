//! A record: a value with what the store knows about it, as bytes that say when they are damaged.
//!
//! `format: u8 | expires: u64 | version: u64 | value | crc32: u32`, numbers big-endian, `expires` in milliseconds since
//! 1970. The checksum covers the key too: a record that turns up under another key does not decode.

use super::{Expect, StoreError, Version};
use crate::clock::NEVER;

/// The format of a record; another one does not decode.
const FORMAT: u8 = 1;

/// What a record has beside its value, in bytes.
const OVERHEAD: usize = 1 + 8 + 8 + 4;

/// How long the value of a stored record is, also of one that does not decode.
pub(super) fn value_len(stored: &[u8]) -> usize {
    stored.len().saturating_sub(OVERHEAD)
}

/// A view of what is stored under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Dead from then on, in milliseconds since 1970; [`NEVER`] for what never expires.
    pub(super) expires: u64,
    /// Of the write that made it.
    pub(super) version: u64,
    /// The value.
    pub(super) value: &'a [u8],
}

impl<'a> Record<'a> {
    /// As stored under this key.
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(OVERHEAD + self.value.len());
        bytes.push(FORMAT);
        bytes.extend(self.expires.to_be_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.value);
        let sum = checksum(key, &bytes);
        bytes.extend(sum.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote for this key; nothing when it is damaged or of another format.
    pub(super) fn decode(key: &[u8], bytes: &'a [u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if checksum(key, body) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (format, rest) = body.split_first()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (version, value) = rest.split_first_chunk::<8>()?;
        (*format == FORMAT).then_some(Self {
            expires: u64::from_be_bytes(*expires),
            version: u64::from_be_bytes(*version),
            value,
        })
    }

    /// Whether it lives at this time.
    pub(super) fn live(&self, now: u64) -> bool {
        self.expires == NEVER || self.expires > now
    }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(body);
    sum.finalize()
}

impl Expect {
    /// Whether a write may go on over this live record.
    pub(super) fn check(self, live: Option<&Record<'_>>) -> Result<(), StoreError> {
        match (self, live) {
            (Self::Any, _) | (Self::Absent, None) => Ok(()),
            (Self::Version(Version(wanted)), Some(record)) if record.version == wanted => Ok(()),
            (Self::Absent, Some(_)) | (Self::Version(_), _) => Err(StoreError::Conflict),
        }
    }
}

/// The counter after adding. Only the plain decimal form counts as a number (what Redis' `INCRBY` takes, so that every
/// store agrees): no plus sign, no leading zeros, no spaces.
pub(super) fn sum(live: Option<&Record<'_>>, delta: i64) -> Result<i64, StoreError> {
    let current = match live {
        None => 0,
        Some(record) => std::str::from_utf8(record.value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text))
            .ok_or(StoreError::NotACounter)?,
    };
    current.checked_add(delta).ok_or(StoreError::NotACounter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_only_whole_and_under_its_key() {
        let record = Record {
            expires: 7,
            version: 9,
            value: b"hello",
        };
        let bytes = record.encode(b"k");
        assert_eq!(value_len(&bytes), 5);
        assert_eq!(Record::decode(b"k", &bytes), Some(record));
        assert_eq!(Record::decode(b"other", &bytes), None, "under another key");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 1;
            }
            assert_eq!(Record::decode(b"k", &damaged), None, "a flipped bit at {at}");
            assert_eq!(Record::decode(b"k", bytes.get(..at).unwrap_or_default()), None, "cut at {at}");
        }
    }

    #[test]
    fn a_newer_record_does_not_decode() {
        let mut bytes = vec![FORMAT + 1];
        bytes.extend([0; 16]);
        let sum = checksum(b"k", &bytes);
        bytes.extend(sum.to_be_bytes());
        assert_eq!(Record::decode(b"k", &bytes), None);
    }
}
