//! What stands in Discord's messages.

use crate::{
    activity::{Attachment, Button, Draft, Entities, Mention},
    entity,
    json::Object,
};
use std::borrow::Cow;

/// Text, files, buttons and entities of a message.
pub(super) fn fill(draft: &mut Draft, message: &Object<'_>) {
    draft.text = message.text("content").map(Cow::into_owned);
    let people: Vec<_> = message.objects("mentions").collect();
    draft.entities = draft.text.as_deref().map(|text| entities(text, &people)).unwrap_or_default();
    draft.attachments = message.objects("attachments").map(|found| file(&found)).collect();
    draft.buttons = buttons(message);
}

/// Whether an account is a bot's.
pub(super) fn is_bot(user: &Object<'_>) -> bool {
    user.raw("bot").is_some_and(|flag| flag.get() == "true")
}

/// `<@id>` and `<@!id>`, with the names that the message gives beside its text, and addresses.
pub(super) fn entities(text: &str, people: &[Object<'_>]) -> Entities {
    let mut found = Entities {
        urls: entity::urls(text),
        ..Entities::default()
    };
    for part in text.split("<@").skip(1) {
        let Some((inside, _)) = part.split_once('>') else { continue };
        let id = inside.strip_prefix('!').unwrap_or(inside);
        // `<@&id>` is a role.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let person = people.iter().find(|person| person.id("id").as_deref() == Some(id));
        let name = person.and_then(|person| person.text("global_name").or_else(|| person.text("username")));
        let mention = Mention {
            id: id.to_owned(),
            name: name.map(Cow::into_owned),
            text: format!("<@{inside}>"),
        };
        entity::add(&mut found.mentions, mention);
    }
    found
}

pub(super) fn file(file: &Object<'_>) -> Attachment {
    let own = |member: &str| file.text(member).map(Cow::into_owned);
    Attachment {
        name: own("filename"),
        size: file.size("size"),
        url: own("url"),
        ..Attachment::of(own("content_type"))
    }
}

/// Buttons in rows, beside a section, and in a container of both: three levels at most.
pub(super) fn buttons(message: &Object<'_>) -> Vec<Button> {
    let mut found = Vec::new();
    for outer in message.objects("components") {
        for middle in inside(&outer) {
            found.extend(
                std::iter::once(&middle)
                    .chain(&inside(&middle))
                    .filter(|component| is_button(component))
                    .map(button),
            );
        }
    }
    found
}

fn inside<'a>(component: &Object<'a>) -> Vec<Object<'a>> {
    component.objects("components").chain(component.object("accessory")).collect()
}

fn is_button(component: &Object<'_>) -> bool {
    component.integer("type") == Some(2)
}

fn button(component: &Object<'_>) -> Button {
    let own = |member: &str| component.text(member).map(Cow::into_owned);
    let id = own("custom_id").unwrap_or_default();
    Button {
        title: own("label").unwrap_or_else(|| id.clone()),
        payload: own("url").unwrap_or_else(|| id.clone()),
        id,
    }
}
