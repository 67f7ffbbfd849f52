//! One event of a list: what became of one message to one address.

use super::{FACTS, is_event, signed_at};
use crate::{
    Refusal, UnixTime, Verified,
    activity::{Kind, ProviderIds},
    clock,
    json::{self, Object},
    provider::{Arrival, generic},
    sign::SignError,
};
use bytes::Bytes;
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// Members that `channel_data` shows where they are present, under these names.
const SHOWN: [(&str, &str); 17] = [
    ("asm_group_id", "asm_group_id"),
    ("attempt", "attempt"),
    ("bounce_classification", "bounce_classification"),
    ("category", "category"),
    ("ip", "ip"),
    ("marketing_campaign_id", "marketing_campaign_id"),
    ("pool", "pool"),
    ("reason", "reason"),
    ("response", "response"),
    ("send_at", "send_at"),
    ("sg_machine_open", "sg_machine_open"),
    ("smtp-id", "smtp_id"),
    ("status", "status"),
    ("tls", "tls"),
    // `type` is the event's name everywhere else.
    ("type", "bounce_type"),
    ("url", "url"),
    ("useragent", "useragent"),
];

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue) -> Result<Verified, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let item = Object::read(raw).filter(is_event);
    let item = item.ok_or_else(|| Refusal::unparsable("an item is no object with an `event`"))?;
    let name = own(item.text("event"));
    let mut draft = generic::draft(arrival, &FACTS, Kind::Event, name.as_deref(), raw);
    let (message, address) = (own(item.id("sg_message_id")), own(item.id("email")));
    draft.ids = ProviderIds {
        message_id: message.clone(),
        user_id: address.clone(),
        ..ProviderIds::default()
    };
    // Everything that becomes of one message at one address belongs together.
    draft.anchor = message.unwrap_or_default();
    draft.user = address;
    let happened = item.integer("timestamp").map(UnixTime).or_else(|| signed_at(arrival));
    draft.timestamp = happened.and_then(clock::rfc3339).unwrap_or(draft.timestamp);
    draft.entities.urls.extend(own(item.text("url")).filter(|url| !url.is_empty()));
    for (member, shown) in SHOWN {
        if let Some(value) = item.raw(member).and_then(shown_value) {
            draft.channel_data.insert(shown.to_owned(), value);
        }
    }
    let id = generic::signed("event", item.id("sg_event_id"));
    generic::finished(arrival, draft, id, None, Bytes::copy_from_slice(raw.get().as_bytes()))
}

/// Texts and flags as they are, numbers as their digits, lists of texts (categories) as such.
fn shown_value(value: &RawValue) -> Option<Value> {
    match serde_json::from_str(value.get()).ok()? {
        Value::Number(_) => json::id(value).map(Value::from),
        Value::Array(items) if !items.iter().all(Value::is_string) => None,
        Value::Object(_) | Value::Null => None,
        plain => Some(plain),
    }
}

/// The payload with a fresh id of each event; every other byte stays as it is.
pub(super) fn with_ids(payload: &[u8], fresh_id: Option<&str>) -> Result<Vec<u8>, SignError> {
    let Some(id) = fresh_id else { return Ok(payload.to_vec()) };
    let wrong = || SignError("the payload is no JSON list of events, so it has no place for an id".to_owned());
    let raw = json::valid(payload).map_err(|_| wrong())?;
    if raw.get().starts_with('{') {
        return generic::with_id(payload, "sg_event_id", Some(id));
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    // From the last to the first, so that the places before stay where they are.
    let mut whole = std::str::from_utf8(payload).map_err(|_| wrong())?.to_owned();
    for (index, item) in items.iter().enumerate().rev() {
        let start = (item.get().as_ptr() as usize)
            .checked_sub(payload.as_ptr() as usize)
            .ok_or_else(wrong)?;
        let id = if index == 0 { id.to_owned() } else { format!("{id}-{index}") };
        let changed = String::from_utf8(generic::with_id(item.get().as_bytes(), "sg_event_id", Some(&id))?).map_err(|_| wrong())?;
        let before = whole.get(..start).ok_or_else(wrong)?;
        let after = start
            .checked_add(item.get().len())
            .and_then(|end| whole.get(end..))
            .ok_or_else(wrong)?;
        whole = format!("{before}{changed}{after}");
    }
    Ok(whole.into_bytes())
}
