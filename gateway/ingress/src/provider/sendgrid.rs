//! SendGrid's event webhook: ECDSA P-256 over the timestamp and the raw body, which is a list of events (sendgrid.com, "Signed event webhook").

use super::{Arrival, Facts, KeyError, Opener, POST, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    clock, field,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::{
    ecdsa::{DerSignature, SigningKey, VerifyingKey, signature::Signer as _},
    pkcs8::DecodePublicKey as _,
};
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Retried for a day; twice that for clocks.
    horizon: Duration::from_secs(48 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(10),
    scheme_headers: &[SIGNATURE, TIMESTAMP],
    shown_headers: &["content-type", "user-agent", TIMESTAMP],
    batches: true,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the webhook's public key: base64, as SendGrid shows it",
    verify: None,
};

/// See the module's page.
pub(super) struct Sendgrid;

impl Opener for Sendgrid {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, TIMESTAMP, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        // Ten digits: nothing else keeps the time and the body apart.
        clock::within(clock::seconds(timestamp)?, now, clock::WINDOW)?;
        let der = STANDARD
            .decode(signature)
            .map_err(|_| Refusal::new(Reason::BadSignature, "the signature is not base64"))?;
        let message = [timestamp.as_bytes(), request.body].concat();
        mac::any_live_key(keys, now, |key| public(key).is_ok_and(|public| mac::p256(&public, &message, &der)))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let raw = generic::valid(arrival)?;
        let draft = generic::draft(arrival, &FACTS, Kind::Event, None, raw);
        generic::deliver(arrival, draft, None, None)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        public(key).map(|_| None)
    }
    fn sample(&self) -> &'static str {
        r#"[{"email":"ada@example.com","timestamp":1771495200,"smtp-id":"<14c5d75ce93.dfd.64b469@ismtpd-555>","event":"delivered","sg_event_id":"ZGVsaXZlcmVkLTAtMTAwMDAwMDA","sg_message_id":"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"}]"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let _ = fresh_id; // each event has its own
        let wrong = || SignError("the key that signs is a private one: 64 hexadecimal digits of a P-256 scalar".to_owned());
        let scalar: [u8; 32] = std::str::from_utf8(key.expose()).ok().and_then(mac::hex).ok_or_else(wrong)?;
        let private = SigningKey::from_slice(&scalar).map_err(|_| wrong())?;
        let timestamp = now.0.to_string();
        let signature: DerSignature = private.sign(&[timestamp.as_bytes(), payload].concat());
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        signed.set(TIMESTAMP, &timestamp)?;
        signed.set(SIGNATURE, &STANDARD.encode(signature.as_bytes()))?;
        Ok(signed)
    }
}

/// Reads the public key: base64 of SPKI DER.
fn public(key: &Key) -> Result<VerifyingKey, KeyError> {
    let der = STANDARD.decode(key.expose().trim_ascii()).ok();
    der.and_then(|der| VerifyingKey::from_public_key_der(&der).ok())
        .ok_or(KeyError("the key is not the base64 of a P-256 public key"))
}
