//! An issuer's keys: a JWKS (RFC 7517 5), or one configured public key.

use super::{Algorithm, PublicKey};
use crate::json::{self, Object};

/// The largest JWKS in bytes. Bot Framework's, with certificates in it, has about 40 KiB.
pub const JWKS_LIMIT: usize = 256 * 1024;

/// The most keys in a set. Issuers publish two to about thirty.
pub const KEYS_LIMIT: usize = 128;

/// Public keys that may sign tokens.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<JwtKey>,
    skipped: usize,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct JwtKey {
    kid: Option<String>,
    /// The one that it is for, where it says so.
    algorithm: Option<Algorithm>,
    endorsements: Vec<String>,
    public: PublicKey,
}

/// What was given is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`JWKS_LIMIT`].
    #[error("the keys are longer than {JWKS_LIMIT} bytes")]
    TooLong,
    /// More than [`KEYS_LIMIT`] keys.
    #[error("there are more than {KEYS_LIMIT} keys")]
    TooMany,
    /// Not a JSON object with a list `keys`.
    #[error("not a JWKS: a JSON object with a list `keys`")]
    NotJwks,
    /// Not one PEM block `PUBLIC KEY` with a key that [`PublicKey`] takes.
    #[error("not a PEM public key (RSA of 2048 to 8192 bits, P-256 or Ed25519)")]
    NotPem,
}

impl KeySet {
    /// Reads a JWKS. A key that cannot verify here is skipped and counted: another kind, another use, malformed, or RSA below 2048 bits.
    ///
    /// # Errors
    /// [`KeySetError`]. A set with no usable key is none.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > JWKS_LIMIT {
            return Err(KeySetError::TooLong);
        }
        let whole = json::valid(text).ok().and_then(Object::read).ok_or(KeySetError::NotJwks)?;
        if !whole.raw("keys").is_some_and(|keys| keys.get().starts_with('[')) {
            return Err(KeySetError::NotJwks);
        }
        let written = whole.list("keys");
        if written.len() > KEYS_LIMIT {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<_> = written.iter().filter_map(|key| JwtKey::read(&Object::read(key)?)).collect();
        let skipped = written.len() - keys.len();
        Ok(Self { keys, skipped })
    }

    /// One key out of a PEM block `PUBLIC KEY`. Without a name it is tried for any `kid`.
    ///
    /// # Errors
    /// [`KeySetError::NotPem`].
    pub fn from_pem(text: &str, kid: Option<&str>) -> Result<Self, KeySetError> {
        let public = PublicKey::from_pem(text).ok_or(KeySetError::NotPem)?;
        Ok(Self::of(public, kid))
    }

    /// One key.
    pub fn of(public: PublicKey, kid: Option<&str>) -> Self {
        Self {
            keys: vec![JwtKey {
                kid: kid.map(str::to_owned),
                algorithm: None,
                endorsements: Vec::new(),
                public,
            }],
            skipped: 0,
        }
    }

    /// All keys of several sets.
    pub fn joined(sets: impl IntoIterator<Item = Self>) -> Self {
        sets.into_iter().fold(Self::default(), |mut all, set| {
            all.keys.extend(set.keys);
            all.skipped += set.skipped;
            all
        })
    }

    /// The usable keys.
    pub fn keys(&self) -> &[JwtKey] {
        &self.keys
    }

    /// How many keys of the JWKS were skipped.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The keys that may have signed.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &JwtKey> {
        self.keys.iter().filter(move |key| {
            let named = match (kid, key.kid.as_deref()) {
                (Some(wanted), Some(name)) => wanted == name,
                // A configured key without a name, or a token without one.
                _ => true,
            };
            named && key.algorithm.is_none_or(|only| only == algorithm) && key.public.takes(algorithm)
        })
    }
}

impl JwtKey {
    fn read(key: &Object<'_>) -> Option<Self> {
        let wrong_use = key.has("use") && key.text("use").as_deref() != Some("sig");
        let operations = key.list("key_ops");
        let verifies = operations.iter().filter_map(|name| json::text(name)).any(|name| name == "verify");
        if wrong_use || (key.has("key_ops") && !verifies) {
            return None;
        }
        let algorithm = match key.text("alg") {
            Some(name) => Some(Algorithm::parse(&name)?),
            None => None,
        };
        let endorsements = key.list("endorsements");
        let endorsements = endorsements.iter().filter_map(|name| json::text(name));
        let public = PublicKey::from_jwk(key)?;
        Some(Self {
            kid: key.text("kid").map(Into::into),
            algorithm,
            endorsements: endorsements.map(Into::into).collect(),
            public,
        })
    }

    /// Its name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it may speak for (Bot Framework: channel ids).
    pub fn endorsements(&self) -> &[String] {
        &self.endorsements
    }

    /// The key itself.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}
