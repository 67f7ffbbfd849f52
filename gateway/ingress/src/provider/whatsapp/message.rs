//! Messages: what kind one is, its text, files and buttons.

use super::{
    change::Change,
    notice::{failed, show},
};
use crate::{
    Refusal,
    activity::{Attachment, Button, Draft, Kind},
    entity,
    json::Object,
    provider::{batch::Batch, meta},
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// Types of messages that are a file, and what an attachment calls it.
const FILES: [(&str, &str); 6] = [
    ("image", "image"),
    ("sticker", "image"),
    ("video", "video"),
    ("audio", "audio"),
    ("voice", "audio"),
    ("document", "file"),
];

/// What an advertisement that led here says of itself.
const REFERRAL: [&str; 6] = ["source_url", "source_id", "source_type", "headline", "body", "ctwa_clid"];

/// One message, or what was done to one.
pub(super) fn read(change: &Change<'_>, batch: &mut Batch<'_>, raw: &RawValue, message: &Object<'_>) -> Result<(), Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let what = message.text("type").unwrap_or_default();
    let content = message.object(&what).unwrap_or_default();
    let kind = kind(&what, &content);
    let mut draft = change.draft(
        kind,
        &format!("messages.{what}"),
        &change.party(message, &["from", "from_user_id"]),
        raw,
    );
    draft.channel_data.insert("type".to_owned(), Value::from(what.as_ref()));
    draft.timestamp = meta::time(message, "timestamp").unwrap_or(draft.timestamp);
    let id = change.id("message", message.id("id"), raw);
    draft.ids.event_id = Some(id.text.clone());
    // Of what is done to a message, that message; else the new one.
    draft.ids.message_id = own(match kind {
        Kind::Reaction => content.id("message_id"),
        Kind::Edit | Kind::Deletion => content.id("original_message_id"),
        _ => message.id("id"),
    });
    match kind {
        Kind::Edit => {
            let new = content.object("message").unwrap_or_default();
            let what = new.text("type").unwrap_or_default();
            fill(&mut draft, &what, &new.object(&what).unwrap_or_default());
        }
        Kind::Reaction => {
            // An empty one, or none, takes the reaction back.
            let emoji = content.text("emoji").filter(|emoji| !emoji.is_empty());
            let action = if emoji.is_some() { "react" } else { "unreact" };
            draft.channel_data.insert("action".to_owned(), Value::from(action));
            show(&mut draft, &content, &["emoji"]);
        }
        _ => fill(&mut draft, &what, &content),
    }
    around(&mut draft, message);
    change.run(batch, draft, id, raw)
}

fn kind(what: &str, content: &Object<'_>) -> Kind {
    match what {
        "edit" => Kind::Edit,
        "revoke" => Kind::Deletion,
        "reaction" => Kind::Reaction,
        "button" => Kind::Action,
        // A form that was filled in, or a choice; an answer that WhatsApp could not read has neither.
        "interactive" => match content.text("type").as_deref() {
            Some("nfm_reply") => Kind::View,
            Some(_) => Kind::Action,
            None => Kind::Event,
        },
        // A kind of message that the API cannot show is one all the same.
        "text" | "location" | "contacts" | "order" | "unsupported" => Kind::Message,
        _ if FILES.iter().any(|(name, _)| *name == what) => Kind::Message,
        // Notes by WhatsApp itself (`system`, `request_welcome`), and what this build does not know.
        _ => Kind::Event,
    }
}

/// Text, files and buttons.
fn fill(draft: &mut Draft, what: &str, content: &Object<'_>) {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    if let Some((_, kind)) = FILES.iter().find(|(name, _)| *name == what) {
        draft.text = own(content.text("caption"));
        draft.attachments.push(Attachment {
            name: own(content.text("filename")),
            mime: own(content.text("mime_type")),
            url: own(content.text("url")),
            ..Attachment::of_kind(kind)
        });
        // A file without an address is fetched by its id.
        if let Some(id) = content.id("id") {
            draft.channel_data.insert("media_id".to_owned(), Value::from(id));
        }
    }
    match what {
        "text" | "system" => draft.text = own(content.text("body")),
        "location" => {
            draft.text = own(content.text("name").or_else(|| content.text("address")));
            show(draft, content, &["latitude", "longitude", "name", "address"]);
        }
        "order" => {
            draft.text = own(content.text("text"));
            show(draft, content, &["catalog_id"]);
        }
        "button" => {
            let title = content.text("text").unwrap_or_default().into_owned();
            pressed(draft, own(content.text("payload")).unwrap_or_else(|| title.clone()), title);
        }
        "interactive" => chosen(draft, content),
        _ => {}
    }
    if what == "system" {
        if let Some(note) = content.text("type") {
            draft.channel_data.insert("system".to_owned(), Value::from(note));
        }
        show(draft, content, &["wa_id", "new_wa_id", "user_id"]);
    }
    draft.entities.urls = draft.text.as_deref().map(entity::urls).unwrap_or_default();
}

fn chosen(draft: &mut Draft, content: &Object<'_>) {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let Some(what) = content.text("type") else { return };
    let reply = content.object(&what).unwrap_or_default();
    draft.channel_data.insert("interactive".to_owned(), Value::from(what.as_ref()));
    match what.as_ref() {
        "nfm_reply" => {
            let name = reply.text("name").unwrap_or_default().into_owned();
            draft.text = own(reply.text("body"));
            draft.buttons.push(Button {
                title: draft.text.clone().unwrap_or_else(|| name.clone()),
                id: name,
                payload: own(reply.text("response_json")).unwrap_or_default(),
            });
        }
        "call_permission_reply" => {
            let response = reply.text("response").unwrap_or_default().into_owned();
            show(draft, &reply, &["response", "response_source", "expiration_timestamp"]);
            pressed(draft, response.clone(), response);
        }
        _ => {
            show(draft, &reply, &["description"]);
            let id = own(reply.id("id")).unwrap_or_default();
            pressed(draft, id, own(reply.text("title")).unwrap_or_default());
        }
    }
}

/// The button that was pressed; the chat shows its title as what the user said.
fn pressed(draft: &mut Draft, id: String, title: String) {
    draft.text = Some(title.clone()).filter(|title| !title.is_empty());
    draft.buttons.push(Button {
        payload: id.clone(),
        id,
        title,
    });
}

/// What the message answers, how it came here, and what went wrong with it.
fn around(draft: &mut Draft, message: &Object<'_>) {
    let context = message.object("context").unwrap_or_default();
    if let Some(answered) = context.id("id") {
        draft.channel_data.insert("reply_to_message_id".to_owned(), Value::from(answered));
    }
    for flag in ["forwarded", "frequently_forwarded"]
        .into_iter()
        .filter(|flag| meta::is(&context, flag))
    {
        draft.channel_data.insert(flag.to_owned(), Value::Bool(true));
    }
    if let Some(referral) = message.object("referral") {
        let told = REFERRAL
            .iter()
            .filter_map(|member| Some(((*member).to_owned(), Value::from(referral.id(member)?))));
        draft.channel_data.insert("referral".to_owned(), Value::Object(told.collect()));
    }
    failed(draft, message);
}
