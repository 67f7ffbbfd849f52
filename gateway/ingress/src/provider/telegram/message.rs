//! Messages: text, entities, files and buttons.

use crate::{
    activity::{Attachment, Button, Entities, Kind, Mention},
    entity,
    json::Object,
};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Members that make a message a note about its chat.
const SERVICE: [&str; 24] = [
    "pinned_message",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
    "boost_added",
    "chat_background_set",
    "giveaway_created",
    "giveaway_completed",
];

/// Members that make a message a note about who is in its chat.
const MEMBERSHIP: [&str; 3] = ["new_chat_members", "new_chat_member", "left_chat_member"];

/// Whether a member says anything: libraries write what is not there as nothing, too.
fn says(message: &Object<'_>, member: &str) -> bool {
    message
        .raw(member)
        .is_some_and(|value| !matches!(value.get(), "null" | "false" | "0" | "[]" | "\"\""))
}

/// What a message is: somebody's words, or a note about the chat.
pub(super) fn kind(message: &Object<'_>) -> Kind {
    match service(message) {
        None => Kind::Message,
        Some(name) if MEMBERSHIP.contains(&name) => Kind::Membership,
        Some(_) => Kind::Event,
    }
}

/// The name of the note about the chat that a message is. `new_chat_member` is a status in a membership update, and no note.
pub(super) fn service(message: &Object<'_>) -> Option<&'static str> {
    if !message.has("message_id") {
        return None;
    }
    MEMBERSHIP.into_iter().chain(SERVICE).find(|member| says(message, member))
}

/// The bot command that a text begins with, as it stands there.
pub(super) fn command<'a>(message: &Object<'a>) -> Option<Cow<'a, str>> {
    let first = message.objects("entities").next()?;
    if first.text("type")? != "bot_command" || first.integer("offset")? != 0 {
        return None;
    }
    let text = message.text("text")?;
    text.split_whitespace().next().map(|word| Cow::Owned(word.to_owned()))
}

/// The text or a file's caption, and what it points at.
pub(super) fn text(message: &Object<'_>) -> (Option<String>, Entities) {
    for (member, entities) in [("text", "entities"), ("caption", "caption_entities")] {
        if let Some(text) = message.text(member) {
            let found = pointed_at(&text, message, entities);
            return (Some(text.into_owned()), found);
        }
    }
    (None, Entities::default())
}

/// Telegram counts in UTF-16 code units, so that an emoji before a mention moves it by two.
fn pointed_at(text: &str, message: &Object<'_>, member: &str) -> Entities {
    let units: Vec<u16> = text.encode_utf16().collect();
    // No two of these lie over each other, so that all of them together are no longer than the text.
    let mut left = units.len();
    let mut found = Entities::default();
    for marked in message.objects(member) {
        let what = marked.text("type").unwrap_or_default();
        if !matches!(what.as_ref(), "mention" | "text_mention" | "url" | "text_link") {
            continue;
        }
        let place = |name| marked.integer(name).and_then(|number| usize::try_from(number).ok());
        let range = place("offset")
            .zip(place("length"))
            .and_then(|(at, length)| Some(at..at.checked_add(length)?));
        let Some(rest) = range.as_ref().and_then(|range| left.checked_sub(range.len())) else {
            continue;
        };
        left = rest;
        let Some(part) = range.and_then(|range| String::from_utf16(units.get(range)?).ok()) else {
            continue;
        };
        match what.as_ref() {
            "mention" => {
                let name = part.trim_start_matches('@').to_owned();
                mention(&mut found, part.clone(), Some(name), part);
            }
            "text_mention" => {
                let user = marked.object("user").unwrap_or_default();
                if let Some(id) = user.id("id") {
                    mention(&mut found, id.into_owned(), user.text("first_name").map(Cow::into_owned), part);
                }
            }
            "url" => url(&mut found, &part),
            "text_link" => url(&mut found, &marked.text("url").unwrap_or_default()),
            _ => {}
        }
    }
    found
}

/// A mention by name has no other id than `@name`.
fn mention(found: &mut Entities, id: String, name: Option<String>, text: String) {
    let mention = Mention { id, name, text };
    entity::add(&mut found.mentions, mention);
}

/// Only web addresses; Telegram takes `example.com` for one too, and opens it with `http`.
fn url(found: &mut Entities, text: &str) {
    let lower = text.to_ascii_lowercase();
    let url = if lower.starts_with("http://") || lower.starts_with("https://") {
        text.to_owned()
    } else if !text.is_empty() && !text.contains(':') {
        format!("http://{text}")
    } else {
        return;
    };
    entity::add(&mut found.urls, url);
}

/// A message's files, each with the id that `getFile` takes.
pub(super) fn files(message: &Object<'_>) -> Vec<(Attachment, String)> {
    // A GIF stands under `document` too, for clients that know no animations.
    let document = if says(message, "animation") { "animation" } else { "document" };
    let single = [
        ("video", "video", Some("video/mp4")),
        ("video_note", "video", Some("video/mp4")),
        ("audio", "audio", None),
        ("voice", "audio", Some("audio/ogg")),
        ("sticker", "image", None),
        (document, "file", None),
    ];
    // The sizes of one picture: the last one is the largest.
    let photo = message
        .objects("photo")
        .last()
        .map(|photo| file(&photo, "image", Some("image/jpeg")));
    let others = single
        .into_iter()
        .filter_map(|(member, kind, mime)| Some(file(&message.object(member)?, kind, mime)));
    photo.into_iter().chain(others).flatten().collect()
}

fn file(file: &Object<'_>, kind: &'static str, usual: Option<&str>) -> Option<(Attachment, String)> {
    let is = |member: &str| file.raw(member).is_some_and(|flag| flag.get() == "true");
    let usual = match (is("is_animated"), is("is_video"), kind) {
        (true, ..) => Some("application/x-tgsticker"),
        (_, true, _) => Some("video/webm"),
        (_, _, "image") => usual.or(Some("image/webp")),
        _ => usual,
    };
    let mime = file.text("mime_type").or(usual.map(Cow::Borrowed)).map(Cow::into_owned);
    let attachment = Attachment {
        name: file.text("file_name").map(Cow::into_owned),
        size: file.size("file_size"),
        ..mime.map_or_else(|| Attachment::of_kind(kind), |mime| Attachment::of(Some(mime)))
    };
    Some((attachment, file.id("file_id")?.into_owned()))
}

/// The buttons below a message, row by row.
pub(super) fn buttons(message: &Object<'_>) -> Vec<Button> {
    let rows = message
        .object("reply_markup")
        .map(|markup| markup.list("inline_keyboard"))
        .unwrap_or_default();
    let row = |row: &RawValue| -> Vec<Button> {
        let buttons: Vec<&RawValue> = serde_json::from_str(row.get()).unwrap_or_default();
        buttons.into_iter().filter_map(Object::read).map(|found| button(&found)).collect()
    };
    rows.into_iter().flat_map(row).collect()
}

fn button(button: &Object<'_>) -> Button {
    let text = |member: &str| button.text(member).map(Cow::into_owned);
    let sends = text("callback_data").or_else(|| text("url")).unwrap_or_default();
    Button {
        id: text("callback_data").unwrap_or_default(),
        title: text("text").unwrap_or_default(),
        payload: sends,
    }
}
