//! What WhatsApp, Messenger and Instagram share: `X-Hub-Signature-256` over the raw body, and the challenge by GET
//! (developers.facebook.com, "Webhooks: getting started").

use super::body_mac::{BodyMac, Encoding};
use crate::{Answer, Keys, Reason, Refusal, Request, form::Form, mac};
use http::Method;

pub(super) const SIGNATURE: &str = "x-hub-signature-256";

/// Over the bytes as they came: Meta escapes what is not ASCII, and signs that.
pub(super) static MAC: BodyMac = BodyMac {
    headers: &[SIGNATURE],
    prefix: "sha256=",
    encoding: Encoding::Hex,
};

/// What `secrets.verify` holds.
pub(super) const VERIFY: &str = "the verify token of the app's webhook, as text";

/// Longest challenge that is sent back; Meta's have about ten digits.
const MAX_CHALLENGE: usize = 256;

/// Answers `GET ?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…`. Any GET is a challenge or refused: nothing signs one.
pub(super) fn handshake(request: &Request<'_>, keys: &Keys) -> Option<Result<Answer, Refusal>> {
    (request.method == Method::GET).then(|| challenge(request, keys))
}

fn challenge(request: &Request<'_>, keys: &Keys) -> Result<Answer, Refusal> {
    let wrong = |detail: &str| Refusal::new(Reason::BadHandshake, detail);
    let expected = keys.verify.as_ref().ok_or_else(|| wrong("the endpoint has no `secrets.verify`"))?;
    let (_, query) = request.path_and_query.split_once('?').unwrap_or_default();
    let query = Form::read(query.as_bytes()).ok_or_else(|| wrong("the query is not UTF-8"))?;
    if query.get("hub.mode") != Some("subscribe") {
        return Err(wrong("hub.mode is not subscribe"));
    }
    if !mac::same_token(expected.expose(), query.get("hub.verify_token").unwrap_or_default().as_bytes()) {
        return Err(wrong("hub.verify_token is not the endpoint's"));
    }
    let challenge = query.get("hub.challenge").unwrap_or_default();
    // What is sent back must never be markup.
    if challenge.is_empty() || challenge.len() > MAX_CHALLENGE || !challenge.bytes().all(super::is_plain) {
        return Err(wrong("hub.challenge is not 1 to 256 letters, digits, `_` or `-`"));
    }
    Ok(Answer::text(challenge.to_owned()))
}
