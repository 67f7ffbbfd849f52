//! Envelopes of the Events API.

use super::{anchor, content, metadata, signed_at};
use crate::{
    DropReason, Opened, Refusal, UnixTime, Verified,
    activity::{Draft, Kind, ProviderIds},
    entity,
    json::Object,
    provider::{Arrival, generic},
    verified::EventId,
};
use serde_json::{Map, Value, value::RawValue};
use std::{borrow::Cow, sync::Arc};

/// Messages that only say what happened to their channel.
const NOTES: [&str; 31] = [
    "bot_add",
    "bot_remove",
    "bot_enable",
    "bot_disable",
    "channel_archive",
    "channel_unarchive",
    "channel_convert_to_private",
    "channel_convert_to_public",
    "channel_name",
    "channel_purpose",
    "channel_topic",
    "channel_posting_permissions",
    "channel_canvas_updated",
    "ekm_access_denied",
    "file_comment_deleted",
    "group_archive",
    "group_unarchive",
    "group_name",
    "group_purpose",
    "group_topic",
    "huddle_thread",
    "assistant_app_thread",
    "joiner_notification",
    "message_replied",
    "pinned_item",
    "unpinned_item",
    "reminder_add",
    "reply_broadcast",
    "sh_room_created",
    "thread_locked",
    "tombstone",
];

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let envelope = Object::read(raw).ok_or_else(|| Refusal::unparsable("the body is no JSON object"))?;
    let wrapped = envelope.object("event");
    let event = wrapped.clone().unwrap_or_default();
    // The envelope itself is the event where there is none inside (`app_rate_limited`).
    let name = if wrapped.is_some() {
        event.text("type")
    } else {
        envelope.text("type")
    }
    .unwrap_or_default();
    let subtype = event.text("subtype");
    let kind = kind(&name, subtype.as_deref());
    // An edit nests the message as it is now, a deletion as it was.
    let message = match kind {
        Kind::Edit => event.object("message").unwrap_or_default(),
        Kind::Deletion => event.object("previous_message").unwrap_or_default(),
        _ => event.clone(),
    };
    let item = event.object("item").unwrap_or_default();
    let assistant = event.object("assistant_thread").unwrap_or_default();

    let event_id = own(envelope.id("event_id"));
    let id = event_id.clone().map(|text| EventId {
        kind: "event",
        text,
        signed: true,
    });
    let itself = Itself::of(&envelope);
    // Whether it joined a channel, or what it reacted to, a bot may want to know; only what it says comes back as something to answer.
    // In an edit and a deletion the message itself counts: in Slack only its author changes one.
    if matches!(kind, Kind::Message | Kind::Edit | Kind::Deletion) && (itself.wrote(&message) || itself.wrote(&event)) {
        return Ok(generic::dropped(DropReason::OwnMessage, id.as_ref()));
    }

    let workspace = own(envelope.id("team_id").or_else(|| envelope.id("enterprise_id")));
    let channel = own(of_object_or_id(&event, "channel", "channel_id")
        .or_else(|| item.id("channel"))
        .or_else(|| assistant.id("channel_id")));
    let thread = own(message
        .id("thread_ts")
        .or_else(|| event.id("thread_ts"))
        .or_else(|| assistant.id("thread_ts")));
    let user = own(of_object_or_id(&message, "user", "user_id")
        .or_else(|| of_object_or_id(&event, "user", "user_id"))
        .or_else(|| assistant.id("user_id")));
    let message_id = match kind {
        Kind::Deletion => event.id("deleted_ts").or_else(|| message.id("ts")),
        Kind::Reaction => item.id("ts"),
        _ => message.id("ts"),
    };
    let text = if kind == Kind::Deletion { None } else { own(message.text("text")) };
    let mut entities = text.as_deref().map(entity::slack).unwrap_or_default();
    if name == "link_shared" {
        entities.urls = event.objects("links").filter_map(|link| own(link.text("url"))).collect();
    }
    let happened = ["ts", "event_ts"].into_iter().find_map(|member| content::ts(&event.text(member)?));

    let draft = Draft {
        anchor: anchor(
            arrival,
            [thread.as_deref(), channel.as_deref(), user.as_deref(), event_id.as_deref()],
        ),
        user: user.clone(),
        timestamp: content::timestamp([happened, envelope.integer("event_time").map(UnixTime), Some(signed_at(arrival))]),
        locale: own(event
            .text("locale")
            .or_else(|| event.object("user").and_then(|user| user.text("locale")))),
        attachments: content::attachments(&message),
        buttons: content::buttons(&message),
        entities,
        metadata: metadata(arrival, kind, &name, is_bot(&message) || is_bot(&event) || itself.did(&event)),
        channel_data: channel_data(&name, subtype.as_deref(), &event),
        ids: ProviderIds {
            workspace_id: workspace.clone(),
            conversation_id: thread.clone().or_else(|| channel.clone()),
            thread_id: thread,
            channel_id: channel,
            user_id: user,
            message_id: own(message_id),
            event_id,
            ..ProviderIds::default()
        },
        text,
        raw: Arc::from(raw.to_owned()),
    };
    Verified::new(arrival, draft, id, workspace, arrival.request.body.clone()).map(generic::one)
}

