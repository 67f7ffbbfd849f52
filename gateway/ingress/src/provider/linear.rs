//! Linear: `Linear-Signature`, bare hexadecimal digits, over the raw body, whose `webhookTimestamp` is its clock (linear.app, "Webhooks").

mod content;

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, clock,
    json::{self, Object},
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

const EVENT: &str = "linear-event";
const DELIVERY: &str = "linear-delivery";
const TIMESTAMP: &str = "linear-timestamp";

/// The clock: a member of the body, in milliseconds.
const CLOCK: &str = "webhookTimestamp";

/// What Linear's own library takes.
const WINDOW: Duration = Duration::from_secs(60);

static MAC: BodyMac = BodyMac {
    headers: &["linear-signature"],
    prefix: "",
    encoding: Encoding::Hex,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Three retries within about seven hours.
    horizon: Duration::from_secs(24 * 3600),
    window: Some(WINDOW),
    deadline: Duration::from_secs(5),
    scheme_headers: &["linear-signature", DELIVERY, EVENT, TIMESTAMP],
    shown_headers: &["content-type", "user-agent", EVENT, DELIVERY],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the webhook's signing secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Linear;

impl Opener for Linear {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let proof = MAC.verify(request, keys, now)?;
        // The clock stands in the signed body. The header has one too, but anyone could change it, so a body without a clock could be replayed for ever.
        let body = json::valid(request.body).ok().and_then(Object::read);
        let at = body.as_ref().and_then(|body| body.raw(CLOCK)).filter(|at| at.get() != "null");
        let at = at.ok_or_else(|| Refusal::new(Reason::MissingTimestamp, format!("the body has no {CLOCK}")))?;
        let at = clock::milliseconds(at.get())?;
        clock::within(at, now, WINDOW)?;
        Ok(proof)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        content::read(arrival, raw, &body)
    }

    fn sample(&self) -> &'static str {
        r#"{"action":"create","type":"Issue","actor":{"id":"b5ea8f1f-8adc-4f52-b4bd-ab4e84cf51ba","type":"user","name":"Octo"},"createdAt":"2026-02-19T10:00:00.000Z","data":{"id":"2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9","title":"The gate creaks","number":7},"url":"https://linear.app/acme/issue/GATE-7","organizationId":"dd6f3c0c-6b0a-4bd5-9f5b-0d2c1c8e7a11","webhookTimestamp":1771495200000,"webhookId":"000042e3-d123-4980-b49f-8e140eef9329"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        // A signed clock that is not the present one would never open, nor would a body without one.
        let timestamp = format!("{}000", now.0);
        let timed = || {
            let whole = std::str::from_utf8(payload).ok()?;
            let members = json::valid(payload).ok().and_then(Object::read)?;
            match members.raw(CLOCK) {
                Some(old) => sign::spliced(whole, old, &timestamp),
                None => {
                    let put = sign::inserted(whole, CLOCK, "")?;
                    let place = json::valid(put.as_bytes()).ok().and_then(Object::read)?.raw(CLOCK)?;
                    sign::spliced(&put, place, &timestamp)
                }
            }
        };
        let body = timed().ok_or_else(|| SignError(format!("the payload is no JSON object, so it has no place for `{CLOCK}`")))?;
        let event = json::valid(body.as_bytes())
            .ok()
            .and_then(Object::read)
            .and_then(|body| body.text("type"));
        let event = event.map(std::borrow::Cow::into_owned);
        let mut signed = Signed::new(body.into_bytes(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        signed.set(TIMESTAMP, &timestamp)?;
        if let Some(event) = event {
            signed.set(EVENT, &event)?;
        }
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        Ok(signed)
    }
}
