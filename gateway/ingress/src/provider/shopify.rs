//! Shopify: `X-Shopify-Hmac-SHA256`, base64, over the raw body (shopify.dev, "Verify deliveries"). Topic, shop and ids are not signed.

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

const EVENT: &str = "x-shopify-topic";
const DELIVERY: &str = "x-shopify-event-id";

static MAC: BodyMac = BodyMac {
    headers: &["x-shopify-hmac-sha256"],
    prefix: "",
    encoding: Encoding::Base64,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // An order with very many lines.
    body_limit: ByteSize::mib(5),
    // Eight retries within four hours.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(5),
    scheme_headers: &["x-shopify-hmac-sha256", EVENT, DELIVERY, "x-shopify-shop-domain"],
    shown_headers: &[
        "content-type",
        "user-agent",
        EVENT,
        DELIVERY,
        "x-shopify-webhook-id",
        "x-shopify-shop-domain",
        "x-shopify-api-version",
        "x-shopify-triggered-at",
    ],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the app's client secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Shopify;

impl Opener for Shopify {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, _) = generic::object(arrival)?;
        let event = field::optional(arrival.request.headers, EVENT);
        let draft = generic::draft(arrival, &FACTS, Kind::Event, event, raw);
        generic::deliver(arrival, draft, generic::unsigned("event", arrival, DELIVERY), None)
    }

    fn sample(&self) -> &'static str {
        r#"{"id":820982911946154508,"email":"ada@example.com","created_at":"2026-02-19T10:00:00+00:00","total_price":"403.00","currency":"EUR","line_items":[{"id":866550311766439020,"title":"Gate","quantity":1}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        Ok(signed)
    }
}
