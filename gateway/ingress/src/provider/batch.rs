//! A request that carries several events: each becomes a delivery of its own, with its own bytes, id and account.

use super::{Arrival, generic};
use crate::{
    Deliveries, DropReason, Dropped, Opened, Refusal,
    activity::Draft,
    json::{self, Object},
    session,
    sign::SignError,
    verified::EventId,
};
use bytes::Bytes;
use serde_json::{Value, value::RawValue};
use std::ops::Range;

/// Most events of one request. Meta sends up to 1000 together, LINE a hundred; a body of the allowed size could hold a million empty ones.
pub(super) const MAX_EVENTS: usize = 4096;

/// What has been found so far.
pub(super) struct Batch<'a> {
    arrival: &'a Arrival<'a>,
    found: Deliveries,
}

impl<'a> Batch<'a> {
    pub(super) fn new(arrival: &'a Arrival<'a>) -> Self {
        Self {
            arrival,
            found: Deliveries::default(),
        }
    }

    /// One more event; `item` is the part of the body that it is.
    pub(super) fn run(&mut self, draft: Draft, id: EventId, account: Option<String>, item: &RawValue) -> Result<(), Refusal> {
        self.one_more()?;
        let bytes = Bytes::copy_from_slice(item.get().as_bytes());
        let event = generic::finished(self.arrival, draft, Some(id), account, bytes)?;
        self.found.events.push(event);
        Ok(())
    }

    /// One more event, which shall not run.
    pub(super) fn pass(&mut self, reason: DropReason, id: &EventId) -> Result<(), Refusal> {
        self.one_more()?;
        let event_id = Some(session::visible(&id.text));
        self.found.dropped.push(Dropped { reason, event_id });
        Ok(())
    }

    fn one_more(&self) -> Result<(), Refusal> {
        if self.found.events.len() + self.found.dropped.len() == MAX_EVENTS {
            return Err(Refusal::unparsable(format!("more than {MAX_EVENTS} events in one request")));
        }
        Ok(())
    }

    /// What the request was.
    pub(super) fn opened(self) -> Result<Opened, Refusal> {
        if self.found.events.is_empty() && self.found.dropped.is_empty() {
            return Err(Refusal::unparsable("the body has no events"));
        }
        Ok(Opened::Deliveries(self.found))
    }
}

/// The objects of a list, each with its own text; none where there is no such member. What is no object is refused: passed over, it would be lost.
pub(super) fn objects<'a>(parent: &Object<'a>, name: &str) -> Result<Vec<(&'a RawValue, Object<'a>)>, Refusal> {
    let items = match parent.raw(name) {
        None => Vec::new(),
        Some(value) if value.get() == "null" => Vec::new(),
        Some(value) if value.get().starts_with('[') => parent.list(name),
        Some(_) => return Err(Refusal::unparsable(format!("`{name}` is no list"))),
    };
    if items.len() > MAX_EVENTS {
        return Err(Refusal::unparsable(format!("`{name}` has more than {MAX_EVENTS} items")));
    }
    let read = |item: &'a RawValue| {
        let object = Object::read(item).ok_or_else(|| Refusal::unparsable(format!("`{name}` has an item that is no object")))?;
        Ok((item, object))
    };
    items.into_iter().map(read).collect()
}

/// An object within a payload, and the name of its member that is an event's id.
pub(super) type Place<'a> = (&'a RawValue, &'static str);

/// The payload with fresh ids: the first event gets the id itself, each further one the id and its number. All other bytes stay as they are.
///
/// # Errors
/// When the payload is no JSON object, or none of its events has an id of its own.
pub(super) fn with_ids(payload: &[u8], id: &str, places: for<'a> fn(&Object<'a>) -> Vec<Place<'a>>) -> Result<Vec<u8>, SignError> {
    let whole = std::str::from_utf8(payload).ok();
    let body = json::valid(payload).ok().and_then(Object::read);
    let (whole, body) = whole
        .zip(body)
        .ok_or_else(|| SignError("the payload is no JSON object, so it has no place for an id".to_owned()))?;
    let found = places(&body);
    if found.is_empty() {
        let what = "the payload has no event with an id of its own: send it as it is";
        return Err(SignError(what.to_owned()));
    }
    let edits = found.iter().enumerate().map(|(index, (object, member))| {
        let id = if index == 0 { id.to_owned() } else { format!("{id}.{}", index + 1) };
        edit(whole, object, member, &Value::from(id).to_string())
    });
    let edits: Option<Vec<_>> = edits.collect();
    let edited = edits.and_then(|edits| applied(whole, edits));
    edited
        .map(String::into_bytes)
        .ok_or_else(|| SignError("the ids of the payload's events stand in each other".to_owned()))
}

/// What to write where, so that an object within `whole` has this member.
fn edit(whole: &str, object: &RawValue, member: &str, value: &str) -> Option<(Range<usize>, String)> {
    // Both were read out of `whole` without a copy, so their places are the distances.
    let start = |part: &RawValue| (part.get().as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    let members = Object::read(object)?;
    if let Some(old) = members.raw(member) {
        let at = start(old)?;
        return Some((at..at.checked_add(old.get().len())?, value.to_owned()));
    }
    let at = start(object)?.checked_add(1)?;
    let comma = if object.get().trim_start_matches('{').trim_start() == "}" {
        ""
    } else {
        ","
    };
    Some((at..at, format!("{}:{value}{comma}", Value::from(member))))
}

fn applied(whole: &str, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(whole.len());
    let mut done = 0;
    for (range, text) in edits {
        out.push_str(whole.get(done..range.start)?);
        out.push_str(&text);
        done = range.end;
    }
    out.push_str(whole.get(done..)?);
    Some(out)
}
