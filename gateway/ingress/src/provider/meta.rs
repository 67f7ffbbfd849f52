//! What WhatsApp, Messenger and Instagram share: `X-Hub-Signature-256` over the raw body, the challenge by GET, and bodies of entries
//! (developers.facebook.com, "Webhooks: getting started").

pub(super) mod messaging;

use super::{
    Arrival, Facts, GET_AND_POST, batch,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Answer, Key, Keys, Reason, Refusal, Request, UnixTime, clock,
    form::Form,
    json::Object,
    mac,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
    verified::EventId,
};
use http::Method;
use serde_json::value::RawValue;
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-hub-signature-256";

/// Over the bytes as they came: Meta escapes what is not ASCII, and signs that. The older `X-Hub-Signature` (SHA-1) never counts.
pub(super) static MAC: BodyMac = BodyMac {
    headers: &[SIGNATURE],
    prefix: "sha256=",
    encoding: Encoding::Hex,
};

/// What is fixed about each of the three, but how long it retries and how long it waits.
pub(super) const fn facts(horizon: Duration, deadline: Duration) -> Facts {
    Facts {
        methods: &GET_AND_POST,
        // Meta batches up to about this.
        body_limit: ByteSize::mib(3),
        horizon,
        window: None,
        deadline,
        scheme_headers: &[SIGNATURE],
        shown_headers: &["content-type", "user-agent"],
        batches: true,
        options: &[RAW, SAME_BODY],
        same_body: SameBody::Run,
        key: "the app secret, as text",
        verify: Some("the verify token of the app's webhook, as text"),
    }
}

/// Longest challenge that is sent back; Meta's have about ten digits.
const MAX_CHALLENGE: usize = 256;

/// Answers `GET ?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…`. Any GET is a challenge or refused: nothing signs one.
pub(super) fn handshake(request: &Request<'_>, keys: &Keys) -> Option<Result<Answer, Refusal>> {
    (request.method == Method::GET).then(|| challenge(request, keys))
}

fn challenge(request: &Request<'_>, keys: &Keys) -> Result<Answer, Refusal> {
    let wrong = |detail: &str| Refusal::new(Reason::BadHandshake, detail);
    let expected = keys.verify.as_ref().ok_or_else(|| wrong("the endpoint has no `secrets.verify`"))?;
    let (_, query) = request.path_and_query.split_once('?').unwrap_or_default();
    let query = Form::read(query.as_bytes()).ok_or_else(|| wrong("the query is not UTF-8, or has too many fields"))?;
    // Two of one name: nobody knows which one is meant.
    let only = |name: &str| {
        let mut all = query.pairs().filter(|(field, _)| *field == name).map(|(_, value)| value);
        all.next().filter(|_| all.next().is_none()).unwrap_or_default()
    };
    if only("hub.mode") != "subscribe" {
        return Err(wrong("hub.mode is not subscribe"));
    }
    if !mac::same_token(expected.expose(), only("hub.verify_token").as_bytes()) {
        return Err(wrong("hub.verify_token is not the endpoint's"));
    }
    let challenge = only("hub.challenge");
    // What is sent back must never be markup.
    if challenge.is_empty() || challenge.len() > MAX_CHALLENGE || !challenge.bytes().all(super::is_plain) {
        return Err(wrong("hub.challenge is not 1 to 256 letters, digits, `_` or `-`"));
    }
    Ok(Answer::text(challenge.to_owned()))
}

/// The entries of a body that is about this kind of object.
pub(super) fn entries<'a>(arrival: &Arrival<'a>, object: &str) -> Result<Vec<Object<'a>>, Refusal> {
    let (_, body) = generic::object(arrival)?;
    if body.text("object").as_deref() != Some(object) {
        return Err(Refusal::unparsable(format!("the body's `object` is not {object}")));
    }
    let entries = batch::objects(&body, "entry")?.into_iter().map(|(_, entry)| entry);
    entries.map(|entry| short(&entry, &["id", "time"]).map(|()| entry)).collect()
}

/// Bytes of one of the values that all events of an entry or a change repeat: a number, an account, a customer's contact. Real ones have at most a few
/// hundred, and each of thousands of events holds a copy.
pub(super) const MAX_SHARED: usize = 4096;

/// That these members of an object are no longer than what may be repeated.
pub(super) fn short(object: &Object<'_>, members: &[&str]) -> Result<(), Refusal> {
    let long = |member: &&&str| object.raw(member).is_some_and(|value| value.get().len() > MAX_SHARED);
    let found = members.iter().find(long);
    found.map_or(Ok(()), |member| {
        let detail = format!("`{member}`, which each event repeats, is longer than {MAX_SHARED} bytes");
        Err(Refusal::unparsable(detail))
    })
}

/// The id of an event that has none: made from its own bytes and what stands around them, so that a retry is the same event.
pub(super) fn made_id(item: &RawValue, around: &[Option<&str>]) -> EventId {
    let mut bytes = item.get().as_bytes().to_vec();
    for part in around {
        // No blank stands in these, and none ends a JSON text.
        bytes.push(b' ');
        bytes.extend_from_slice(part.unwrap_or_default().as_bytes());
    }
    EventId {
        kind: "item",
        text: generic::derived_id(&bytes),
        signed: true,
    }
}

/// From here on a number is milliseconds: as seconds it would be the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;

/// A member that is a time, in seconds or milliseconds, a number or its digits in a string, as an activity writes it.
pub(super) fn time(object: &Object<'_>, name: &str) -> Option<String> {
    let number: i64 = object.id(name)?.parse().ok()?;
    let seconds = if number >= MILLISECONDS { number / 1000 } else { number };
    clock::rfc3339(UnixTime(seconds)).filter(|_| number > 0)
}

/// Whether a member says yes.
pub(super) fn is(object: &Object<'_>, name: &str) -> bool {
    object.raw(name).is_some_and(|value| value.get() == "true")
}

/// Signs as Meta does.
pub(super) fn sign(
    payload: &[u8],
    key: &Key,
    fresh_id: Option<&str>,
    places: for<'a> fn(&Object<'a>) -> Vec<batch::Place<'a>>,
) -> Result<Signed, SignError> {
    let body = fresh_id.map_or_else(|| Ok(payload.to_vec()), |id| batch::with_ids(payload, id, places))?;
    let mut signed = Signed::new(body, sign::JSON);
    MAC.sign(&mut signed, key)?;
    Ok(signed)
}
