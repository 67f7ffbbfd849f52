//! Telegram's Bot API: the secret token of `setWebhook`, a bearer in a header (core.telegram.org/bots/api, `setWebhook`). Nothing is signed.
//!
//! The token vouches for the whole request, and the id stands in the body: the same body has the same id, so the id alone is the dedupe mark.

mod message;
mod update;

use super::{Arrival, Facts, KeyError, Opener, POST};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, field,
    json::{self, Object},
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tollgate_config::ByteSize;

const TOKEN: &str = "x-telegram-bot-api-secret-token";

/// Longest token that `setWebhook` takes.
const MAX_TOKEN: usize = 256;

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // An update is dropped after 24 hours; twice that for clocks and queues.
    horizon: Duration::from_secs(48 * 3600),
    window: None,
    deadline: Duration::from_secs(60),
    scheme_headers: &[TOKEN],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the `secret_token` of `setWebhook`: 1 to 256 letters, digits, `_` or `-`",
    verify: None,
};

/// See the module's page.
pub(super) struct Telegram;

impl Opener for Telegram {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let token = field::required(request.headers, TOKEN, Reason::MissingSignature, Reason::BadToken)?;
        mac::any_live_token(keys, now, token)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        update::read(arrival)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        let token = key.expose();
        if token.len() > MAX_TOKEN || !token.iter().copied().all(super::is_plain) {
            return Err(KeyError("Telegram takes a token of 1 to 256 letters, digits, `_` or `-`"));
        }
        Ok(None)
    }

    fn sample(&self) -> &'static str {
        r#"{"update_id":804771200,"message":{"message_id":17,"from":{"id":583231,"is_bot":false,"first_name":"Ada","language_code":"en"},"chat":{"id":583231,"first_name":"Ada","type":"private"},"date":1771495200,"text":"Is the gate open?"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let token = std::str::from_utf8(key.expose()).map_err(|_| SignError::key())?;
        let body = fresh_id.map_or_else(|| Ok(payload.to_vec()), |id| with_id(payload, &number(id)))?;
        let mut signed = Signed::new(body, sign::JSON);
        signed.set(TOKEN, token)?;
        Ok(signed)
    }
}

/// Digits of an id that every JSON reader keeps: below 10^15 and so below 2^53.
const MAX_DIGITS: usize = 15;

/// An `update_id` is a number: digits stay themselves, any other text becomes a number that is made from it.
fn number(id: &str) -> String {
    let digits = id.len() <= MAX_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0') && !id.is_empty();
    if digits {
        return id.to_owned();
    }
    let hash = Sha256::digest(id);
    let number = hash.iter().take(6).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    number.to_string()
}

/// The payload with this `update_id`; every other byte stays as it is.
fn with_id(payload: &[u8], number: &str) -> Result<Vec<u8>, SignError> {
    let place = || {
        let whole = std::str::from_utf8(payload).ok()?;
        let update = Object::read(json::valid(payload).ok()?)?;
        if let Some(old) = update.raw("update_id") {
            return sign::spliced(whole, old, number);
        }
        let (before, after) = whole.split_once('{')?;
        let comma = if after.trim_start().starts_with('}') { "" } else { "," };
        Some(format!("{before}{{\"update_id\":{number}{comma}{after}"))
    };
    place()
        .map(String::into_bytes)
        .ok_or_else(|| SignError("the payload is no JSON object, so it has no place for `update_id`".to_owned()))
}
