//! JSON Web Tokens (RFC 7519) in compact form, verified with public keys: what Bot Framework sends, and what a caller's identity may be.
//!
//! How it is used: [`KeySet::parse`] (a JWKS) or [`KeySet::from_pem`] (one configured key) once, then [`verify`] for each token with a [`Policy`].
//! [`JwtError::UnknownKey`] means that everything but the signature is as the policy wants it and that no key has the token's `kid`: fetch the
//! issuer's keys anew (once, and not for everyone who asks) and try again. Nothing here fetches, and the time is an argument.
//!
//! What is never taken: `none`, `HS*` (a public key would be the secret), encrypted tokens, `crit`, keys that the token brings (`jwk`, `jku`,
//! `x5c`), a member that stands twice, padded or lax base64 (RFC 8725).

mod claims;
mod key;
mod keyset;
mod signer;

pub use claims::Token;
pub use key::PublicKey;
pub use keyset::{JWKS_LIMIT, JwtKey, KEYS_LIMIT, KeySet, KeySetError};
pub use signer::Signer;

use crate::UnixTime;
use claims::Members;
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// The longest token in bytes. It travels in a header; with a few hundred groups in it a real one has about 8 KiB.
pub const TOKEN_LIMIT: usize = 16 * 1024;

/// The longest `kid` in bytes. Real ones are hashes or names of at most about 100.
const KID_LIMIT: usize = 256;

/// A signature's algorithm (RFC 7518 3.1, RFC 8037 3.1). There is none without a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, a modulus of 2048 to 8192 bits.
    Rs256,
    /// RSASSA-PSS with SHA-256, likewise.
    Ps256,
    /// ECDSA on P-256 with SHA-256, `r` and `s` of 32 bytes each.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The name as `alg` has it, exactly; `Ed25519` (RFC 9864) is `EdDSA`. `None` for what is not taken.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What a token must be. A list with nothing in it accepts nothing: what is checked has to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `iss` is one of these, exactly.
    pub issuers: Vec<String>,
    /// `aud` is, or has in it, one of these, exactly. `None`: it is not looked at, which only a policy with an issuer of its own may say.
    pub audiences: Option<Vec<String>>,
    /// `alg` is one of these.
    pub algorithms: Vec<Algorithm>,
    /// How far `exp`, `nbf` and `iat` may lie on the wrong side of now, in whole seconds.
    pub leeway: Duration,
    /// Whether a token without `kid` is refused. Without it every key of the algorithm is tried.
    pub kid_required: bool,
}

/// Why a token is none. For the log: no claim's value is in it but the issuer and the key's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than [`TOKEN_LIMIT`].
    #[error("the token is longer than {TOKEN_LIMIT} bytes")]
    TooLong,
    /// Not three parts of unpadded base64url with JSON objects in the first two; what is wrong.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `alg` is not in the policy, or not one of [`Algorithm`].
    #[error("the token's algorithm is not taken")]
    Algorithm,
    /// `crit` is there: the token asks for a rule that we do not know (RFC 7515 4.1.11).
    #[error("the token has critical headers")]
    Critical,
    /// No `kid`, and the policy wants one.
    #[error("the token has no kid")]
    NoKid,
    /// Another issuer, or none.
    #[error("the token's issuer is not taken")]
    Issuer,
    /// For somebody else, or for nobody.
    #[error("the token is not for this audience")]
    Audience,
    /// No `exp`.
    #[error("the token never expires")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is still to come.
    #[error("the token is not valid yet")]
    NotYet,
    /// All is as the policy wants it, and no key has this `kid` (or there is no key at all).
    #[error("no key {kid:?} of {issuer}")]
    UnknownKey {
        /// One of the policy's issuers.
        issuer: String,
        /// The token's `kid`, where it has one.
        kid: Option<String>,
    },
    /// The signature fits no key.
    #[error("the token's signature fits no key")]
    Signature,
}

/// Verifies a token in compact form (without `Bearer `) and returns its claims.
///
/// The order: length, form, `alg`, `crit`, `kid`, issuer, audience, times, key, signature. What is cheap comes first, and a key is only called
/// unknown where the issuer is one of ours, so that a stranger's token never makes anyone fetch.
///
/// # Errors
/// [`JwtError`].
pub fn verify(token: &str, keys: &KeySet, policy: &Policy, now: UnixTime) -> Result<Token, JwtError> {
    if token.len() > TOKEN_LIMIT {
        return Err(JwtError::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(JwtError::Malformed("not three parts"));
    };
    let signing_input = token
        .get(..header.len() + 1 + payload.len())
        .ok_or(JwtError::Malformed("not three parts"))?;
    let header = Members::parse(&base64url(header)?)?;
    let given = base64url(signature)?;
    let name = header.text("alg").ok_or(JwtError::Algorithm)?;
    let algorithm = Algorithm::parse(name)
        .filter(|algorithm| policy.algorithms.contains(algorithm))
        .ok_or(JwtError::Algorithm)?;
    if header.has("crit") {
        return Err(JwtError::Critical);
    }
    let kid = kid(&header, policy)?;
    let claims = Members::parse(&base64url(payload)?)?;
    let issuer = policy.check(&claims, now)?;

    let candidates: Vec<_> = keys.candidates(kid, algorithm).collect();
    if candidates.is_empty() {
        return Err(JwtError::UnknownKey {
            issuer: issuer.to_owned(),
            kid: kid.map(str::to_owned),
        });
    }
    let key = candidates
        .into_iter()
        .find(|key| key.public().verify(algorithm, signing_input.as_bytes(), &given))
        .ok_or(JwtError::Signature)?;
    Ok(Token::new(header, claims, algorithm, key.clone()))
}

/// Strict base64url without padding; spare bits are zero.
fn base64url(part: &str) -> Result<Vec<u8>, JwtError> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| JwtError::Malformed("not base64url"))
}

fn kid<'a>(header: &'a Members, policy: &Policy) -> Result<Option<&'a str>, JwtError> {
    if !header.has("kid") {
        return if policy.kid_required { Err(JwtError::NoKid) } else { Ok(None) };
    }
    match header.text("kid") {
        Some(kid) if !kid.is_empty() && kid.len() <= KID_LIMIT => Ok(Some(kid)),
        _ => Err(JwtError::Malformed("kid is no name")),
    }
}

impl Policy {
    /// Issuer, audience and times; returns the issuer as the policy writes it.
    fn check(&self, claims: &Members, now: UnixTime) -> Result<&str, JwtError> {
        let given = claims.text("iss").ok_or(JwtError::Issuer)?;
        let issuer = self.issuers.iter().find(|issuer| *issuer == given).ok_or(JwtError::Issuer)?;
        if let Some(audiences) = &self.audiences {
            let given = claims.texts("aud").ok_or(JwtError::Audience)?;
            if !given.iter().any(|given| audiences.contains(given)) {
                return Err(JwtError::Audience);
            }
        }
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        let end = claims.moment("exp")?.ok_or(JwtError::NoExpiry)?;
        // RFC 7519 4.1.4: the current time must be before it.
        if now.0 >= end.0.saturating_add(leeway) {
            return Err(JwtError::Expired);
        }
        for start in ["nbf", "iat"] {
            if claims.moment(start)?.is_some_and(|start| start.0 > now.0.saturating_add(leeway)) {
                return Err(JwtError::NotYet);
            }
        }
        Ok(issuer)
    }
}
