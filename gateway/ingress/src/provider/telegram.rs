//! Telegram's Bot API: the secret token of `setWebhook`, a bearer in a header (core.telegram.org/bots/api, `setWebhook`). Nothing is signed.

use super::{Arrival, Facts, KeyError, Opener, POST, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    field,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
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
        let (raw, update) = generic::object(arrival)?;
        let id = generic::signed("update", update.id("update_id"));
        let draft = generic::draft(arrival, &FACTS, Kind::Event, None, raw);
        generic::deliver(arrival, draft, id, None)
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
        let mut signed = Signed::new(generic::with_id(payload, "update_id", fresh_id)?, sign::JSON);
        signed.set(TOKEN, token)?;
        Ok(signed)
    }
}