/// Who the endpoint's app is, as the signed envelope says.
struct Itself<'a> {
    app: Option<Cow<'a, str>>,
    bot_users: Vec<Cow<'a, str>>,
}

impl<'a> Itself<'a> {
    fn of(envelope: &Object<'a>) -> Self {
        let bots = envelope
            .objects("authorizations")
            .filter(|found| found.raw("is_bot").is_some_and(|flag| flag.get() == "true"));
        Self {
            app: envelope.id("api_app_id"),
            bot_users: bots.filter_map(|found| found.id("user_id")).collect(),
        }
    }

    /// Whether the app wrote a message: under its name, or as its bot's user.
    fn wrote(&self, message: &Object<'_>) -> bool {
        let profile = || message.object("bot_profile").and_then(|profile| profile.id("app_id"));
        let by_app = self.app.is_some() && [message.id("app_id"), profile()].contains(&self.app);
        by_app || self.did(message)
    }

    /// Whether the bot's user did it.
    fn did(&self, event: &Object<'_>) -> bool {
        of_object_or_id(event, "user", "user_id").is_some_and(|user| self.bot_users.contains(&user))
    }
}

/// A member that is an id in some events and an object with an id in others.
fn of_object_or_id<'a>(event: &Object<'a>, member: &str, other: &str) -> Option<Cow<'a, str>> {
    event
        .id(member)
        .or_else(|| event.object(member)?.id("id"))
        .or_else(|| event.id(other))
}

fn is_bot(message: &Object<'_>) -> bool {
    message.id("bot_id").is_some() || message.object("bot_profile").is_some() || message.text("subtype").as_deref() == Some("bot_message")
}

fn kind(name: &str, subtype: Option<&str>) -> Kind {
    match (name, subtype) {
        ("message", Some("message_changed")) => Kind::Edit,
        ("message", Some("message_deleted")) => Kind::Deletion,
        ("message", Some("channel_join" | "channel_leave" | "group_join" | "group_leave")) => Kind::Membership,
        ("message", Some(subtype)) if NOTES.contains(&subtype) => Kind::Event,
        ("message" | "app_mention", _) => Kind::Message,
        ("reaction_added" | "reaction_removed", _) => Kind::Reaction,
        ("member_joined_channel" | "member_left_channel" | "channel_left" | "group_left" | "team_join", _) => Kind::Membership,
        _ => Kind::Event,
    }
}

/// `type` and `subtype` always, as the platform has them; a reaction's name where there is one.
fn channel_data(name: &str, subtype: Option<&str>, event: &Object<'_>) -> Map<String, Value> {
    let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let mut data = Map::from_iter([
        ("type".to_owned(), value(Some(name).filter(|name| !name.is_empty()))),
        ("subtype".to_owned(), value(subtype)),
    ]);
    if let Some(reaction) = event.text("reaction") {
        data.insert("reaction".to_owned(), Value::from(reaction));
    }
    data
}
