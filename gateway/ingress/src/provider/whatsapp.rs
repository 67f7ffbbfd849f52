//! WhatsApp's Cloud API: Meta's signature and challenge, and batches of messages and statuses.

use super::{Arrival, Facts, GET_AND_POST, Opener, generic, meta};
use crate::{
    Answer, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

static FACTS: Facts = Facts {
    methods: &GET_AND_POST,
    // Meta batches up to about this.
    body_limit: ByteSize::mib(3),
    // Retried for seven days, and one more for clocks.
    horizon: Duration::from_secs(192 * 3600),
    window: None,
    deadline: Duration::from_secs(1),
    scheme_headers: &[meta::SIGNATURE],
    shown_headers: &["content-type", "user-agent"],
    batches: true,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the app secret, as text",
    verify: Some(meta::VERIFY),
};

/// See the module's page.
pub(super) struct Whatsapp;

impl Opener for Whatsapp {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn handshake(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme) -> Option<Result<Answer, Refusal>> {
        meta::handshake(request, keys)
    }
    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        meta::MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let account = body.objects("entry").find_map(|entry| {
            let value = entry.objects("changes").find_map(|change| change.object("value"))?;
            value.object("metadata")?.id("phone_number_id").map(|id| id.into_owned())
        });
        let draft = generic::draft(arrival, &FACTS, Kind::Event, body.text("object").as_deref(), raw);
        generic::deliver(arrival, draft, None, account)
    }

    fn sample(&self) -> &'static str {
        r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Ada"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text","text":{"body":"Is the gate open?"}}]}}]}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let _ = fresh_id; // no id stands at a fixed place
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        meta::MAC.sign(&mut signed, key)?;
        Ok(signed)
    }
}
