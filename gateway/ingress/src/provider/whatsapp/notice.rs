//! What is no message: statuses of messages sent, calls, preferences, groups and errors.

use super::change::{Change, Party};
use crate::{
    Refusal,
    activity::{Draft, Kind},
    json::Object,
    provider::{batch::Batch, meta},
    verified::EventId,
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// What became of a message that was sent. It belongs to the conversation with its recipient.
pub(super) fn status(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, item: &Object<'_>) -> Result<(), Refusal> {
    let status = item.text("status").unwrap_or_default();
    // In a group each member reads for himself.
    let group = item.text("recipient_type").as_deref() == Some("group");
    let party = if group {
        Party {
            group: item.id("recipient_id").map(Cow::into_owned),
            ..change.party(item, &["recipient_participant_id", "recipient_participant_user_id"])
        }
    } else {
        change.party(item, &["recipient_id", "recipient_user_id"])
    };
    let mut draft = change.draft(Kind::Event, &format!("statuses.{status}"), &party, raw);
    let message = item.id("id");
    draft.ids.message_id = message.as_deref().map(str::to_owned);
    let of = message.map(|message| match &party.user {
        Some(user) if group => format!("{message}.{status}.{user}"),
        _ => format!("{message}.{status}"),
    });
    show(&mut draft, item, &["status", "recipient_type", "biz_opaque_callback_data"]);
    draft.channel_data.insert("type".to_owned(), Value::from("status"));
    failed(&mut draft, item);
    let id = change.id("status", of.map(Cow::Owned), raw);
    timed(change, batch, draft, id, raw, item)
}

/// A call begins, is answered or ends. It belongs to the conversation with the customer, whoever called.
pub(super) fn call(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, item: &Object<'_>) -> Result<(), Refusal> {
    let event = item.text("event").unwrap_or_default();
    let ours = item.text("direction").as_deref() == Some("BUSINESS_INITIATED");
    let party = change.party(item, if ours { &["to", "to_user_id"] } else { &["from", "from_user_id"] });
    let mut draft = change.draft(Kind::Event, &format!("calls.{event}"), &party, raw);
    show(&mut draft, item, &["event", "direction", "status", "biz_opaque_callback_data"]);
    draft.channel_data.insert("type".to_owned(), Value::from("call"));
    if let Some(call) = item.id("id") {
        draft.channel_data.insert("call_id".to_owned(), Value::from(call));
    }
    let id = change.id("call", item.id("id").map(|id| Cow::Owned(format!("{id}.{event}"))), raw);
    timed(change, batch, draft, id, raw, item)
}

/// Somebody wants, or does not want, to be written to.
pub(super) fn preference(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, item: &Object<'_>) -> Result<(), Refusal> {
    let mut draft = change.draft(Kind::Event, "user_preferences", &change.party(item, &["wa_id", "user_id"]), raw);
    show(&mut draft, item, &["category", "value", "detail", "signup_id"]);
    let id = change.id("item", None, raw);
    timed(change, batch, draft, id, raw, item)
}

/// A group was made or changed, or somebody joined or left it.
pub(super) fn group(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, item: &Object<'_>) -> Result<(), Refusal> {
    let kind = if change.field == "group_participants_update" {
        Kind::Membership
    } else {
        Kind::Event
    };
    let party = Party {
        user: None,
        group: item.id("group_id").map(Cow::into_owned),
    };
    let name = match item.text("type") {
        Some(what) => format!("groups.{what}"),
        None => "groups".to_owned(),
    };
    let mut draft = change.draft(kind, &name, &party, raw);
    show(&mut draft, item, &["group_id", "request_id", "reason", "subject"]);
    failed(&mut draft, item);
    let id = change.id("item", None, raw);
    timed(change, batch, draft, id, raw, item)
}

/// An error of the number itself, not of a message.
pub(super) fn error(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, item: &Object<'_>) -> Result<(), Refusal> {
    let mut draft = change.draft(Kind::Event, "errors", &Party::default(), raw);
    named(&mut draft, item);
    draft.text = item.text("title").or_else(|| item.text("message")).map(Cow::into_owned);
    // The same error again is another event: what stood beside it tells them apart.
    let id = meta::made_id(raw, &[draft.ids.channel_id.as_deref(), change.beside.as_deref()]);
    timed(change, batch, draft, id, raw, item)
}

/// The first of an item's own errors.
pub(super) fn failed(draft: &mut Draft, item: &Object<'_>) {
    if let Some(error) = item.objects("errors").next() {
        named(draft, &error);
    }
}

fn named(draft: &mut Draft, error: &Object<'_>) {
    for (member, name) in [("code", "error_code"), ("title", "error_title")] {
        if let Some(value) = error.id(member) {
            draft.channel_data.insert(name.to_owned(), Value::from(value));
        }
    }
}

/// Shows members that are texts or numbers.
pub(super) fn show(draft: &mut Draft, item: &Object<'_>, members: &[&str]) {
    for member in members {
        if let Some(value) = item.id(member) {
            draft.channel_data.insert((*member).to_owned(), Value::from(value));
        }
    }
}

fn timed(
    change: &Change<'_>,
    batch: &mut Batch<'_>,
    mut draft: Draft,
    id: EventId,
    raw: &RawValue,
    item: &Object<'_>,
) -> Result<(), Refusal> {
    draft.timestamp = meta::time(item, "timestamp").unwrap_or(draft.timestamp);
    change.run(batch, draft, id, raw)
}
