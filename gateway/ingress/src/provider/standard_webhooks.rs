//! Standard Webhooks 1.0: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `{id}.{timestamp}.{body}`, under `webhook-*` or Svix's `svix-*` headers.
//!
//! Id and time are signed, so the id alone is the dedupe mark. OpenAI, Anthropic and others send this.

use super::{Arrival, Facts, KeyError, Opener, POST, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified,
    activity::Kind,
    clock, field,
    json::Object,
    mac::{self, Proof},
    scheme::{RAW, SameBody},
    sign::{self, SignError, Signed},
    verified::EventId,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tollgate_config::ByteSize;
use zeroize::Zeroizing;

/// Id, timestamp and signature, under each of the two names.
const WEBHOOK: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

/// A sender that rotates keys signs with two or three. A bound, because each `v1a` one costs an Ed25519 check.
const MAX_SIGNATURES: usize = 16;

/// A shorter HMAC key is taken, with a warning: the specification demands 24 to 64 bytes.
const MIN_KEY_LEN: usize = 24;

/// Secrets are often copied without their padding; the reference library takes them.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

static FACTS: Facts = Facts {
    methods: &POST,
    // The specification advises under 20 kB; some senders put files in.
    body_limit: ByteSize::mib(1),
    // The advised schedule ends after about 75 hours.
    horizon: Duration::from_secs(4 * 24 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(15),
    scheme_headers: &[
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "svix-id",
        "svix-timestamp",
        "svix-signature",
    ],
    shown_headers: &[
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "svix-id",
        "svix-timestamp",
    ],
    // The id is always signed, so `same_body` would do nothing.
    options: &[RAW],
    batches: false,
    same_body: SameBody::Run,
    key: "`whsec_` and base64 (HMAC-SHA256; the prefix may be left out), or `whpk_` and base64 (an Ed25519 public key)",
    verify: None,
};

/// See the module's page.
pub(super) struct StandardWebhooks;

/// A key by its kind.
enum Opens {
    Hmac(Zeroizing<Vec<u8>>),
    Ed25519(VerifyingKey),
}

impl Opener for StandardWebhooks {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let [id, timestamp, signature] = scheme_headers(request.headers)?;
        let signatures = field::required(request.headers, signature, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, timestamp, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        let id = field::required(request.headers, id, Reason::BadId, Reason::BadId)?;
        // The parts of the signed text have no other boundary than the dot.
        if id.is_empty() || id.len() > field::MAX_ID_LEN || id.contains('.') || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::new(Reason::BadId, "the id is empty, too long, or holds a dot or a blank"));
        }
        clock::within(clock::seconds(timestamp)?, now, clock::WINDOW)?;
        let given = Given::read(signatures)?;
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", request.body];
        mac::any_live_key(keys, now, |key| match opens(key) {
            Ok(Opens::Hmac(secret)) => {
                let expected = mac::hmac_sha256(&secret, &parts);
                given
                    .v1
                    .iter()
                    .fold(false, |fits, signature| mac::same(expected.as_ref(), signature) | fits)
            }
            Ok(Opens::Ed25519(public)) if !given.v1a.is_empty() => {
                let message = parts.concat();
                given.v1a.iter().any(|signature| mac::ed25519(&public, &message, signature))
            }
            Ok(Opens::Ed25519(_)) | Err(_) => false,
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let headers = arrival.request.headers;
        let [id, timestamp, _] = scheme_headers(headers)?;
        let id = field::required(headers, id, Reason::BadId, Reason::BadId)?;
        let at = clock::seconds(field::required(headers, timestamp, Reason::MissingTimestamp, Reason::BadTimestamp)?)?;
        let raw = generic::anything(arrival)?;
        let event = Object::read(&raw).and_then(|body| body.text("type").map(|name| name.into_owned()));
        let mut draft = generic::draft_of(arrival, &FACTS, Kind::Event, event.as_deref(), raw);
        draft.ids.event_id = Some(id.to_owned());
        // Not a conversation: every event is a session of its own.
        id.clone_into(&mut draft.anchor);
        draft.timestamp = clock::rfc3339(at).unwrap_or_default();
        let id = EventId {
            kind: "webhook-id",
            text: id.to_owned(),
            signed: true,
        };
        Verified::new(arrival, draft, Some(id), None, arrival.request.body.clone()).map(generic::one)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        match opens(key)? {
            Opens::Hmac(secret) if secret.len() < MIN_KEY_LEN => {
                Ok(Some("the secret is shorter than the 24 bytes that Standard Webhooks demands"))
            }
            _ => Ok(None),
        }
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"contact.created","timestamp":"2026-02-19T10:00:00Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485","email":"ada@example.com"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let derived = || format!("msg_{}", HEXLOWER.encode(&Sha256::digest(payload)).get(..24).unwrap_or_default());
        let id = fresh_id.map_or_else(derived, str::to_owned);
        let timestamp = now.0.to_string();
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", payload];
        let signature = match private(key)? {
            Some(private) => format!("v1a,{}", STANDARD.encode(private.sign(&parts.concat()).to_bytes())),
            None => match opens(key).map_err(|error| SignError(error.to_string()))? {
                Opens::Hmac(secret) => format!(
                    "v1,{}",
                    STANDARD.encode(mac::hmac_sha256(&secret, &parts).ok_or_else(SignError::key)?)
                ),
                Opens::Ed25519(_) => {
                    return Err(SignError(
                        "a public key (`whpk_`) cannot sign: give the private one (`whsk_`)".to_owned(),
                    ));
                }
            },
        };
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        for (name, value) in WEBHOOK.into_iter().zip([&id, &timestamp, &signature]) {
            signed.set(name, value)?;
        }
        Ok(signed)
    }
}

/// Which of the two names counts. Both may stand there only when they say the same.
fn scheme_headers(headers: &HeaderMap) -> Result<[&'static str; 3], Refusal> {
    let has = |names: [&str; 3]| names.iter().any(|name| headers.contains_key(*name));
    if !has(SVIX) {
        return Ok(WEBHOOK);
    }
    if !has(WEBHOOK) {
        return Ok(SVIX);
    }
    if WEBHOOK
        .iter()
        .zip(SVIX)
        .any(|(ours, theirs)| headers.get(*ours) != headers.get(theirs))
    {
        return Err(Refusal::new(Reason::DuplicateHeader, "webhook-* and svix-* headers differ"));
    }
    Ok(WEBHOOK)
}

/// The signatures of a header, by version.
struct Given {
    v1: Vec<[u8; 32]>,
    v1a: Vec<[u8; 64]>,
}

impl Given {
    /// Reads `v1,<base64> v1a,<base64> …`. Versions that we do not know are passed over, as the specification says, and so is what is not the one
    /// canonical base64 of its bytes.
    fn read(text: &str) -> Result<Self, Refusal> {
        let bad = |detail: &str| Refusal::new(Reason::BadSignature, detail);
        let mut given = Self {
            v1: Vec::new(),
            v1a: Vec::new(),
        };
        for (index, part) in text.split(' ').filter(|part| !part.is_empty()).enumerate() {
            if index == MAX_SIGNATURES {
                return Err(bad("more than 16 signatures"));
            }
            let decoded = |text: &str| STANDARD.decode(text).ok();
            match part.split_once(',') {
                Some(("v1", text)) => given.v1.extend(decoded(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())),
                Some(("v1a", text)) => given.v1a.extend(decoded(text).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())),
                _ => {}
            }
        }
        if given.v1.is_empty() && given.v1a.is_empty() {
            return Err(bad("no well-formed v1 or v1a signature"));
        }
        Ok(given)
    }
}

/// Reads a verification key.
fn opens(key: &Key) -> Result<Opens, KeyError> {
    let text = key.expose().trim_ascii();
    if text.starts_with(b"whsk_") {
        return Err(KeyError(
            "a private key (`whsk_`) has no place at the gate: give the public one (`whpk_`)",
        ));
    }
    if let Some(public) = text.strip_prefix(b"whpk_") {
        let wrong = KeyError("`whpk_` is not followed by the base64 of an Ed25519 public key");
        let bytes: [u8; 32] = KEY_BASE64
            .decode(public)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(wrong)?;
        let public = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong)?;
        // A key of small order fits signatures that nobody made.
        return if public.is_weak() { Err(wrong) } else { Ok(Opens::Ed25519(public)) };
    }
    let secret = KEY_BASE64
        .decode(text.strip_prefix(b"whsec_").unwrap_or(text))
        .map(Zeroizing::new)
        .map_err(|_| KeyError("the secret is not base64"))?;
    if secret.is_empty() {
        return Err(KeyError("the secret is empty"));
    }
    Ok(Opens::Hmac(secret))
}

/// Reads a signing key: a seed of 32 bytes, or seed and public key.
fn private(key: &Key) -> Result<Option<SigningKey>, SignError> {
    let Some(text) = key.expose().trim_ascii().strip_prefix(b"whsk_") else {
        return Ok(None);
    };
    let bytes = KEY_BASE64.decode(text).map(Zeroizing::new).ok();
    let seed = bytes
        .as_ref()
        .filter(|bytes| matches!(bytes.len(), 32 | 64))
        .and_then(|bytes| bytes.first_chunk::<32>());
    seed.map(|seed| Some(SigningKey::from_bytes(seed)))
        .ok_or_else(|| SignError("`whsk_` is not followed by the base64 of an Ed25519 key".to_owned()))
}
