//! Slack: events, interactive payloads and slash commands, told apart by content, wherever they arrive
//! (docs.slack.dev, "Verifying requests from Slack").
//!
//! `X-Slack-Signature: v0=` over `v0:{timestamp}:{raw body}`. Ids are in the body and so are signed: they alone are the dedupe mark.

mod command;
mod content;
mod event;
mod interactive;
mod outgoing;

use super::{Arrival, Facts, Opener, POST, generic, shown_headers};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified,
    activity::{Kind, Metadata},
    clock, field,
    form::Form,
    json::{self, Object},
    mac::{self, Proof},
    open::Answer,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{SignError, Signed},
};
use serde_json::value::RawValue;
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";
const VERSION: &str = "v0";
const PREFIX: &str = "v0=";

/// Longest challenge that is sent back; Slack's have 52 characters.
const MAX_CHALLENGE: usize = 256;

static FACTS: Facts = Facts {
    methods: &POST,
    // Five times the largest payload that was ever seen (46 kB).
    body_limit: ByteSize::kib(256),
    // Three retries within minutes, and one more after 24 hours where Delayed Events are on.
    horizon: Duration::from_secs(48 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(3),
    scheme_headers: &[SIGNATURE, TIMESTAMP],
    shown_headers: &["content-type", "user-agent", TIMESTAMP, "x-slack-retry-num", "x-slack-retry-reason"],
    options: &[RAW, SAME_BODY],
    batches: false,
    same_body: SameBody::Run,
    key: "the app's signing secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Slack;

impl Opener for Slack {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let header = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, TIMESTAMP, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        clock::within(clock::seconds(timestamp)?, now, clock::WINDOW)?;
        let given = mac::prefixed_hex(header, PREFIX)?;
        mac::any_live_key(keys, now, |key| mac::same(signature(key, timestamp, request.body).as_ref(), &given))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        match Content::of(arrival.request.body)? {
            Content::Challenge(challenge) => Ok(Opened::Handshake(Answer::text(challenge))),
            Content::Probe => Ok(Opened::Handshake(Answer::empty())),
            Content::Event(raw) => event::read(arrival, raw),
            Content::Interactive(payload) => one(interactive::read(arrival, valid(payload.as_bytes())?)),
            Content::Command(form) => one(command::read(arrival, &form)),
        }
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"event_callback","team_id":"T024BE7LD","api_app_id":"A01EXAMPLE","event_id":"Ev01EXAMPLE","event_time":1771495200,"event":{"type":"message","channel":"C024BE91L","user":"U024BE7LH","text":"Is the gate open?","ts":"1771495200.000100"},"authorizations":[{"team_id":"T024BE7LD","user_id":"U01GATEBOT","is_bot":true}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        outgoing::sign(payload, key, now, fresh_id)
    }
}

fn signature(key: &Key, timestamp: &str, body: &[u8]) -> Option<[u8; 32]> {
    mac::hmac_sha256(key.expose(), &[VERSION.as_bytes(), b":", timestamp.as_bytes(), b":", body])
}

fn one(event: Result<Verified, Refusal>) -> Result<Opened, Refusal> {
    event.map(generic::one)
}

fn valid(text: &[u8]) -> Result<&RawValue, Refusal> {
    json::valid(text).map_err(|error| Refusal::unparsable(format!("the payload is not JSON: {error}")))
}

/// What a body is, by its content alone.
enum Content<'a> {
    /// Slack asks whether the address is ours: the challenge, safe to send back.
    Challenge(String),
    /// Slack checks the certificate.
    Probe,
    /// An event's envelope, or another envelope of the Events API.
    Event(&'a RawValue),
    /// An interactive payload: JSON, out of a form's field.
    Interactive(String),
    /// A slash command.
    Command(Form),
}

impl<'a> Content<'a> {
    fn of(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.trim_ascii().is_empty() {
            return Err(Refusal::unparsable("the body is empty"));
        }
        if body.trim_ascii_start().starts_with(b"{") {
            return Self::of_json(valid(body)?);
        }
        let form = Form::read(body).ok_or_else(|| Refusal::unparsable("the body is neither JSON nor a form"))?;
        if form.id("command").is_some() {
            Ok(Self::Command(form))
        } else if let Some(payload) = form.get("payload") {
            Ok(Self::Interactive(payload.to_owned()))
        } else if form.get("ssl_check") == Some("1") {
            Ok(Self::Probe)
        } else {
            Err(Refusal::unparsable("the form is neither a command, nor a payload, nor a probe"))
        }
    }

    fn of_json(raw: &'a RawValue) -> Result<Self, Refusal> {
        let envelope = Object::read(raw).ok_or_else(|| Refusal::unparsable("the body is no JSON object"))?;
        let kind = envelope.text("type").unwrap_or_default();
        if kind == "url_verification" {
            let challenge = envelope.text("challenge").unwrap_or_default();
            // What is sent back must never be markup or another provider's signed text.
            if challenge.is_empty()
                || challenge.len() > MAX_CHALLENGE
                || !challenge
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            {
                return Err(Refusal::unparsable("the challenge is not 1 to 256 letters, digits, `_` or `-`"));
            }
            return Ok(Self::Challenge(challenge.into_owned()));
        }
        if envelope.object("event").is_some() {
            return Ok(Self::Event(raw));
        }
        if interactive::is_type(&kind) {
            return Ok(Self::Interactive(raw.get().to_owned()));
        }
        if kind.is_empty() || kind == "event_callback" {
            return Err(Refusal::unparsable("the envelope has neither a type nor an event"));
        }
        Ok(Self::Event(raw))
    }
}

/// The time that Slack signed, which stands in for an event's own where it has none.
fn signed_at(arrival: &Arrival<'_>) -> UnixTime {
    field::optional(arrival.request.headers, TIMESTAMP)
        .and_then(|text| clock::seconds(text).ok())
        .unwrap_or(arrival.now)
}

fn metadata(arrival: &Arrival<'_>, kind: Kind, event: &str, bot: bool) -> Metadata {
    let event = Some(event).filter(|event| !event.is_empty()).map(str::to_owned);
    Metadata {
        raw_headers: shown_headers(arrival.request.headers, &FACTS),
        ip: None,
        kind,
        event,
        bot,
        event_mismatch: false,
        flow_id: None,
    }
}

/// Session anchor: the thread, else the channel, else the user, else the event itself. Never a message's own `ts`, or each would be a conversation.
fn anchor(arrival: &Arrival<'_>, candidates: [Option<&str>; 4]) -> String {
    let body = || {
        data_encoding::HEXLOWER.encode(&sha2::Digest::finalize(sha2::Digest::chain_update(
            sha2::Sha256::default(),
            arrival.request.body,
        )))
    };
    candidates.into_iter().flatten().next().map_or_else(body, str::to_owned)
}
