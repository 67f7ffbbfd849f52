//! An event with what every provider has: kind, name, id, account, time and `raw`. Providers fill in what they know beside it.

use super::{Arrival, Facts, kept, plain, shown_headers};
use crate::{
    Deliveries, DropReason, Dropped, Opened, Refusal, Verified,
    activity::{Draft, Entities, Kind, Metadata, ProviderIds},
    clock, field,
    form::Form,
    json::{self, Object},
    session, sign,
    verified::EventId,
};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A draft with no more than its kind, its name and `raw`; its time is when it arrived.
pub(super) fn draft(arrival: &Arrival<'_>, facts: &Facts, kind: Kind, name: Option<&str>, raw: &RawValue) -> Draft {
    draft_of(arrival, facts, kind, name, Arc::from(raw.to_owned()))
}

/// The same, of a `raw` that is already its own.
pub(super) fn draft_of(arrival: &Arrival<'_>, facts: &Facts, kind: Kind, name: Option<&str>, raw: Arc<RawValue>) -> Draft {
    Draft {
        ids: ProviderIds::default(),
        // [`finished`] finds it.
        anchor: String::new(),
        user: None,
        timestamp: clock::rfc3339(arrival.now).unwrap_or_default(),
        locale: None,
        text: None,
        attachments: Vec::new(),
        buttons: Vec::new(),
        entities: Entities::default(),
        metadata: Metadata {
            raw_headers: shown_headers(arrival.request.headers, facts),
            ip: None,
            kind,
            event: name.map(str::to_owned),
            bot: false,
            event_mismatch: false,
            flow_id: None,
        },
        channel_data: Map::from_iter([("type".to_owned(), name.map_or(Value::Null, Value::from))]),
        raw,
    }
}

/// Completes a draft. Where it has no anchor, that is the first present of thread, conversation, channel and user for what people say, and the
/// event itself for anything else, so that each is a session of its own. `bytes` are the event's own: the body, or its item.
pub(super) fn finished(
    arrival: &Arrival<'_>,
    mut draft: Draft,
    id: Option<EventId>,
    account: Option<String>,
    bytes: Bytes,
) -> Result<Verified, Refusal> {
    let ids = &mut draft.ids;
    if ids.event_id.is_none() {
        ids.event_id = id.as_ref().map(|id| id.text.clone());
    }
    if ids.workspace_id.is_none() {
        ids.workspace_id.clone_from(&account);
    }
    if draft.anchor.is_empty() {
        let talk = [&ids.thread_id, &ids.conversation_id, &ids.channel_id, &ids.user_id];
        let talk = talk.into_iter().flatten().next().filter(|_| draft.metadata.kind != Kind::Event);
        let itself = || HEXLOWER.encode(&Sha256::digest(&bytes));
        draft.anchor = talk.or(ids.event_id.as_ref()).cloned().unwrap_or_else(itself);
    }
    Verified::new(arrival, draft, id, account, bytes)
}

/// One event, which is the whole body.
pub(super) fn deliver(arrival: &Arrival<'_>, draft: Draft, id: Option<EventId>, account: Option<String>) -> Result<Opened, Refusal> {
    finished(arrival, draft, id, account, arrival.request.body.clone()).map(one)
}

/// A request that was this one event.
pub(super) fn one(event: Verified) -> Opened {
    Opened::Deliveries(Deliveries::one(event))
}

/// A request that was one event, which shall not run.
pub(super) fn dropped(reason: DropReason, id: Option<&EventId>) -> Opened {
    Opened::Deliveries(Deliveries {
        events: Vec::new(),
        dropped: vec![Dropped {
            reason,
            event_id: id.map(|id| session::visible(&id.text)),
        }],
    })
}

/// An id that stands in the signed body.
pub(super) fn signed(kind: &'static str, text: Option<impl Into<String>>) -> Option<EventId> {
    text.map(|text| EventId {
        kind,
        text: text.into(),
        signed: true,
    })
}

/// An id that stands in a header, which nothing signs.
pub(super) fn unsigned(kind: &'static str, arrival: &Arrival<'_>, header: &str) -> Option<EventId> {
    field::optional(arrival.request.headers, header).map(|text| EventId {
        kind,
        text: text.to_owned(),
        signed: false,
    })
}

/// The body, which must be JSON.
pub(super) fn valid<'a>(arrival: &Arrival<'a>) -> Result<&'a RawValue, Refusal> {
    json::valid(arrival.request.body).map_err(|error| Refusal::unparsable(format!("the body is not JSON: {error}")))
}

/// The body, which must be a JSON object, and its members.
pub(super) fn object<'a>(arrival: &Arrival<'a>) -> Result<(&'a RawValue, Object<'a>), Refusal> {
    let raw = valid(arrival)?;
    let members = Object::read(raw).ok_or_else(|| Refusal::unparsable("the body is no JSON object"))?;
    Ok((raw, members))
}

/// The canonical `raw` of a body whose format is not fixed; only what calls itself JSON must be JSON.
pub(super) fn anything(arrival: &Arrival<'_>) -> Result<Arc<RawValue>, Refusal> {
    let media_type = field::media_type(arrival.request.headers);
    let media_type = media_type.as_deref().unwrap_or_default();
    let body = arrival.request.body;
    match json::valid(body) {
        Ok(raw) => Ok(Arc::from(raw.to_owned())),
        Err(error) if media_type == sign::JSON || media_type.ends_with("+json") => {
            Err(Refusal::unparsable(format!("the body is not JSON: {error}")))
        }
        Err(_) if media_type == sign::FORM => {
            let form = Form::read(body).ok_or_else(|| Refusal::unparsable("the form is not UTF-8, or has too many fields"))?;
            kept(&form.raw())
        }
        Err(_) => kept(&plain(body)),
    }
}

/// The same, where there may be no body: nothing is not broken JSON.
pub(super) fn anything_or_nothing(arrival: &Arrival<'_>) -> Result<Arc<RawValue>, Refusal> {
    if arrival.request.body.is_empty() {
        return kept(&plain(b""));
    }
    anything(arrival)
}

/// The same bytes always get the same id, in a GUID's form, so that sending a recording again is a redelivery.
pub(super) fn derived_id(body: &[u8]) -> String {
    let hex = HEXLOWER.encode(&Sha256::digest(body));
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..32)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("-")
}

/// A payload with a fresh id at a member of the outermost object, put in where there is none; as it is without a fresh id.
pub(super) fn with_id(payload: &[u8], member: &str, fresh_id: Option<&str>) -> Result<Vec<u8>, sign::SignError> {
    let Some(id) = fresh_id else { return Ok(payload.to_vec()) };
    let place = || {
        let whole = std::str::from_utf8(payload).ok()?;
        let members = Object::read(json::valid(payload).ok()?)?;
        match members.raw(member) {
            Some(old) => sign::replaced(whole, old, id),
            None => sign::inserted(whole, member, id),
        }
    };
    place()
        .map(String::into_bytes)
        .ok_or_else(|| sign::SignError(format!("the payload is no JSON object, so it has no place for `{member}`")))
}
