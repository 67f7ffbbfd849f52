//! Ed25519 keys as files: PKCS#8 and SPKI, PEM.

use std::{fmt, path::Path};

/// First 16 bytes of SHA-256 of the raw public key; printed as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct KeyError {
    /// The file, or what stands for it.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// A public key that packs are trusted by.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// Its id.
    pub id: KeyId,
    pub(crate) key: ed25519_dalek::VerifyingKey,
}

impl TrustedKey {
    /// From SPKI PEM text; `name` is for errors.
    ///
    /// # Errors
    /// When it is no Ed25519 public key, or a weak one.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, KeyError> {
        let _ = (name, pem);
        todo!()
    }

    /// From a file.
    ///
    /// # Errors
    /// When it cannot be read or is no Ed25519 public key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let _ = path;
        todo!()
    }
}

/// A private key. `Debug` prints `[redacted]`; memory is zeroed on drop.
pub struct SigningKey(pub(crate) ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SigningKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        todo!()
    }

    /// From a PKCS#8 PEM file. Refuses a file that others may read.
    ///
    /// # Errors
    /// When it cannot be read, is no Ed25519 key, or its mode is wider than 0600.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let _ = path;
        todo!()
    }

    /// Writes `PREFIX.key` (PKCS#8 PEM, mode 0600) and `PREFIX.pub` (SPKI PEM). Never overwrites.
    ///
    /// # Errors
    /// When one of the files exists or cannot be written.
    pub fn write(&self, prefix: &Path) -> Result<(), KeyError> {
        let _ = prefix;
        todo!()
    }

    /// The public half.
    pub fn public(&self) -> TrustedKey {
        todo!()
    }
}
