//! Stripe: `t=` and `v1=` over `{t}.{raw body}` (docs.stripe.com, "Verify webhook signatures").
//!
//! Time and id are signed, so the id alone is the dedupe mark: a retry has a new time and signature, and the same id.
//!
//! A live endpoint for connected accounts gets their test events too. With `livemode`, events of the other mode are answered 200 and not run:
//! a refusal would be retried for days, and would end with Stripe turning the endpoint off.

use super::{Arrival, Facts, KeyError, Opener, POST, generic};
use crate::{
    DropReason, Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    clock, field,
    json::{self, Object},
    mac::{self, Proof},
    moment,
    scheme::{OptionKind, OptionSpec, RAW, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const SIGNATURE: &str = "stripe-signature";

/// Which of Stripe's two modes the endpoint is for.
const LIVEMODE: OptionSpec = OptionSpec {
    key: "livemode",
    kind: OptionKind::Flag,
    required: false,
    what: "only events of this mode run, those of the other are answered 200; where nothing stands, both run",
};

/// While a secret is rolled over, two of them sign.
const MAX_SIGNATURES: usize = 16;

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Retried for three days, and one more for clocks.
    horizon: Duration::from_secs(96 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(10),
    scheme_headers: &[SIGNATURE],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    // The id is always signed, so `same_body` would do nothing.
    options: &[RAW, LIVEMODE],
    same_body: SameBody::Run,
    key: "the endpoint's secret (`whsec_…`), as text, with its prefix",
    verify: None,
};

/// See the module's page.
pub(super) struct Stripe;

impl Opener for Stripe {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let header = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let given = Given::read(header)?;
        clock::within(clock::seconds(given.timestamp)?, now, clock::WINDOW)?;
        mac::any_live_key(keys, now, |key| {
            let expected = mac::hmac_sha256(key.expose(), &[given.timestamp.as_bytes(), b".", request.body]);
            given
                .v1
                .iter()
                .fold(false, |fits, signature| mac::same(expected.as_ref(), signature) | fits)
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        // Stripe signs nothing but events; anything else under its key is an object of its API, pasted by hand.
        let object = body.text("object");
        if !matches!(object.as_deref(), Some("event" | "v2.core.event")) {
            return Err(Refusal::unparsable("`object` is no event"));
        }
        let id = body.text("id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Refusal::unparsable("the event has no id"))?;
        let livemode = body
            .raw("livemode")
            .and_then(|value| serde_json::from_str::<bool>(value.get()).ok());
        if let Some(wanted) = arrival.scheme.given_flag(LIVEMODE.key) {
            let found = livemode.ok_or_else(|| Refusal::unparsable("the event does not say its `livemode`"))?;
            if found != wanted {
                return Ok(generic::dropped(DropReason::OtherMode, generic::signed("event", Some(id)).as_ref()));
            }
        }
        // A connected account's; of the newer, thin events it is the context.
        let account = body.id("account").or_else(|| body.id("context")).map(Cow::into_owned);
        let mut draft = generic::draft(arrival, &FACTS, Kind::Event, body.text("type").as_deref(), raw);
        if let Some(timestamp) = created(&body) {
            draft.timestamp = timestamp;
        }
        draft.locale = locale(&body);
        draft.channel_data.extend(about(&body));
        draft
            .channel_data
            .insert("livemode".to_owned(), livemode.map_or(Value::Null, Value::from));
        generic::deliver(arrival, draft, generic::signed("event", Some(id)), account)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        let text = key.expose();
        // A key of the API signs no webhook, and has no business at the gate.
        if [&b"sk_"[..], b"rk_", b"pk_"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err(KeyError("an API key, not the endpoint's signing secret (`whsec_…`)"));
        }
        if text.starts_with(b"whsec_") {
            return Ok(None);
        }
        Ok(Some(
            "Stripe's signing secrets begin with `whsec_`, and the prefix is a part of the key",
        ))
    }

    fn sample(&self) -> &'static str {
        r#"{"id":"evt_1MqqbKLt4dXK03v5qaIbiNCC","object":"event","api_version":"2025-01-27","created":1771495200,"type":"customer.created","livemode":false,"data":{"object":{"id":"cus_NffrFeUfNV2Hib","object":"customer","email":"ada@example.com"}}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(generic::with_id(payload, "id", fresh_id)?, sign::JSON);
        let timestamp = now.0.to_string();
        let mac = mac::hmac_sha256(key.expose(), &[timestamp.as_bytes(), b".", &signed.body]).ok_or_else(SignError::key)?;
        signed.set(SIGNATURE, &format!("t={timestamp},v1={}", HEXLOWER.encode(&mac)))?;
        Ok(signed)
    }
}

/// When it happened: seconds, or a text in the newer events.
fn created(body: &Object<'_>) -> Option<String> {
    match body.integer("created") {
        Some(seconds) => clock::rfc3339(UnixTime(seconds)),
        None => moment::rfc3339(&body.text("created")?),
    }
}

/// The language of a payment page, else the first that its customer prefers.
fn locale(body: &Object<'_>) -> Option<String> {
    let object = body.object("data")?.object("object")?;
    let preferred = || object.list("preferred_locales").into_iter().find_map(json::text);
    let locale = object.text("locale").or_else(preferred)?;
    // A page in the visitor's own language says no more than that.
    (!matches!(&*locale, "" | "auto")).then(|| locale.into_owned())
}

/// The object that the event is about, whole or thin, and whose request made it.
fn about(body: &Object<'_>) -> Map<String, Value> {
    let object = body.object("data").and_then(|data| data.object("object"));
    let thin = body.object("related_object");
    let object = object.or(thin).unwrap_or_default();
    let value = |text: Option<Cow<'_, str>>| text.map_or(Value::Null, |text| Value::from(text.into_owned()));
    let request = body.raw("request");
    let request = request.and_then(|request| Object::read(request).map_or_else(|| json::id(request), |object| object.id("id")));
    Map::from_iter([
        ("object".to_owned(), value(object.text("object").or_else(|| object.text("type")))),
        ("object_id".to_owned(), value(object.id("id"))),
        ("api_version".to_owned(), value(body.text("api_version"))),
        ("request".to_owned(), value(request)),
    ])
}

/// What a header says: its one time, and its signatures of version 1.
struct Given<'a> {
    timestamp: &'a str,
    v1: Vec<[u8; 32]>,
}

impl<'a> Given<'a> {
    /// Reads `t=…,v1=…,v1=…,v0=…`. Other versions are passed over: `v0` is of a test scheme, and no step down.
    fn read(text: &'a str) -> Result<Self, Refusal> {
        let bad = |detail: &str| Refusal::new(Reason::BadSignature, detail);
        let (mut timestamp, mut v1) = (None, Vec::new());
        for (index, part) in text.split(',').enumerate() {
            if index == MAX_SIGNATURES {
                return Err(bad("more than 16 parts"));
            }
            match part.split_once('=') {
                Some(("t", _)) if timestamp.is_some() => return Err(bad("two timestamps")),
                Some(("t", text)) => timestamp = Some(text),
                Some(("v1", digits)) => v1.extend(mac::hex(digits)),
                _ => {}
            }
        }
        if v1.is_empty() {
            return Err(bad("no well-formed v1 signature"));
        }
        let timestamp = timestamp.ok_or_else(|| Refusal::new(Reason::MissingTimestamp, "no `t` in the signature"))?;
        Ok(Self { timestamp, v1 })
    }
}
