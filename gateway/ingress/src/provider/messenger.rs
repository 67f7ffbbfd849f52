//! Facebook Messenger: Meta's signature and challenge; one request may carry events of several pages
//! (developers.facebook.com, "Messenger Platform: webhooks").

use super::{
    Arrival, Facts, GET_AND_POST, Opener,
    meta::{self, messaging},
};
use crate::{
    Answer, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{SignError, Signed},
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
    key: meta::KEY,
    verify: Some(meta::VERIFY),
};

static SURFACE: messaging::Surface = messaging::Surface {
    facts: &FACTS,
    object: "page",
};

/// See the module's page.
pub(super) struct Messenger;

impl Opener for Messenger {
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
        messaging::read(arrival, &SURFACE)
    }

    fn sample(&self) -> &'static str {
        r#"{"object":"page","entry":[{"id":"682498171943165","time":1771495200100,"messaging":[{"sender":{"id":"5246375338785137"},"recipient":{"id":"682498171943165"},"timestamp":1771495200000,"message":{"mid":"m_AG5Hz2Uq7tuwNEhXfYYKj8mJEM_QPpz5jdCK48PnKAjSdjfipqxqMvK8ma6AC8fplwlqLP_5cgXIbu7I3rBN0P","text":"Is the gate open?"}}]}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        meta::sign(payload, key, fresh_id, messaging::ids)
    }
}
