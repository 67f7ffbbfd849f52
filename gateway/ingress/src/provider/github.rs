//! GitHub: `X-Hub-Signature-256` over the raw body (docs.github.com, "Validating webhook deliveries").
//!
//! Nothing signed has a clock, and neither the event's name nor the delivery's id is signed: the body's mark counts beside the id's, and `ping` is
//! believed only of a body that is one.

use super::{Arrival, Facts, Opener, POST, generic, shown_headers};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified,
    activity::{Draft, Entities, Kind, Metadata, ProviderIds},
    clock, field,
    form::Form,
    json::{self, Object},
    mac::{self, Proof},
    open::Answer,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
    verified::EventId,
};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
const PREFIX: &str = "sha256=";

static FACTS: Facts = Facts {
    methods: &POST,
    // GitHub's own cap; a larger payload is not sent.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people redeliver for three days, under the same id. One more for clocks and time zones.
    horizon: Duration::from_secs(4 * 24 * 3600),
    window: None,
    deadline: Duration::from_secs(10),
    scheme_headers: &[SIGNATURE, EVENT, DELIVERY],
    shown_headers: &[
        "content-type",
        "user-agent",
        DELIVERY,
        EVENT,
        "x-github-hook-id",
        "x-github-hook-installation-target-id",
        "x-github-hook-installation-target-type",
    ],
    options: &[RAW, SAME_BODY],
    batches: false,
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Github;

impl Opener for Github {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let given = mac::prefixed_hex(signature, PREFIX)?;
        mac::any_live_key(keys, now, |key| {
            mac::same(mac::hmac_sha256(key.expose(), &[request.body]).as_ref(), &given)
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let text = payload(arrival.request.body)?;
        let raw = json::valid(text.as_bytes()).map_err(|error| Refusal::unparsable(format!("the payload is not JSON: {error}")))?;
        let body = Object::read(raw).ok_or_else(|| Refusal::unparsable("the payload is no JSON object"))?;
        let event = field::optional(arrival.request.headers, EVENT);
        if event == Some("ping") && is_ping(&body) {
            return Ok(Opened::Handshake(Answer::empty()));
        }
        delivery(arrival, raw, &body, event).map(generic::one)
    }

    fn sample(&self) -> &'static str {
        r#"{"action":"opened","issue":{"id":2444,"number":7,"title":"The gate creaks","user":{"login":"octo","id":583231}},"repository":{"id":1296269,"full_name":"acme/gate","owner":{"login":"acme","id":9919}},"sender":{"login":"octo","id":583231}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(
            payload.to_vec(),
            if payload.starts_with(b"payload=") { sign::FORM } else { sign::JSON },
        );
        let mac = mac::hmac_sha256(key.expose(), &[payload]).ok_or_else(SignError::key)?;
        signed.set(SIGNATURE, &format!("{PREFIX}{}", HEXLOWER.encode(&mac)))?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| guid(payload), str::to_owned))?;
        if let Some(event) = guessed_event(payload) {
            signed.set(EVENT, event)?;
        }
        Ok(signed)
    }
}

/// The JSON, which a form carries in its field `payload`. The body decides, not the unsigned `Content-Type`.
fn payload(body: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    if body.starts_with(b"payload=") {
        let form = Form::read(body).ok_or_else(|| Refusal::unparsable("the form is not UTF-8"))?;
        return form
            .get("payload")
            .map(|text| Cow::Owned(text.to_owned()))
            .ok_or_else(|| Refusal::unparsable("the form has no payload"));
    }
    std::str::from_utf8(body)
        .map(Cow::Borrowed)
        .map_err(|_| Refusal::unparsable("the payload is not UTF-8"))
}

/// A ping's body, whatever the header says.
fn is_ping(body: &Object<'_>) -> bool {
    body.has("zen") && body.has("hook_id")
}

fn delivery(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>, event: Option<&str>) -> Result<Verified, Refusal> {
    let id_in = |member: &str| body.object(member).and_then(|object| object.id("id").map(Cow::into_owned));
    let repository = body.object("repository").unwrap_or_default();
    let organization = id_in("organization");
    let owner = repository.object("owner").and_then(|owner| owner.id("id").map(Cow::into_owned));
    let delivery = field::optional(arrival.request.headers, DELIVERY);
    let action = body.text("action");
    let channel_data = Map::from_iter([
        ("type".to_owned(), event.map_or(Value::Null, Value::from)),
        ("action".to_owned(), action.as_deref().map_or(Value::Null, Value::from)),
    ]);
    let draft = Draft {
        ids: ProviderIds {
            workspace_id: organization.clone().or_else(|| owner.clone()),
            channel_id: repository.id("id").map(Cow::into_owned),
            user_id: id_in("sender"),
            event_id: delivery.map(str::to_owned),
            ..ProviderIds::default()
        },
        // Not a conversation: every event is a session of its own (DESIGN section 2).
        anchor: delivery.map_or_else(|| HEXLOWER.encode(&Sha256::digest(arrival.request.body)), str::to_owned),
        user: None,
        timestamp: clock::rfc3339(arrival.now).unwrap_or_default(),
        locale: None,
        text: None,
        attachments: Vec::new(),
        buttons: Vec::new(),
        entities: Entities::default(),
        metadata: Metadata {
            raw_headers: shown_headers(arrival.request.headers, &FACTS),
            ip: None,
            kind: Kind::Event,
            event: event.map(str::to_owned),
            bot: body.object("sender").and_then(|sender| sender.text("type")).as_deref() == Some("Bot"),
        },
        channel_data,
        raw: Arc::from(raw.to_owned()),
    };
    let account = id_in("installation").or(organization).or(owner);
    let id = delivery.map(|text| EventId {
        kind: "delivery",
        text: text.to_owned(),
        signed: false,
    });
    Verified::new(arrival, draft, id, account, arrival.request.body.clone())
}

/// The same body always gets the same id, so that sending a recording again is a redelivery.
fn guid(body: &[u8]) -> String {
    let hex = HEXLOWER.encode(&Sha256::digest(body));
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..32)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("-")
}

/// The event that a payload's members tell; none where several have the same ones.
fn guessed_event(payload: &[u8]) -> Option<&'static str> {
    let text = self::payload(payload).ok()?;
    let body = json::valid(text.as_bytes()).ok().and_then(Object::read)?;
    const TELLING: [(&str, &[&str]); 9] = [
        ("ping", &["zen", "hook_id"]),
        ("issue_comment", &["issue", "comment"]),
        ("pull_request_review", &["pull_request", "review"]),
        ("pull_request_review_comment", &["pull_request", "comment"]),
        ("pull_request", &["pull_request"]),
        ("issues", &["issue"]),
        ("push", &["ref", "commits", "pusher"]),
        ("release", &["release"]),
        ("workflow_run", &["workflow_run"]),
    ];
    TELLING
        .iter()
        .find(|(_, members)| members.iter().all(|member| body.has(member)))
        .map(|(event, _)| *event)
}
