//! Messages: text, mentions, files.

use crate::{
    activity::{Attachment, Draft, Mention},
    entity,
    json::Object,
};
use serde_json::Value;
use std::borrow::Cow;

/// Members of a message that `channel_data` shows where they are present.
const SHOWN: [&str; 10] = [
    "quoteToken",
    "quotedMessageId",
    "markAsReadToken",
    "packageId",
    "stickerId",
    "stickerResourceType",
    "title",
    "address",
    "latitude",
    "longitude",
];

pub(super) fn fill(draft: &mut Draft, message: &Object<'_>) {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let what = message.text("type").unwrap_or_default();
    draft.channel_data.insert("message_type".to_owned(), Value::from(what.as_ref()));
    for member in SHOWN {
        if let Some(value) = message.id(member) {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    draft.text = match what.as_ref() {
        "text" | "sticker" => own(message.text("text")),
        "location" => own(message.text("title").or_else(|| message.text("address"))),
        _ => None,
    };
    draft.entities.urls = draft.text.as_deref().map(entity::urls).unwrap_or_default();
    draft.entities.mentions = draft.text.as_deref().map(|text| mentions(text, message)).unwrap_or_default();
    let kind = match what.as_ref() {
        "image" => "image",
        "video" => "video",
        "audio" => "audio",
        "file" => "file",
        _ => return,
    };
    // A file of LINE's own is fetched by the message's id.
    let provider = message.object("contentProvider").unwrap_or_default();
    draft.attachments.push(Attachment {
        name: own(message.text("fileName")),
        size: message.size("fileSize"),
        url: own(provider.text("originalContentUrl")),
        ..Attachment::of_kind(kind)
    });
    if let Some(set) = message.object("imageSet").and_then(|set| set.id("id")) {
        draft.channel_data.insert("image_set_id".to_owned(), Value::from(set));
    }
}

/// People whom the text names; LINE counts in UTF-16 code units. Who has not agreed to it, and a mention of all, has no id.
fn mentions(text: &str, message: &Object<'_>) -> Vec<Mention> {
    let units: Vec<u16> = text.encode_utf16().collect();
    // No two lie over each other, so that all of them together are no longer than the text.
    let mut left = units.len();
    let mut found: Vec<Mention> = Vec::new();
    let mention = message.object("mention").unwrap_or_default();
    for one in mention.objects("mentionees") {
        let place = |name| one.integer(name).and_then(|number| usize::try_from(number).ok());
        let range = place("index")
            .zip(place("length"))
            .and_then(|(at, length)| Some(at..at.checked_add(length)?));
        let Some(rest) = range.as_ref().and_then(|range| left.checked_sub(range.len())) else {
            continue;
        };
        left = rest;
        let part = range.and_then(|range| String::from_utf16(units.get(range)?).ok());
        let Some((part, id)) = part.zip(one.id("userId")) else { continue };
        let mention = Mention {
            id: id.into_owned(),
            name: Some(part.trim_start_matches('@').to_owned()).filter(|name| !name.is_empty()),
            text: part,
        };
        entity::add(&mut found, mention);
    }
    found
}
