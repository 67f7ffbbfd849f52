//! Shopify: `X-Shopify-Hmac-SHA256`, base64, over the raw body (shopify.dev, "Verify deliveries").
//!
//! Topic, shop, ids and time are headers that nothing signs. Whose it is is read from the body alone; topic and shop are shown in `metadata` and
//! nowhere else, and a topic that does not fit the body is shown only as the header that it is. `X-Shopify-Webhook-Id` is the same in every retry
//! and so is the id; `X-Shopify-Event-Id` is not, because all that one action set off has it: an order's creation and its payment.

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    entity, field,
    json::{self, Object},
    mac::Proof,
    moment,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use serde_json::Value;
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const EVENT: &str = "x-shopify-topic";
const DELIVERY: &str = "x-shopify-webhook-id";
const ACTION: &str = "x-shopify-event-id";

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
    scheme_headers: &["x-shopify-hmac-sha256", EVENT, DELIVERY, ACTION, "x-shopify-shop-domain"],
    shown_headers: &[
        "content-type",
        "user-agent",
        EVENT,
        DELIVERY,
        ACTION,
        "x-shopify-test",
        "x-shopify-sub-topic",
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
        let (raw, body) = generic::object(arrival)?;
        let mut draft = generic::draft(arrival, &FACTS, Kind::Event, None, raw);
        let topic = field::optional(arrival.request.headers, EVENT);
        draft.metadata.event = topic.filter(|topic| fits(topic, &body)).map(str::to_owned);
        draft.metadata.event_mismatch = topic.is_some() && draft.metadata.event.is_none();
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        draft.text = owned(body.text("note")).filter(|text| !text.is_empty());
        draft.entities.urls = draft.text.as_deref().map(entity::urls).unwrap_or_default();
        draft.locale = owned(body.text("customer_locale")).filter(|locale| !locale.is_empty());
        let times = ["updated_at", "processed_at", "created_at"].map(|name| body.text(name));
        if let Some(at) = times.into_iter().flatten().find_map(|text| moment::rfc3339(&text)) {
            draft.timestamp = at;
        }
        let resource = resource(&body);
        for (name, value) in [
            ("type", resource),
            ("id", owned(body.id("id"))),
            ("shop_id", owned(body.id("shop_id"))),
        ] {
            draft.channel_data.insert(name.to_owned(), value.map_or(Value::Null, Value::from));
        }
        // Few bodies say whose they are.
        let shop = owned(body.text("shop_domain").or_else(|| body.text("myshopify_domain"))).filter(|shop| !shop.is_empty());
        generic::deliver(arrival, draft, generic::unsigned("delivery", arrival, DELIVERY), shop)
    }

    fn sample(&self) -> &'static str {
        r#"{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508","email":"ada@example.com","created_at":"2026-02-19T10:00:00+00:00","total_price":"403.00","currency":"EUR","line_items":[{"id":866550311766439020,"title":"Gate","quantity":1}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        let body = json::valid(payload).ok().and_then(Object::read).unwrap_or_default();
        if let Some((topic, _)) = MANDATORY.iter().find(|(topic, _)| fits(topic, &body)) {
            signed.set(EVENT, topic)?;
        } else if resource(&body).as_deref() == Some("Order") {
            signed.set(EVENT, "orders/create")?;
        }
        Ok(signed)
    }
}

/// The topics that every app must take, and the members that each has and the ones before it have not.
const MANDATORY: [(&str, &[&str]); 3] = [
    ("customers/data_request", &["shop_id", "shop_domain", "data_request"]),
    ("customers/redact", &["shop_id", "shop_domain", "customer"]),
    ("shop/redact", &["shop_id", "shop_domain"]),
];

/// What a body is, by its own global id: `gid://shopify/Order/…`.
fn resource(body: &Object<'_>) -> Option<String> {
    let id = body.text("admin_graphql_api_id")?;
    let (kind, _) = id.strip_prefix("gid://shopify/")?.split_once('/')?;
    Some(kind.to_owned())
}

/// Whether a body may be of a topic. Only what a body tells of itself can say no.
fn fits(topic: &str, body: &Object<'_>) -> bool {
    let all = |members: &[&str]| members.iter().all(|member| body.has(member));
    let told = MANDATORY
        .iter()
        .find(|(_, members)| all(members))
        .filter(|_| !body.has("admin_graphql_api_id"));
    if told.is_some() || MANDATORY.iter().any(|(mandatory, _)| *mandatory == topic) {
        return told.is_some_and(|(told, _)| *told == topic);
    }
    const RESOURCES: [(&str, &str); 9] = [
        ("orders", "Order"),
        ("draft_orders", "DraftOrder"),
        ("products", "Product"),
        ("customers", "Customer"),
        ("collections", "Collection"),
        ("refunds", "Refund"),
        ("fulfillments", "Fulfillment"),
        ("inventory_items", "InventoryItem"),
        ("locations", "Location"),
    ];
    let known = topic
        .split_once('/')
        .and_then(|(family, _)| RESOURCES.iter().find(|(name, _)| *name == family));
    match (known, resource(body)) {
        (Some((_, expected)), Some(found)) => *expected == found,
        _ => true,
    }
}
