//! Events: what happened to which thing.

use super::FACTS;
use crate::{
    DropReason, Opened, Refusal,
    activity::{Attachment, Button, Kind, Mention, ProviderIds},
    json::{self, Object},
    moment,
    provider::{Arrival, generic},
    sign::{SignError, spliced},
};
use serde_json::Value;
use std::borrow::Cow;

/// Addresses of bots, the present domain and the one before it.
const BOTS: [&str; 2] = ["@webex.bot", "@sparkbot.io"];

/// Members of `data` that `channel_data` shows where they are present.
const SHOWN: [&str; 5] = ["roomType", "personId", "personEmail", "type", "messageId"];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let (raw, body) = generic::object(arrival)?;
    let missing = |what: &str| Refusal::unparsable(format!("the event has no {what}"));
    let (resource, event) = (
        body.text("resource").ok_or_else(|| missing("resource"))?,
        body.text("event").ok_or_else(|| missing("event"))?,
    );
    let data = body.object("data").ok_or_else(|| missing("data"))?;
    let thing = own(data.id("id")).ok_or_else(|| missing("data.id"))?;
    let name = format!("{resource}.{event}");
    let kind = kind(&resource, &event);
    let id = event_id(&name, &thing, &resource, &event, &data, arrival);
    // What the webhook's own account wrote, changed or took back.
    if resource == "messages" && is_itself(&body, &data) {
        return Ok(generic::dropped(
            DropReason::OwnMessage,
            generic::signed("event", Some(id)).as_ref(),
        ));
    }

    let room = if resource == "rooms" {
        Some(thing.clone())
    } else {
        own(data.id("roomId"))
    };
    let thread = own(data.id("parentId"));
    let actor = own(body.id("actorId").or_else(|| data.id("personId")));
    let account = own(body.id("orgId"));
    let mut draft = generic::draft(arrival, &FACTS, kind, Some(&name), raw);
    draft.ids = ProviderIds {
        workspace_id: account.clone(),
        conversation_id: thread.clone().or_else(|| room.clone()),
        thread_id: thread,
        channel_id: room,
        user_id: actor.clone(),
        message_id: match resource.as_ref() {
            "messages" => Some(thing.clone()),
            _ => own(data.id("messageId")),
        },
        event_id: Some(id.clone()),
        ..ProviderIds::default()
    };
    draft.anchor = draft.ids.conversation_id.clone().or_else(|| actor.clone()).unwrap_or_default();
    draft.user = actor;
    // `created` of the body is the webhook's own, and of a deletion the message's.
    let when: &[&str] = match event.as_ref() {
        "created" => &["created"],
        "updated" => &["updated"],
        _ => &[],
    };
    let happened = when.iter().find_map(|member| moment::rfc3339(&data.text(member)?));
    draft.timestamp = happened.unwrap_or(draft.timestamp);
    draft.metadata.bot = is_bot(&resource, &body, &data);
    draft.text = own(data.text("text"));
    draft.entities.mentions = mentioned(&data);
    draft.entities.urls = draft.text.as_deref().map(crate::entity::urls).unwrap_or_default();
    draft.attachments = data.list("files").into_iter().filter_map(json::text).map(file).collect();
    if kind == Kind::Action {
        draft.buttons.push(Button {
            id: thing,
            title: own(data.text("type")).unwrap_or_default(),
            // What was filled in is sent along by some applications alone.
            payload: data.raw("inputs").map(|inputs| inputs.get().to_owned()).unwrap_or_default(),
        });
    }
    for (member, value) in [("resource", resource), ("event", event)] {
        draft.channel_data.insert(member.to_owned(), Value::from(value));
    }
    for member in SHOWN {
        if let Some(value) = data.id(member) {
            let name = if member == "type" { "dataType" } else { member };
            draft.channel_data.insert(name.to_owned(), Value::from(value));
        }
    }
    generic::deliver(arrival, draft, generic::signed("event", Some(id)), account)
}

fn kind(resource: &str, event: &str) -> Kind {
    match (resource, event) {
        ("messages", "created") => Kind::Message,
        ("messages", "updated") => Kind::Edit,
        ("messages", "deleted") => Kind::Deletion,
        ("attachmentActions", _) => Kind::Action,
        ("memberships", _) => Kind::Membership,
        _ => Kind::Event,
    }
}

/// The body has no id of its own: what happened to which thing is one. What may happen to the same thing again (a change, somebody who comes
/// back under the same membership) has its time or its body in it, too.
fn event_id(name: &str, thing: &str, resource: &str, event: &str, data: &Object<'_>, arrival: &Arrival<'_>) -> String {
    let again = match (resource, event) {
        (_, "updated") => data.text("updated"),
        ("memberships", "created") => data.text("created"),
        ("messages" | "attachmentActions", _) => return format!("{name}.{thing}"),
        _ => None,
    };
    let again = again.map_or_else(|| generic::derived_id(arrival.request.body), Cow::into_owned);
    format!("{name}.{thing}.{again}")
}

/// Whether the account that made the webhook did it. Who wrote a message is who acts, unless something else is said.
fn is_itself(body: &Object<'_>, data: &Object<'_>) -> bool {
    let actor = body.id("actorId").or_else(|| data.id("personId"));
    actor.is_some() && body.id("createdBy") == actor
}

/// A bot's own address, or the account that made the webhook. Only people send cards back.
fn is_bot(resource: &str, body: &Object<'_>, data: &Object<'_>) -> bool {
    let address = data.text("personEmail").unwrap_or_default();
    match resource {
        "attachmentActions" => false,
        "messages" => BOTS.iter().any(|domain| address.ends_with(domain)),
        // The address is the member's, who may be another than who acts.
        _ => is_itself(body, data),
    }
}

/// The text that would show the mentions is not sent along.
fn mentioned(data: &Object<'_>) -> Vec<Mention> {
    let people = data.list("mentionedPeople").into_iter().filter_map(json::id);
    let mention = |id: Cow<'_, str>| Mention {
        id: id.into_owned(),
        name: None,
        text: String::new(),
    };
    people.map(mention).collect()
}

fn file(url: Cow<'_, str>) -> Attachment {
    Attachment {
        url: Some(url.into_owned()),
        ..Attachment::of_kind("file")
    }
}

/// The payload with a fresh id of the thing that it is about; every other byte stays as it is.
pub(super) fn with_id(payload: &[u8], fresh_id: Option<&str>) -> Result<Vec<u8>, SignError> {
    let Some(id) = fresh_id else { return Ok(payload.to_vec()) };
    let place = || {
        let whole = std::str::from_utf8(payload).ok()?;
        let body = Object::read(json::valid(payload).ok()?)?;
        let data = body.raw("data")?;
        let changed = String::from_utf8(generic::with_id(data.get().as_bytes(), "id", Some(id)).ok()?).ok()?;
        spliced(whole, data, &changed)
    };
    place()
        .map(String::into_bytes)
        .ok_or_else(|| SignError("the payload is no JSON object with `data`, so it has no place for an id".to_owned()))
}
