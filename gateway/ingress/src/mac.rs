//! The constant-time parts: what proves that a request came from who holds the key.

use crate::{Key, Keys, Reason, Refusal, UnixTime};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// That a signature fitted one of the endpoint's live keys. Only [`any_live_key`] makes one, and [`crate::Verified`] needs one.
#[derive(Debug)]
pub(crate) struct Proof {
    matched_key: usize,
}

impl Proof {
    /// Which of the endpoint's keys it was, from 0.
    pub(crate) fn matched_key(&self) -> usize {
        self.matched_key
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

/// Compares a MAC with a given one in constant time.
pub(crate) fn same(expected: Option<&[u8; 32]>, given: &[u8; 32]) -> bool {
    expected.is_some_and(|expected| expected.ct_eq(given).into())
}

/// `prefix` and then 64 lower-case hexadecimal digits, as the provider writes them; anything else is not its signature.
///
/// # Errors
/// [`Reason::BadSignature`].
pub(crate) fn prefixed_hex(text: &str, prefix: &str) -> Result<[u8; 32], Refusal> {
    text.strip_prefix(prefix)
        .and_then(|digits| HEXLOWER.decode(digits.as_bytes()).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
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
