//! Discord: Ed25519 over the timestamp and the raw body, for interactions and webhook events (docs.discord.com, "Interactions overview").
//!
//! Both are told apart by content. Discord sends wrong signatures on purpose and drops an address that lets them in.

mod content;
mod event;
mod interaction;

use super::{Arrival, Facts, KeyError, Opener, POST, generic};
use crate::{
    Answer, Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, clock, field,
    json::Object,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-signature-ed25519";
const TIMESTAMP: &str = "x-signature-timestamp";

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // Events are retried for ten minutes, interactions never.
    horizon: Duration::from_secs(24 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(3),
    scheme_headers: &[SIGNATURE, TIMESTAMP],
    shown_headers: &["content-type", "user-agent", TIMESTAMP],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the application's public key: 64 hexadecimal digits",
    verify: None,
};

/// See the module's page.
pub(super) struct Discord;

impl Opener for Discord {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, TIMESTAMP, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        // Ten digits: nothing else keeps the time and the body apart.
        clock::within(clock::seconds(timestamp)?, now, clock::WINDOW)?;
        let given = mac::hex(signature)
            .ok_or_else(|| Refusal::new(Reason::BadSignature, "the signature is not 128 lower-case hexadecimal digits"))?;
        let message = [timestamp.as_bytes(), request.body].concat();
        mac::any_live_key(keys, now, |key| {
            public(key).is_ok_and(|public| mac::ed25519(&public, &message, &given))
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        // Nothing stands between the time and the body in what is signed: the body begins where an object does.
        if arrival.request.body.first() != Some(&b'{') {
            return Err(Refusal::unparsable("the body does not begin with `{`"));
        }
        match (body.integer("type"), body.raw("event")) {
            // An interaction's ping has a token; a webhook's has an application alone.
            (Some(1), None) => Ok(Opened::Handshake(Answer::json(r#"{"type":1}"#.to_owned()))),
            (Some(0), None) => Ok(Opened::Handshake(Answer::no_content())),
            (Some(1), Some(event)) => {
                let event = Object::read(event).ok_or_else(|| Refusal::unparsable("the event is no object"))?;
                event::read(arrival, raw, &body, &event)
            }
            (Some(kind), None) => interaction::read(arrival, raw, &body, kind),
            _ => Err(Refusal::unparsable("the body is neither an interaction nor a webhook event")),
        }
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        public(key).map(|_| None)
    }

    fn sample(&self) -> &'static str {
        r#"{"type":2,"id":"846462639134605312","application_id":"845027738276462632","token":"a_token_of_the_interaction","guild_id":"290926798626357999","channel_id":"645027906669510667","member":{"user":{"id":"53908232506183680","username":"ada"}},"data":{"id":"771825006014889984","name":"gate","type":1},"locale":"en-GB","version":1}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let wrong = || SignError("the key that signs is a private one: 64 hexadecimal digits of an Ed25519 seed".to_owned());
        let seed = std::str::from_utf8(key.expose()).ok().and_then(mac::hex).ok_or_else(wrong)?;
        let mut signed = Signed::new(generic::with_id(payload, "id", fresh_id)?, sign::JSON);
        let timestamp = now.0.to_string();
        let signature = SigningKey::from_bytes(&seed).sign(&[timestamp.as_bytes(), &signed.body].concat());
        signed.set(TIMESTAMP, &timestamp)?;
        signed.set(SIGNATURE, &HEXLOWER.encode(&signature.to_bytes()))?;
        Ok(signed)
    }
}

/// The time that Discord signed, where an event has none of its own.
fn signed_at(arrival: &Arrival<'_>) -> Option<String> {
    let text = field::optional(arrival.request.headers, TIMESTAMP)?;
    clock::rfc3339(clock::seconds(text).ok()?)
}

/// A command's name.
fn name_of(data: &Object<'_>) -> String {
    data.text("name").map(|name| name.into_owned()).unwrap_or_default()
}

/// Reads the application's public key.
fn public(key: &Key) -> Result<VerifyingKey, KeyError> {
    let wrong = KeyError("the key is not the 64 hexadecimal digits of an Ed25519 public key");
    let text = std::str::from_utf8(key.expose().trim_ascii())
        .map_err(|_| wrong)?
        .to_ascii_lowercase();
    let public = VerifyingKey::from_bytes(&mac::hex(&text).ok_or(wrong)?).map_err(|_| wrong)?;
    // A key of small order fits signatures that nobody made.
    if public.is_weak() { Err(wrong) } else { Ok(public) }
}
