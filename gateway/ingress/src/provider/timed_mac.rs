//! HMAC-SHA256 over a timestamp and the raw body, each in a header of its own: Slack's scheme, which others took over, as data.

use crate::{
    Key, Keys, Reason, Refusal, Request, UnixTime, clock, field,
    mac::{self, Proof},
    sign::{SignError, Signed},
};
use data_encoding::HEXLOWER;

/// One provider's form of it: `{before}{timestamp}{between}{body}`, in lower-case hexadecimal digits.
pub(super) struct TimedMac {
    pub(super) signature: &'static str,
    pub(super) timestamp: &'static str,
    /// What stands before the MAC.
    pub(super) prefix: &'static str,
    pub(super) before: &'static str,
    pub(super) between: &'static str,
}

impl TimedMac {
    pub(super) fn verify(&self, request: &Request<'_>, keys: &Keys, now: UnixTime) -> Result<Proof, Refusal> {
        let header = field::required(request.headers, self.signature, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, self.timestamp, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        clock::within(clock::seconds(timestamp)?, now, clock::WINDOW)?;
        let given = mac::prefixed_hex(header, self.prefix)?;
        mac::any_live_key(keys, now, |key| mac::same(self.mac(key, timestamp, request.body).as_ref(), &given))
    }

    pub(super) fn sign(&self, signed: &mut Signed, key: &Key, now: UnixTime) -> Result<(), SignError> {
        let timestamp = now.0.to_string();
        let mac = self.mac(key, &timestamp, &signed.body).ok_or_else(SignError::key)?;
        signed.set(self.timestamp, &timestamp)?;
        signed.set(self.signature, &format!("{}{}", self.prefix, HEXLOWER.encode(&mac)))
    }

    /// The time that was signed.
    pub(super) fn signed_at(&self, request: &Request<'_>) -> Option<UnixTime> {
        clock::seconds(field::optional(request.headers, self.timestamp)?).ok()
    }

    fn mac(&self, key: &Key, timestamp: &str, body: &[u8]) -> Option<[u8; 32]> {
        let parts = [self.before.as_bytes(), timestamp.as_bytes(), self.between.as_bytes(), body];
        mac::hmac_sha256(key.expose(), &parts)
    }
}
