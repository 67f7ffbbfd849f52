//! Instagram messaging: Meta's signature and challenge, and batches of messages.

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
    // Retried for about a day and a half.
    horizon: Duration::from_secs(48 * 3600),
    window: None,
    deadline: Duration::from_secs(20),
    scheme_headers: &[meta::SIGNATURE],
    shown_headers: &["content-type", "user-agent"],
    batches: true,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the app secret, as text",
    verify: Some(meta::VERIFY),
};

/// See the module's page.
pub(super) struct Instagram;

impl Opener for Instagram {
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
        let account = body.objects("entry").find_map(|entry| entry.id("id").map(|id| id.into_owned()));
        let draft = generic::draft(arrival, &FACTS, Kind::Event, body.text("object").as_deref(), raw);
        generic::deliver(arrival, draft, None, account)
    }

    fn sample(&self) -> &'static str {
        r#"{"object":"instagram","entry":[{"id":"17841405822304914","time":1771495200000,"messaging":[{"sender":{"id":"1020304050"},"recipient":{"id":"17841405822304914"},"timestamp":1771495199000,"message":{"mid":"aWdfZAG1faXRlbToxOk1","text":"Is the gate open?"}}]}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let _ = fresh_id; // no id stands at a fixed place
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        meta::MAC.sign(&mut signed, key)?;
        Ok(signed)
    }
}
