//! Ed25519 keys as files: PKCS#8 and SPKI, PEM (RFC 8410, RFC 5958, RFC 7468).

use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes, spki::der::pem::LineEnding,
};
use sha2::Digest as _;
use std::{
    ffi::OsString,
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Largest key file that is read, in bytes: an Ed25519 key in PEM has less than 200.
const MAX_FILE_SIZE: u64 = 16 << 10;
/// The mode of a private key: its owner alone.
const PRIVATE_MODE: u32 = 0o600;
/// The mode of a public key.
const PUBLIC_MODE: u32 = 0o644;

/// First 16 bytes of SHA-256 of the raw public key; printed as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    fn of(key: &ed25519_dalek::VerifyingKey) -> Self {
        let hash: [u8; 32] = sha2::Sha256::digest(key.as_bytes()).into();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(place, byte)| *place = byte);
        Self(id)
    }

    /// From exactly 32 lower-case hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        Some(Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes()))
    }
}

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

impl KeyError {
    fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.display().to_string(),
            message: message.into(),
        }
    }
}

/// A public key that packs are trusted by.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// Its id.
    pub id: KeyId,
    pub(crate) key: ed25519_dalek::VerifyingKey,
}

impl TrustedKey {
    fn new(key: ed25519_dalek::VerifyingKey) -> Self {
        Self { id: KeyId::of(&key), key }
    }

    /// From SPKI PEM text; `name` is for errors.
    ///
    /// # Errors
    /// When it is no Ed25519 public key, or a weak one.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, KeyError> {
        let wrong = |message: &str| KeyError {
            path: name.to_owned(),
            message: message.to_owned(),
        };
        if pem.contains("PRIVATE KEY") {
            return Err(wrong("this is a private key; trust is by the public one, the `.pub` beside it"));
        }
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem)
            .map_err(|_| wrong("no Ed25519 public key in PEM (SPKI); make one with `tollgate keys generate`"))?;
        if key.is_weak() {
            return Err(wrong(
                "a weak key, under which anything counts as signed; make one with `tollgate keys generate`",
            ));
        }
        Ok(Self::new(key))
    }

    /// From a file.
    ///
    /// # Errors
    /// When it cannot be read or is no Ed25519 public key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file = fs::File::open(path).map_err(|error| KeyError::new(path, format!("cannot be opened: {error}")))?;
        Self::from_pem(&path.display().to_string(), &read_text(path, file)?)
    }

    /// As SPKI PEM text.
    pub fn to_pem(&self) -> String {
        // An Ed25519 key always encodes; an empty text would not be read back.
        self.key.to_public_key_pem(LineEnding::LF).unwrap_or_default()
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
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| KeyError {
            path: "new key".to_owned(),
            message: format!("the system gives no randomness: {error}"),
        })?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// From a PKCS#8 PEM file. Refuses a file that others may read.
    ///
    /// # Errors
    /// When it cannot be read, is no Ed25519 key, or its mode is wider than 0600.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file = fs::File::open(path).map_err(|error| KeyError::new(path, format!("cannot be opened: {error}")))?;
        // Asked of the open file, not of its name, so that what is checked is what is read.
        let about = file
            .metadata()
            .map_err(|error| KeyError::new(path, format!("cannot be read: {error}")))?;
        if !about.is_file() {
            return Err(KeyError::new(path, "not a regular file"));
        }
        let pem = read_text(path, file)?;
        // Before the mode: a public key may be read by anyone, and a narrower mode would make no private key of it.
        if pem.contains("-----BEGIN PUBLIC KEY-----") {
            return Err(KeyError::new(
                path,
                "this is a public key; packs are signed with the private one, the `.key` beside it",
            ));
        }
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o177 != 0 {
            return Err(KeyError::new(
                path,
                format!(
                    "a private key with mode {mode:04o}, which others may read; run `chmod 600 {}`",
                    path.display()
                ),
            ));
        }
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&pem);
        key.map(Self).map_err(|_| {
            KeyError::new(
                path,
                "no Ed25519 private key in PEM (PKCS#8); make one with `tollgate keys generate`",
            )
        })
    }

    /// Writes `PREFIX.key` (PKCS#8 PEM, mode 0600) and `PREFIX.pub` (SPKI PEM). Never overwrites.
    ///
    /// # Errors
    /// When one of the files exists or cannot be written; then neither is left behind.
    pub fn write(&self, prefix: &Path) -> Result<(), KeyError> {
        let (private, public) = (with_suffix(prefix, ".key"), with_suffix(prefix, ".pub"));
        // Version 1 of PKCS#8, without the public key: the form that OpenSSL reads.
        let pem = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| KeyError::new(&private, format!("cannot be encoded: {error}")))?;
        create(&private, PRIVATE_MODE, pem.as_bytes())?;
        create(&public, PUBLIC_MODE, self.public().to_pem().as_bytes()).inspect_err(|_| {
            // Ours, made a moment ago: half a pair is of no use.
            let _ = fs::remove_file(&private);
        })
    }

    /// The public half.
    pub fn public(&self) -> TrustedKey {
        TrustedKey::new(self.0.verifying_key())
    }
}

/// `support` and `.key` are `support.key`; `v1.2` stays `v1.2.key`.
fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(suffix);
    name.into()
}

/// Creates a file with this mode from its first moment; one that is there is left alone.
fn create(path: &Path, mode: u32, content: &[u8]) -> Result<(), KeyError> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::new(path, "exists, and keys are never overwritten; choose another name or move it away"),
        _ => KeyError::new(path, format!("cannot be created: {error}")),
    })?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        KeyError::new(path, format!("cannot be written: {error}"))
    })
}

/// A small file's text, zeroed when it is dropped.
fn read_text(path: &Path, file: fs::File) -> Result<Zeroizing<String>, KeyError> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_SIZE as usize + 1));
    let read = file.take(MAX_FILE_SIZE + 1).read_to_string(&mut text);
    read.map_err(|error| KeyError::new(path, format!("cannot be read as text: {error}")))?;
    if text.len() as u64 > MAX_FILE_SIZE {
        return Err(KeyError::new(path, format!("more than {MAX_FILE_SIZE} bytes; no key is that long")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_zeroed_when_it_is_dropped() {
        fn zeroed<T: zeroize::ZeroizeOnDrop>() {}
        zeroed::<ed25519_dalek::SigningKey>();
        assert_eq!(
            format!("{:?}", SigningKey(ed25519_dalek::SigningKey::from_bytes(&[7; 32]))),
            "[redacted]"
        );
    }

    #[test]
    fn a_key_id_has_one_text() {
        let id = KeyId([0, 1, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        for text in ["", "00", &"A".repeat(32), &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert_eq!(KeyId::parse(text), None, "{text}");
        }
    }
}
