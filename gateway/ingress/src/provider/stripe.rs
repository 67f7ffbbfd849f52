//! Stripe: `t=` and `v1=` over `{t}.{raw body}` (docs.stripe.com, "Verify webhook signatures"). Time and id are signed.

use super::{Arrival, Facts, Opener, POST, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    clock, field,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "stripe-signature";

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
    options: &[RAW, SAME_BODY],
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
        let id = generic::signed("event", body.id("id"));
        let account = body.id("account").map(|id| id.into_owned());
        let draft = generic::draft(arrival, &FACTS, Kind::Event, body.text("type").as_deref(), raw);
        generic::deliver(arrival, draft, id, account)
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
