//! What Zoom's events say: meetings, Team Chat and chatbots.

use super::{FACTS, MAC, TRACKING};
use crate::{
    Opened, Refusal, UnixTime,
    activity::{Attachment, Button, Kind},
    clock, entity,
    field::MAX_ID_LEN,
    json::{self, Object},
    provider::{Arrival, generic},
    sign,
};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>, event: &str) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let payload = body.object("payload").unwrap_or_default();
    let object = payload.object("object").unwrap_or_default();
    // A message in a meeting is nested once more.
    let inner = object.object("chat_message").unwrap_or_default();
    let participant = object.object("participant").unwrap_or_default();
    let kind = kind(event);
    let talk = !matches!(kind, Kind::Event | Kind::Membership);
    let mut draft = generic::draft(arrival, &FACTS, kind, Some(event).filter(|event| !event.is_empty()), raw);

    let meeting = own(object.id("uuid").or_else(|| object.id("id")));
    let ids = &mut draft.ids;
    ids.thread_id = own(object.id("reply_main_message_id")).filter(|_| talk);
    // A chatbot's events name the chat by its address, Team Chat's by a channel or a session of two, a meeting's by the meeting.
    ids.channel_id = own(object
        .id("channel_id")
        .or_else(|| object.id("session_id"))
        .or_else(|| payload.id("toJid"))
        .or_else(|| object.id("uuid").filter(|_| object.has("chat_message"))));
    ids.conversation_id = if talk {
        ids.thread_id.clone().or_else(|| ids.channel_id.clone())
    } else {
        ids.channel_id.clone().or_else(|| meeting.clone())
    };
    ids.user_id = own(payload
        .id("userId")
        .or_else(|| payload.id("operator_id"))
        .or_else(|| inner.id("sender_session_id"))
        .or_else(|| participant.id("participant_uuid"))
        .or_else(|| participant.id("user_id")));
    ids.message_id = own(inner
        .id("message_id")
        .or_else(|| payload.id("messageId"))
        .or_else(|| object.id("message_id"))
        .or_else(|| object.id("id").filter(|_| talk)));
    // Everything that happens in one meeting is one session; in a chat, one with each user.
    draft.anchor = ids.conversation_id.clone().unwrap_or_default();
    draft.user = ids.user_id.clone().filter(|_| talk);

    let text = object
        .text("message")
        .or_else(|| inner.text("message_content"))
        .or_else(|| payload.text("cmd"))
        .filter(|_| kind != Kind::Deletion);
    draft.entities.urls = text.as_deref().map(entity::urls).unwrap_or_default();
    draft.text = own(text);
    draft.attachments = object.objects("files").map(file).collect();
    draft.buttons = pressed(&payload);
    let happened = body.id("event_ts").and_then(|at| clock::milliseconds(&at).ok());
    if let Some(at) = happened.or_else(|| MAC.signed_at(arrival.request)).and_then(clock::rfc3339) {
        draft.timestamp = at;
    }
    for (name, value) in [
        ("topic", object.text("topic")),
        ("channel", object.text("channel_name").or_else(|| payload.text("channelName"))),
        ("robot_jid", payload.text("robotJid")),
        ("reaction", object.text("emoji")),
    ] {
        if let Some(value) = value {
            draft.channel_data.insert(name.to_owned(), Value::from(value));
        }
    }

    let account = own(payload.id("account_id").or_else(|| payload.id("accountId")));
    // The body has no id of its own: what happened to which thing, by whom, and when, is one. Two may join one meeting in the same millisecond.
    let what = ids_of([meeting.as_deref(), draft.ids.message_id.as_deref(), draft.ids.user_id.as_deref()]);
    let id = what.zip(body.id("event_ts")).map(|(what, at)| format!("{event}/{what}/{at}"));
    let id = id.map(|id| {
        if id.len() > MAX_ID_LEN {
            generic::derived_id(id.as_bytes())
        } else {
            id
        }
    });
    let id = generic::signed("event", id).or_else(|| generic::unsigned("tracking", arrival, TRACKING));
    generic::deliver(arrival, draft, id, account)
}

/// The ids that name one thing, each escaped and in its own place; nothing when there is none but the user.
fn ids_of(ids: [Option<&str>; 3]) -> Option<String> {
    let [thing, message, _] = ids;
    thing.or(message)?;
    let escaped = ids.map(|id| id.unwrap_or_default().replace('%', "%25").replace('/', "%2F"));
    Some(escaped.join("/"))
}

fn kind(event: &str) -> Kind {
    match event {
        "bot_notification" => return Kind::Command,
        "chat_message.submit" => return Kind::View,
        "meeting.chat_message_sent" | "webinar.chat_message_sent" => return Kind::Message,
        _ if event.starts_with("interactive_message_") => return Kind::Action,
        _ => {}
    }
    let (family, what) = event.split_once('.').unwrap_or((event, ""));
    match family {
        "chat_message" | "team_chat" if what.contains("reaction") || what.contains("emoji") => Kind::Reaction,
        "chat_message" | "team_chat" if what.ends_with("updated") => Kind::Edit,
        "chat_message" | "team_chat" if what.ends_with("deleted") => Kind::Deletion,
        "chat_message" | "team_chat" if what.ends_with("sent") || what.ends_with("replied") || what.ends_with("posted") => Kind::Message,
        "chat_channel" if what.starts_with("member_") => Kind::Membership,
        "meeting" | "webinar" if what == "participant_joined" || what == "participant_left" => Kind::Membership,
        _ => Kind::Event,
    }
}

fn file(file: Object<'_>) -> Attachment {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    Attachment {
        name: own(file.text("file_name")),
        size: file.size("file_size"),
        url: own(file.text("download_url")),
        ..Attachment::of_kind("file")
    }
}

/// What was pressed or chosen in a chatbot's message.
fn pressed(payload: &Object<'_>) -> Vec<Button> {
    let chosen = payload.object("actionItem").into_iter().chain(payload.objects("selectedItems"));
    chosen
        .map(|item| {
            let value = item.id("value").unwrap_or_default().into_owned();
            Button {
                id: payload.id("actionId").map_or_else(|| value.clone(), Cow::into_owned),
                title: item.text("text").map_or_else(|| value.clone(), Cow::into_owned),
                payload: value,
            }
        })
        .collect()
}

/// A payload as a new event: about another thing, now. A thing whose id is a number keeps having one. What names no thing stays as it is.
pub(super) fn renewed(payload: &[u8], now: UnixTime, id: &str) -> Vec<u8> {
    let place = |body: &str| {
        let members = Object::read(json::valid(body.as_bytes()).ok()?)?;
        let object = members.object("payload")?.object("object")?;
        let old = object.raw("uuid").or_else(|| object.raw("id"))?;
        if old.get().starts_with('"') {
            return sign::replaced(body, old, id);
        }
        // Eleven digits, as a meeting's number has.
        let digest = Sha256::digest(id.as_bytes());
        let number = digest.iter().take(6).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        sign::spliced(body, old, &(10_000_000_000 + number % 90_000_000_000).to_string())
    };
    let time = |body: &str| {
        let members = Object::read(json::valid(body.as_bytes()).ok()?)?;
        sign::spliced(body, members.raw("event_ts")?, &format!("{}000", now.0))
    };
    let Ok(text) = std::str::from_utf8(payload) else {
        return payload.to_vec();
    };
    let text = place(text).map_or(Cow::Borrowed(text), Cow::Owned);
    time(&text).unwrap_or_else(|| text.into_owned()).into_bytes()
}
