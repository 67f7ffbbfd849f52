//! HMAC-SHA256 over the raw body, in one header: the scheme of many providers, as data.

use crate::{
    Key, Keys, Reason, Refusal, Request, UnixTime, field,
    mac::{self, Proof},
    sign::{SignError, Signed},
};
use data_encoding::{BASE64, HEXLOWER};

/// How the MAC is written.
pub(super) enum Encoding {
    Hex,
    Base64,
}

/// One provider's form of it.
pub(super) struct BodyMac {
    /// Names of the header; the first that is there counts, and it alone.
    pub(super) headers: &'static [&'static str],
    /// What stands before the MAC.
    pub(super) prefix: &'static str,
    pub(super) encoding: Encoding,
}

impl BodyMac {
    /// The MAC that the request shows.
    pub(super) fn given(&self, request: &Request<'_>) -> Result<[u8; 32], Refusal> {
        let present = self.headers.iter().find(|name| request.headers.contains_key(**name));
        let name = present.or(self.headers.first()).copied().unwrap_or_default();
        let text = field::required(request.headers, name, Reason::MissingSignature, Reason::BadSignature)?;
        match self.encoding {
            Encoding::Hex => mac::prefixed_hex(text, self.prefix),
            Encoding::Base64 => text.strip_prefix(self.prefix).and_then(mac::base64).ok_or_else(|| {
                let detail = format!("the signature is not {}the base64 of 32 bytes", self.prefix);
                Refusal::new(Reason::BadSignature, detail)
            }),
        }
    }

    /// Verifies with keys that are text.
    pub(super) fn verify(&self, request: &Request<'_>, keys: &Keys, now: UnixTime) -> Result<Proof, Refusal> {
        let given = self.given(request)?;
        mac::any_live_key(keys, now, |key| {
            mac::same(mac::hmac_sha256(key.expose(), &[request.body]).as_ref(), &given)
        })
    }

    /// Sets the first of the headers.
    pub(super) fn sign(&self, signed: &mut Signed, key: &Key) -> Result<(), SignError> {
        self.sign_with(signed, key.expose())
    }

    /// Sets the first of the headers, with a key that is not as it is written.
    pub(super) fn sign_with(&self, signed: &mut Signed, secret: &[u8]) -> Result<(), SignError> {
        let mac = mac::hmac_sha256(secret, &[&signed.body]).ok_or_else(SignError::key)?;
        let text = match self.encoding {
            Encoding::Hex => HEXLOWER.encode(&mac),
            Encoding::Base64 => BASE64.encode(&mac),
        };
        signed.set(self.headers.first().copied().unwrap_or_default(), &format!("{}{text}", self.prefix))
    }
}
