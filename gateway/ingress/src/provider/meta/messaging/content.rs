//! What an event of a conversation says: text, files, buttons, and what only Meta has.

use super::super::is;
use crate::{
    activity::{Attachment, Button, Draft, Kind},
    entity,
    json::Object,
};
use serde_json::Value;
use std::borrow::Cow;

/// Members of events that `channel_data` shows where they are present.
const SHOWN: [&str; 15] = [
    "action",
    "emoji",
    "reaction",
    "watermark",
    "ref",
    "source",
    "type",
    "user_ref",
    "status",
    "metadata",
    "new_owner_app_id",
    "previous_owner_app_id",
    "requested_owner_app_id",
    "app_id",
    "num_edit",
];

/// What an advertisement or a link that led here says of itself.
const REFERRAL: [&str; 5] = ["ref", "source", "type", "ad_id", "referer_uri"];

/// What a message is: new, taken back, or the press on a quick reply.
pub(super) fn kind(message: &Object<'_>) -> Kind {
    if is(message, "is_deleted") {
        Kind::Deletion
    } else if message.object("quick_reply").is_some() {
        Kind::Action
    } else {
        Kind::Message
    }
}

pub(super) fn fill(draft: &mut Draft, name: &str, event: &Object<'_>) {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    for member in SHOWN {
        if let Some(value) = event.id(member) {
            // `type` says which event it is.
            let member = if member == "type" { "referral_type" } else { member };
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    draft.text = own(event.text("text"));
    match name {
        "message" => message(draft, event),
        "postback" => {
            let title = own(event.text("title")).unwrap_or_default();
            let payload = own(event.text("payload")).unwrap_or_default();
            // The chat shows the title as what the user said.
            draft.text = Some(title.clone()).filter(|title| !title.is_empty());
            draft.buttons.push(button(title, payload));
        }
        "delivery" => {
            let mids = event.list("mids").into_iter().filter_map(crate::json::id).map(Value::from);
            draft.channel_data.insert("mids".to_owned(), mids.collect());
        }
        _ => {}
    }
    if let Some(referral) = event.object("referral") {
        let told = REFERRAL
            .iter()
            .filter_map(|member| Some(((*member).to_owned(), Value::from(referral.id(member)?))));
        draft.channel_data.insert("referral".to_owned(), Value::Object(told.collect()));
    }
    let found = draft.text.as_deref().map(entity::urls).unwrap_or_default();
    let links: Vec<_> = draft.entities.urls.drain(..).filter(|link| !found.contains(link)).collect();
    draft.entities.urls = found.into_iter().chain(links).collect();
}

fn message(draft: &mut Draft, message: &Object<'_>) {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    if let Some(reply) = message.object("quick_reply") {
        let payload = own(reply.text("payload")).unwrap_or_default();
        draft.buttons.push(button(draft.text.clone().unwrap_or_default(), payload));
    }
    if let Some(answered) = message.object("reply_to") {
        let story = answered.object("story").unwrap_or_default();
        for (name, value) in [
            ("reply_to_message_id", answered.id("mid")),
            ("reply_to_story_id", story.id("id")),
            ("reply_to_story_url", story.text("url")),
        ] {
            if let Some(value) = value {
                draft.channel_data.insert(name.to_owned(), Value::from(value));
            }
        }
    }
    if is(message, "is_unsupported") {
        draft.channel_data.insert("is_unsupported".to_owned(), Value::Bool(true));
    }
    for attachment in message.objects("attachments") {
        attached(draft, &attachment);
    }
}

/// A file, or a link where it is none.
fn attached(draft: &mut Draft, attachment: &Object<'_>) {
    let what = attachment.text("type").unwrap_or_default();
    let payload = attachment.object("payload").unwrap_or_default();
    let url = payload.text("url").or_else(|| attachment.text("url")).map(Cow::into_owned);
    let kind = match what.as_ref() {
        "image" => "image",
        "video" | "reel" | "ig_reel" => "video",
        "audio" => "audio",
        "file" => "file",
        // A shared post, a story, a link, a place, a template: an address to look at, not a file.
        _ => {
            draft.entities.urls.extend(url);
            return;
        }
    };
    draft.attachments.push(Attachment {
        name: attachment.text("title").or_else(|| payload.text("title")).map(Cow::into_owned),
        url,
        ..Attachment::of_kind(kind)
    });
    if let Some(sticker) = payload.id("sticker_id") {
        draft.channel_data.insert("sticker_id".to_owned(), Value::from(sticker));
    }
}

fn button(title: String, payload: String) -> Button {
    Button {
        id: payload.clone(),
        title,
        payload,
    }
}
