//! Zoom: `x-zm-signature: v0=` over `v0:{timestamp}:{raw body}` (developers.zoom.us, "Using webhooks").

mod content;

use super::{Arrival, Facts, Opener, POST, generic, timed_mac::TimedMac};
use crate::json::Object;
use crate::{
    Answer, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime, clock,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use std::time::Duration;
use tollgate_config::ByteSize;

const TRACKING: &str = "x-zm-trackingid";

static MAC: TimedMac = TimedMac {
    signature: "x-zm-signature",
    timestamp: "x-zm-request-timestamp",
    prefix: "v0=",
    before: "v0:",
    between: ":",
};

/// Longest token that is signed on request.
const MAX_TOKEN: usize = 64;

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Three retries within two hours.
    horizon: Duration::from_secs(24 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(3),
    scheme_headers: &["x-zm-signature", "x-zm-request-timestamp", TRACKING],
    shown_headers: &["content-type", "user-agent", "x-zm-request-timestamp", TRACKING],
    batches: false,
    options: &[RAW, SAME_BODY],
    // Where the body names nothing, the tracking id is all there is, and nothing signs it.
    same_body: SameBody::Drop,
    key: "the webhook's secret token, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Zoom;

impl Opener for Zoom {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let event = body.text("event");
        if event.as_deref() == Some("endpoint.url_validation") {
            return validation(arrival, &body).map(Opened::Handshake);
        }
        content::read(arrival, raw, &body, event.as_deref().unwrap_or_default())
    }

    fn sample(&self) -> &'static str {
        r#"{"event":"meeting.started","event_ts":1771495200000,"payload":{"account_id":"AAAAAABBBB","object":{"id":"1234567890","uuid":"4444AAAiAAAAAiAiAiiAii==","host_id":"x1yCzABCDEfg23HiJKl4mN","topic":"The gate","type":2}}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let body = match fresh_id {
            Some(id) => content::renewed(payload, now, id),
            None => payload.to_vec(),
        };
        let mut signed = Signed::new(body, sign::JSON);
        MAC.sign(&mut signed, key, now)?;
        signed.set(TRACKING, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        Ok(signed)
    }
}

/// Answers with the token's MAC. The same key signs events, so this comes after the signature, and takes no token that could be one's text.
fn validation(arrival: &Arrival<'_>, body: &Object<'_>) -> Result<Answer, Refusal> {
    let payload = body.object("payload").unwrap_or_default();
    let token = payload.text("plainToken").unwrap_or_default();
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(super::is_plain) {
        return Err(Refusal::unparsable("plainToken is not 1 to 64 letters, digits, `_` or `-`"));
    }
    let key = arrival.keys.signing.get(arrival.proof.matched_key());
    let mac = key.and_then(|key| mac::hmac_sha256(key.expose(), &[token.as_bytes()]));
    let mac = mac.ok_or_else(|| Refusal::unparsable("no key"))?;
    Ok(Answer::json(
        serde_json::json!({ "plainToken": token, "encryptedToken": HEXLOWER.encode(&mac) }).to_string(),
    ))
}
