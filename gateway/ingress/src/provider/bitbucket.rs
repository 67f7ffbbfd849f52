//! Bitbucket, Server and Cloud: `X-Hub-Signature: sha256=` over the raw body.

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    field,
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

const EVENT: &str = "x-event-key";
const DELIVERY: &str = "x-request-uuid";

static MAC: BodyMac = BodyMac {
    headers: &["x-hub-signature"],
    prefix: "sha256=",
    encoding: Encoding::Hex,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Cloud retries twice within minutes; people redeliver.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(10),
    scheme_headers: &["x-hub-signature", EVENT, DELIVERY],
    shown_headers: &["content-type", "user-agent", EVENT, DELIVERY, "x-request-id", "x-attempt-number"],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Bitbucket;

impl Opener for Bitbucket {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let event = field::optional(arrival.request.headers, EVENT);
        // Cloud has the one, Server the other.
        let id = generic::unsigned("delivery", arrival, DELIVERY).or_else(|| generic::unsigned("delivery", arrival, "x-request-id"));
        let account = body
            .object("repository")
            .and_then(|repository| repository.id("uuid").or_else(|| repository.id("id")));
        let draft = generic::draft(arrival, &FACTS, Kind::Event, event, raw);
        generic::deliver(arrival, draft, id, account.map(|id| id.into_owned()))
    }

    fn sample(&self) -> &'static str {
        r#"{"repository":{"uuid":"{8f4e2f3c-7a1b-4c65-9c7e-1d2f3a4b5c6d}","full_name":"acme/gate"},"actor":{"display_name":"Ada"},"issue":{"id":7,"title":"The gate creaks"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        Ok(signed)
    }
}
