//! Interactive payloads: buttons, menus, shortcuts, views, dialogs.

use super::{anchor, content, metadata, signed_at};
use crate::{
    Refusal, Verified,
    activity::{Draft, Kind, ProviderIds},
    entity,
    json::Object,
    provider::Arrival,
    verified::EventId,
};
use serde_json::{Map, Value, value::RawValue};
use std::{borrow::Cow, sync::Arc};

/// The types that are known; a form's `payload` may be of another one.
const TYPES: [(&str, Kind); 11] = [
    ("block_actions", Kind::Action),
    ("interactive_message", Kind::Action),
    ("message_action", Kind::Shortcut),
    ("shortcut", Kind::Shortcut),
    ("view_submission", Kind::View),
    ("view_closed", Kind::View),
    ("dialog_submission", Kind::View),
    ("dialog_cancellation", Kind::View),
    ("block_suggestion", Kind::Options),
    ("dialog_suggestion", Kind::Options),
    ("workflow_step_edit", Kind::Action),
];

/// Members that a worker needs for its answer, shown in `channel_data` where they are present.
const SHOWN: [&str; 3] = ["callback_id", "trigger_id", "response_url"];

pub(super) fn is_type(name: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == name)
}

fn kind(name: &str) -> Kind {
    TYPES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(Kind::Event, |(_, kind)| *kind)
}

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue) -> Result<Verified, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let payload = Object::read(raw).ok_or_else(|| Refusal::unparsable("the payload is no JSON object"))?;
    let name = payload
        .text("type")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::unparsable("the payload has no type"))?;
    let kind = kind(&name);
    let object = |member: &str| payload.object(member).unwrap_or_default();
    let (message, container, who, channel) = (object("message"), object("container"), object("user"), object("channel"));
    // Legacy messages stand under another name.
    let original = object("original_message");

    let workspace = own(object("team")
        .id("id")
        .or_else(|| who.id("team_id"))
        .or_else(|| object("enterprise").id("id")));
    let channel = own(channel.id("id").or_else(|| container.id("channel_id")));
    let thread = own(message
        .id("thread_ts")
        .or_else(|| container.id("thread_ts"))
        .or_else(|| original.id("thread_ts")));
    let user = own(who.id("id"));
    let text = own(message.text("text").or_else(|| original.text("text")));
    let id = event_id(&payload, kind, &container);
    let happened = payload
        .text("action_ts")
        .or_else(|| payload.objects("actions").find_map(|action| action.text("action_ts")));

    let mut channel_data = Map::from_iter([("type".to_owned(), Value::from(name.as_ref()))]);
    channel_data.extend(
        SHOWN
            .iter()
            .filter_map(|member| Some(((*member).to_owned(), Value::from(payload.text(member)?)))),
    );
    if let Some(view) = payload.object("view").and_then(|view| view.text("id")) {
        channel_data.insert("view_id".to_owned(), Value::from(view));
    }

    let draft = Draft {
        anchor: anchor(
            arrival,
            [
                thread.as_deref(),
                channel.as_deref(),
                user.as_deref(),
                id.as_ref().map(|id| id.text.as_str()),
            ],
        ),
        user: user.clone(),
        timestamp: content::timestamp([happened.and_then(|ts| content::ts(&ts)), Some(signed_at(arrival)), None]),
        locale: own(who.text("locale")),
        attachments: content::attachments(&message),
        buttons: content::used(&payload),
        entities: text.as_deref().map(entity::slack).unwrap_or_default(),
        metadata: metadata(arrival, kind, &name, false),
        channel_data,
        ids: ProviderIds {
            workspace_id: workspace.clone(),
            conversation_id: thread.clone().or_else(|| channel.clone()),
            thread_id: thread,
            channel_id: channel,
            user_id: user,
            message_id: own(message
                .id("ts")
                .or_else(|| container.id("message_ts"))
                .or_else(|| payload.id("message_ts"))),
            event_id: id.as_ref().map(|id| id.text.clone()),
            ..ProviderIds::default()
        },
        text,
        raw: Arc::from(raw.to_owned()),
    };
    Verified::new(arrival, draft, id, workspace, arrival.request.body.clone())
}

/// `trigger_id`, else the message and the moment of the action, else the view in this state. Requests for choices have none: each keystroke asks anew,
/// of the same view in the same state.
fn event_id(payload: &Object<'_>, kind: Kind, container: &Object<'_>) -> Option<EventId> {
    let id = |kind, text| Some(EventId { kind, text, signed: true });
    if kind == Kind::Options {
        return None;
    }
    if let Some(trigger) = payload.id("trigger_id") {
        return id("trigger", trigger.into_owned());
    }
    let action_ts = payload
        .id("action_ts")
        .or_else(|| payload.objects("actions").find_map(|action| action.id("action_ts")));
    let message_ts = container.id("message_ts").or_else(|| payload.id("message_ts"));
    if let (Some(message), Some(action)) = (message_ts, action_ts) {
        return id("action", format!("{message}+{action}"));
    }
    let view = payload.object("view")?;
    id("view", format!("{}+{}", view.id("id")?, view.id("hash")?))
}
