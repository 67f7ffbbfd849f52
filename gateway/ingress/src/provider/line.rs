//! LINE: `x-line-signature`, base64, over the raw body (developers.line.biz, "Verify webhook signature"). One request may carry several events.

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Answer, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

static MAC: BodyMac = BodyMac {
    headers: &["x-line-signature"],
    prefix: "",
    encoding: Encoding::Base64,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Redelivery, where it is on, is not said to end; three days.
    horizon: Duration::from_secs(72 * 3600),
    window: None,
    deadline: Duration::from_secs(2),
    scheme_headers: &["x-line-signature"],
    shown_headers: &["content-type", "user-agent"],
    batches: true,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the channel secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Line;

impl Opener for Line {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        // The console's button "Verify" sends no events.
        if body.has("events") && body.list("events").is_empty() {
            return Ok(Opened::Handshake(Answer::empty()));
        }
        let account = body.id("destination").map(|id| id.into_owned());
        let draft = generic::draft(arrival, &FACTS, Kind::Event, None, raw);
        generic::deliver(arrival, draft, None, account)
    }

    fn sample(&self) -> &'static str {
        r#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[{"type":"message","message":{"id":"325708","type":"text","text":"Is the gate open?"},"timestamp":1771495200000,"source":{"type":"user","userId":"U4af4980629"},"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{"isRedelivery":false},"replyToken":"nHuyWiB7yP5Zw52FIkcQobQuGDXCTA","mode":"active"}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let _ = fresh_id; // each event has its own
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        Ok(signed)
    }
}
