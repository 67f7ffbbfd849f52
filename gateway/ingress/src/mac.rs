//! The constant-time parts: what proves that a request came from who holds the key.

use crate::{
    Key, Keys, Reason, Refusal, UnixTime,
    certificate::Certificate,
    jwt::{Algorithm, Token},
};
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// That a signature fitted one of the endpoint's live keys, or one that the provider publishes. Only this module makes one, and
/// [`crate::Verified`] needs one.
#[derive(Debug)]
pub(crate) struct Proof {
    matched_key: usize,
}

impl Proof {
    /// That the provider's issuer signed this token.
    pub(crate) fn of_token(_token: &Token) -> Self {
        Self { matched_key: 0 }
    }

    /// That the holder of a certificate, on one of its days, signed this text with RSA and SHA-256.
    pub(crate) fn of_certificate(certificate: &Certificate, now: UnixTime, text: &[u8], signature: &[u8]) -> Option<Self> {
        let fits = certificate.is_valid(now) && certificate.key().verify(Algorithm::Rs256, text, signature);
        fits.then_some(Self { matched_key: 0 })
    }

    /// Which of the endpoint's keys it was, from 0; 0 where the provider publishes them.
    pub(crate) fn matched_key(&self) -> usize {
        self.matched_key
    }

    /// The same proof, where its key stands elsewhere in the endpoint's whole list than among those that were tried.
    pub(crate) fn counted_at(self, matched_key: usize) -> Self {
        Self { matched_key }
    }
}

/// Tries the live keys in their order, newest first, and says which one fitted.
///
/// # Errors
/// [`Reason::NoLiveKey`] when none may open any more, [`Reason::BadSignature`] when none fits.
pub(crate) fn any_live_key(keys: &Keys, now: UnixTime, mut fits: impl FnMut(&Key) -> bool) -> Result<Proof, Refusal> {
    let mut live = keys.signing.iter().enumerate().filter(|(_, key)| key.is_live(now)).peekable();
    if live.peek().is_none() {
        return Err(Refusal::new(Reason::NoLiveKey, "the endpoint has no live key"));
    }
    match live.find(|(_, key)| fits(key)) {
        Some((matched_key, _)) => Ok(Proof { matched_key }),
        None => Err(Refusal::new(Reason::BadSignature, "the signature fits no live key")),
    }
}

/// Tries the live keys as bearer tokens.
///
/// # Errors
/// [`Reason::NoLiveKey`] when none may open any more, [`Reason::BadToken`] when none is the given one.
pub(crate) fn any_live_token(keys: &Keys, now: UnixTime, given: &str) -> Result<Proof, Refusal> {
    any_live_key(keys, now, |key| same_token(key.expose(), given.as_bytes())).map_err(|refusal| match refusal.reason {
        Reason::BadSignature => Refusal::new(Reason::BadToken, "the token is none of the endpoint's"),
        _ => refusal,
    })
}

/// HMAC-SHA256 over the parts in their order, without copying them together.
///
/// HMAC takes a key of any length (RFC 2104 2), so `None` never happens; if it did, nothing would fit.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// HMAC-SHA512, likewise.
pub(crate) fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 64]> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// HMAC-SHA1, likewise. As a MAC it still holds (RFC 6194 3.3), and some providers have nothing else.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// Compares a MAC with a given one in constant time.
pub(crate) fn same<const N: usize>(expected: Option<&[u8; N]>, given: &[u8; N]) -> bool {
    expected.is_some_and(|expected| expected.as_slice().ct_eq(given.as_slice()).into())
}

/// Compares a bearer token with a given one. Both are hashed first, so that the time tells neither a common beginning nor a length.
pub(crate) fn same_token(expected: &[u8], given: &[u8]) -> bool {
    same(Some(&Sha256::digest(expected).into()), &Sha256::digest(given).into())
}

/// Exactly `N` bytes in lower-case hexadecimal digits.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Exactly `N` bytes in canonical base64: padded, no blanks, spare bits zero.
pub(crate) fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    base64_bytes(text)?.try_into().ok()
}

/// Any number of bytes in canonical base64. The decoder alone takes padded pieces one after the other, and so more than one spelling.
pub(crate) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

/// `prefix` and then 64 lower-case hexadecimal digits, as the provider writes them; anything else is not its signature.
///
/// # Errors
/// [`Reason::BadSignature`].
pub(crate) fn prefixed_hex(text: &str, prefix: &str) -> Result<[u8; 32], Refusal> {
    text.strip_prefix(prefix).and_then(hex).ok_or_else(|| {
        Refusal::new(
            Reason::BadSignature,
            format!("the signature is not {prefix} and 64 lower-case hexadecimal digits"),
        )
    })
}

/// Ed25519 by the strict rules: no S beyond the group's order, no point of small order (RFC 8032 5.1.7).
pub(crate) fn ed25519(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_it_is_written() {
        let good = format!("v0={}", "0a".repeat(32));
        assert_eq!(prefixed_hex(&good, "v0="), Ok([10; 32]));
        for bad in [
            good.to_uppercase(),
            good.replace("v0=", "V0="),
            good.replace("0a", "0A"),
            good.replace("v0=", ""),
            format!("{good}0a"),
            good.replacen("0a", "", 1),
            format!(" {good}"),
        ] {
            assert_eq!(
                prefixed_hex(&bad, "v0=").map_err(|refusal| refusal.reason),
                Err(Reason::BadSignature),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_other_macs_are_the_published_ones_too() {
        // RFC 2202 3, case 2, and RFC 4231 4.3.
        let text: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        assert_eq!(
            hmac_sha1(b"Jefe", text).map(|mac| HEXLOWER.encode(&mac)).as_deref(),
            Some("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        );
        assert_eq!(
            hmac_sha512(b"Jefe", text).map(|mac| HEXLOWER.encode(&mac)).as_deref(),
            Some(concat!(
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ))
        );
    }

    #[test]
    fn base64_and_tokens_are_exact() {
        assert_eq!(base64::<4>("AQIDBA=="), Some([1, 2, 3, 4]));
        for bad in [
            "AQIDBA",
            "AQIDBA=",
            "AQIDBB==",
            "AQID BA==",
            "AQIDBAU=",
            "AQI=AwQ=",
            "AQIDBA==\n",
            "",
        ] {
            assert_eq!(base64::<4>(bad), None, "{bad:?}");
        }
        assert!(same_token(b"token", b"token"));
        for other in [&b""[..], b"toke", b"token2", b"Token"] {
            assert!(!same_token(b"token", other), "{other:?}");
        }
    }

    #[test]
    fn a_mac_is_the_published_one() {
        // RFC 4231 4.3, in one part and in two.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        for parts in [&[&b"what do ya want for nothing?"[..]][..], &[b"what do ya ", b"want for nothing?"]] {
            assert_eq!(
                hmac_sha256(b"Jefe", parts).map(|mac| HEXLOWER.encode(&mac)).as_deref(),
                Some(expected)
            );
        }
    }
}
