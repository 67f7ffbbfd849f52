//! LINE: `x-line-signature`, base64, over the raw body (developers.line.biz, "Verify webhook signature"). One request may carry several events;
//! one without any is the console's button "Verify".

mod content;
mod event;

use super::{
    Arrival, Facts, Opener, POST, batch,
    body_mac::{BodyMac, Encoding},
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    json::{self, Object},
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-line-signature";

static MAC: BodyMac = BodyMac {
    headers: &[SIGNATURE],
    prefix: "",
    encoding: Encoding::Base64,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers that batch.
    body_limit: ByteSize::mib(1),
    // Redelivery, where it is on, is not said to end; three days.
    horizon: Duration::from_secs(72 * 3600),
    window: None,
    deadline: Duration::from_secs(2),
    scheme_headers: &[SIGNATURE],
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
        event::read(arrival)
    }

    fn sample(&self) -> &'static str {
        r#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[{"type":"message","message":{"id":"325708","type":"text","quoteToken":"q3Plxr4AgKd","text":"Is the gate open?"},"timestamp":1771495200000,"source":{"type":"user","userId":"U4af4980629"},"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{"isRedelivery":false},"replyToken":"nHuyWiB7yP5Zw52FIkcQobQuGDXCTA","mode":"active"}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let probe = json::valid(payload).ok().and_then(Object::read).is_some_and(|body| is_probe(&body));
        let body = match fresh_id {
            Some(id) if !probe => batch::with_ids(payload, id, event::ids)?,
            _ => payload.to_vec(),
        };
        let mut signed = Signed::new(body, sign::JSON);
        MAC.sign(&mut signed, key)?;
        Ok(signed)
    }
}

/// The console's button "Verify" sends no events.
fn is_probe(body: &Object<'_>) -> bool {
    body.raw("events").is_some_and(|events| events.get().starts_with('[')) && body.list("events").is_empty()
}
