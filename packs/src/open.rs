//! From bytes to a verified [`Pack`]. Nothing is written; verification fails closed.

use crate::keys::{KeyId, TrustedKey};
use bytes::Bytes;
use std::fmt;

/// SHA-256 of the whole pack; prints as `sha256:…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose packs may be opened.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Keys whose signature opens.
    pub keys: &'a [TrustedKey],
    /// Open a pack that has no signature at all; a wrong or unknown signature is refused all the same.
    pub allow_unsigned: bool,
}

/// Who signed a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// This trusted key.
    Key(KeyId),
    /// Nobody; `allow_unsigned` let it pass.
    Nobody,
}

/// A pack that may run.
#[derive(Debug, Clone)]
pub struct Pack {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Who signed it.
    pub signer: Signer,
    /// The component that answers HTTP.
    pub component: Bytes,
}

/// Why a pack was not opened. (Being written.)
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not the one byte string of a pack.
    #[error("{0}")]
    Archive(String),
}

/// Verifies and opens a pack.
///
/// # Errors
/// See [`OpenError`]; nothing has been written or run.
pub fn open(bytes: &Bytes, trust: Trust<'_>) -> Result<Pack, OpenError> {
    let _ = (bytes, trust);
    todo!()
}
