//! Events: what happened, in which chat, and who did it.

use super::{FACTS, content, is_probe};
use crate::{
    Answer, Opened, Refusal,
    activity::{Button, Draft, Kind, ProviderIds},
    json::Object,
    provider::{
        Arrival,
        batch::{self, Batch, Place},
        generic, meta,
    },
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// Members of an event that `channel_data` shows where they are present. A reply token answers once, within about a minute.
const SHOWN: [&str; 2] = ["replyToken", "mode"];

/// Members that hold what is special about an event, and what of it is shown.
const PARTS: [(&str, &[&str]); 9] = [
    ("deliveryContext", &["isRedelivery"]),
    ("source", &["type"]),
    ("follow", &["isUnblocked"]),
    ("postback", &["data"]),
    ("videoPlayComplete", &["trackingId"]),
    ("beacon", &["hwid", "type", "dm"]),
    ("link", &["result", "nonce"]),
    ("membership", &["type", "membershipId"]),
    ("chatControl", &["expireAt"]),
];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let (_, body) = generic::object(arrival)?;
    if is_probe(&body) {
        return Ok(Opened::Handshake(Answer::empty()));
    }
    let bot = body.id("destination").map(Cow::into_owned);
    let mut batch = Batch::new(arrival);
    for (raw, event) in batch::objects(&body, "events")? {
        let draft = draft(arrival, raw, &event, bot.clone());
        // An older event has no id.
        let id = generic::signed("event", event.id("webhookEventId")).unwrap_or_else(|| meta::made_id(raw, &[bot.as_deref()]));
        batch.run(draft, id, bot.clone(), raw)?;
    }
    batch.opened()
}

/// Where a payload's ids stand.
pub(super) fn ids<'a>(body: &Object<'a>) -> Vec<Place<'a>> {
    let events = body.list("events").into_iter().filter(|event| Object::read(event).is_some());
    events.map(|event| (event, "webhookEventId")).collect()
}

fn draft(arrival: &Arrival<'_>, raw: &RawValue, event: &Object<'_>, bot: Option<String>) -> Draft {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let what = event.text("type").unwrap_or_default();
    let source = event.object("source").unwrap_or_default();
    let (user, chat) = (own(source.id("userId")), own(source.id("groupId").or_else(|| source.id("roomId"))));
    let conversation = chat.clone().or_else(|| user.clone());
    let message = event.object("message").unwrap_or_default();
    let mut draft = generic::draft(
        arrival,
        &FACTS,
        kind(&what),
        Some(&what).filter(|what| !what.is_empty()).map(AsRef::as_ref),
        raw,
    );
    draft.ids = ProviderIds {
        workspace_id: bot,
        conversation_id: conversation.clone(),
        channel_id: chat,
        user_id: user.clone(),
        message_id: own(message.id("id").or_else(|| event.object("unsend")?.id("messageId"))),
        ..ProviderIds::default()
    };
    draft.anchor = conversation.unwrap_or_default();
    draft.user = user;
    draft.timestamp = meta::time(event, "timestamp").unwrap_or(draft.timestamp);
    show(&mut draft, event);
    match what.as_ref() {
        "message" => content::fill(&mut draft, &message),
        "postback" => {
            let data = own(event.object("postback").and_then(|postback| postback.text("data"))).unwrap_or_default();
            draft.buttons.push(Button {
                id: data.clone(),
                // What the button says is not sent along.
                title: data.clone(),
                payload: data,
            });
        }
        "memberJoined" | "memberLeft" => {
            let part = event
                .object(if what == "memberJoined" { "joined" } else { "left" })
                .unwrap_or_default();
            let members = part.objects("members").filter_map(|member| Some(Value::from(member.id("userId")?)));
            draft.channel_data.insert("members".to_owned(), members.collect());
        }
        _ => {}
    }
    draft
}

fn kind(what: &str) -> Kind {
    match what {
        "message" => Kind::Message,
        "unsend" => Kind::Deletion,
        "postback" => Kind::Action,
        // `membership` is none: it is about a paid plan.
        "follow" | "unfollow" | "join" | "leave" | "memberJoined" | "memberLeft" => Kind::Membership,
        _ => Kind::Event,
    }
}

fn show(draft: &mut Draft, event: &Object<'_>) {
    for member in SHOWN {
        if let Some(value) = event.id(member) {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    for (part, members) in PARTS {
        let Some(object) = event.object(part) else { continue };
        for member in members {
            let value = match object.raw(member).map(RawValue::get) {
                Some("true") => Some(Value::Bool(true)),
                Some("false") => Some(Value::Bool(false)),
                _ => object.id(member).map(Value::from),
            };
            let name = match (part, *member) {
                ("source", _) => "source_type".to_owned(),
                ("deliveryContext" | "follow", member) => member.to_owned(),
                (part, member) => format!("{part}_{member}"),
            };
            if let Some(value) = value {
                draft.channel_data.insert(name, value);
            }
        }
    }
    // What was chosen from a date picker or a rich menu.
    if let Some(params) = event.object("postback").and_then(|postback| postback.object("params")) {
        for member in ["date", "time", "datetime", "newRichMenuAliasId", "status"] {
            if let Some(value) = params.text(member) {
                draft.channel_data.insert(format!("postback_{member}"), Value::from(value));
            }
        }
    }
}
