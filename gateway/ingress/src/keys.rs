//! What opens an endpoint: its live secrets.

use crate::{certificate::Certificate, jwt::KeySet};
use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

/// A clock before 1970 is no clock: it is 1970 then, and every timestamp is in the future and refused.
impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

/// One secret (or public key) as the provider handed it out. `Debug` prints `[redacted]`; memory is zeroed on drop.
#[derive(Clone)]
pub struct Key {
    text: Zeroizing<Vec<u8>>,
    not_after: Option<UnixTime>,
}

/// A key with nothing in it, or only white space: it would open for anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is blank")]
pub struct BlankKey;

impl Key {
    /// Takes a secret as text bytes.
    ///
    /// # Errors
    /// [`BlankKey`] when it is empty or white space.
    pub fn new(text: Vec<u8>, not_after: Option<UnixTime>) -> Result<Self, BlankKey> {
        let text = Zeroizing::new(text);
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(BlankKey);
        }
        Ok(Self { text, not_after })
    }

    /// Whether it still opens.
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|end| now <= end)
    }

    /// The secret's bytes.
    pub fn expose(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An endpoint's keys, newest first.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Tried in this order.
    pub signing: Vec<Key>,
    /// The token that the provider's handshake must show, where it has one.
    pub verify: Option<Key>,
    /// The keys that the provider's issuer of tokens has published, where they are known.
    pub issued: Option<Arc<KeySet>>,
    /// Certificates by the exact URL that they were fetched from; chain and name have been checked.
    pub certificates: Arc<BTreeMap<String, Certificate>>,
}

impl Keys {
    /// Verification keys alone.
    pub fn signed_by(signing: Vec<Key>) -> Self {
        Self {
            signing,
            ..Self::default()
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_up_to_its_last_second_and_never_shows_itself() {
        let key = Key::new(b"hunter2".to_vec(), Some(UnixTime(10))).unwrap();
        assert!(key.is_live(UnixTime(10)) && !key.is_live(UnixTime(11)));
        assert!(Key::new(b"hunter2".to_vec(), None).unwrap().is_live(UnixTime(i64::MAX)));
        assert_eq!(
            format!("{:?}", Keys::signed_by(vec![key])),
            "Keys { signing: [[redacted]], verify: None, issued: None, certificates: {} }"
        );
        for blank in ["", " ", "\r\n\t"] {
            assert_eq!(Key::new(blank.into(), None).err(), Some(BlankKey));
        }
    }
}
