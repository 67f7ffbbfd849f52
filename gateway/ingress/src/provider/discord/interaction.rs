//! Interactions: commands, components, autocompletion, dialogs.

use super::{content, name_of, signed_at};
use crate::{
    Opened, Refusal, UnixTime,
    activity::{Button, Draft, Kind, ProviderIds},
    clock,
    json::Object,
    provider::{Arrival, generic},
};
use serde_json::{Map, Value, value::RawValue};
use std::borrow::Cow;

/// What an answer needs, and where it was, shown in `channel_data` where it is present.
const SHOWN: [&str; 4] = ["id", "token", "application_id", "guild_locale"];

/// The first millisecond of Discord's ids.
const EPOCH_MS: u64 = 1_420_070_400_000;

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>, kind: i64) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let data = body.object("data").unwrap_or_default();
    let message = body.object("message").unwrap_or_default();
    let (kind, event) = match (kind, data.integer("type")) {
        // A command of a message's or a person's menu, not one that was written.
        (2, Some(2 | 3)) => (Kind::Shortcut, "application_command"),
        (2, _) => (Kind::Command, "application_command"),
        (3, _) => (Kind::Action, "message_component"),
        (4, _) => (Kind::Options, "application_command_autocomplete"),
        (5, _) => (Kind::View, "modal_submit"),
        _ => (Kind::Event, "interaction"),
    };
    let id = own(body.id("id")).ok_or_else(|| Refusal::unparsable("the interaction has no id"))?;
    let place = body.object("channel").unwrap_or_default();
    let channel = own(body.id("channel_id").or_else(|| place.id("id")));
    let who = body.object("member").and_then(|member| member.object("user"));
    let who = who.or_else(|| body.object("user")).unwrap_or_default();
    // A thread is a channel of its own.
    let thread = channel.clone().filter(|_| matches!(place.integer("type"), Some(10..=12)));
    let guild = own(body.id("guild_id"));
    let target = own(data.id("target_id"));
    let menu_of_message = data.integer("type") == Some(3);

    let mut draft = generic::draft(arrival, &super::FACTS, kind, Some(event), raw);
    draft.ids = ProviderIds {
        workspace_id: guild.clone(),
        conversation_id: channel.clone(),
        thread_id: thread,
        channel_id: channel.clone(),
        user_id: own(who.id("id")),
        message_id: own(message.id("id")).or_else(|| target.clone().filter(|_| menu_of_message)),
        event_id: Some(id.clone()),
        ..ProviderIds::default()
    };
    draft.anchor = channel.or_else(|| own(who.id("id"))).unwrap_or_default();
    draft.user = own(who.id("id"));
    draft.locale = own(body.text("locale"));
    draft.timestamp = made_at(&id).or_else(|| signed_at(arrival)).unwrap_or(draft.timestamp);
    draft.metadata.bot = content::is_bot(&who);
    for member in SHOWN {
        if let Some(value) = body.id(member) {
            let name = if member == "id" { "interaction_id" } else { member };
            draft.channel_data.insert(name.to_owned(), Value::from(value));
        }
    }
    if let Some(parent) = place.id("parent_id") {
        draft.channel_data.insert("parent_id".to_owned(), Value::from(parent));
    }
    let resolved = data.object("resolved").unwrap_or_default();
    match kind {
        Kind::Command | Kind::Options => command(&mut draft, &data, &resolved, kind),
        Kind::Shortcut => shortcut(&mut draft, &data, &resolved, target),
        Kind::Action => action(&mut draft, &data, &message),
        Kind::View => view(&mut draft, &data),
        _ => {}
    }
    let account = guild.or_else(|| own(body.id("application_id")));
    generic::deliver(arrival, draft, generic::signed("interaction", Some(id)), account)
}

/// The time that an id carries.
fn made_at(id: &str) -> Option<String> {
    let made = (id.parse::<u64>().ok()? >> 22).checked_add(EPOCH_MS)?;
    clock::rfc3339(UnixTime(i64::try_from(made / 1000).ok()?))
}

/// What was written behind the command's name: subcommands, and values by their names. Of an autocompletion, what is written so far.
fn command(draft: &mut Draft, data: &Object<'_>, resolved: &Object<'_>, kind: Kind) {
    let mut words = Vec::new();
    let mut focused = None;
    options(data, &mut |option, value| {
        let name = option.text("name").unwrap_or_default();
        if option.raw("focused").is_some_and(|flag| flag.get() == "true") {
            focused.clone_from(&value);
        }
        if let Some(file) = value.as_deref().filter(|_| option.integer("type") == Some(11)) {
            let file = resolved.object("attachments").and_then(|files| files.object(file));
            draft.attachments.extend(file.map(|file| content::file(&file)));
        }
        words.push(value.map_or_else(|| name.clone().into_owned(), |value| format!("{name}:{value}")));
    });
    let text = if kind == Kind::Options { focused } else { Some(words.join(" ")) };
    draft.entities = text.as_deref().map(|text| content::entities(text, &[])).unwrap_or_default();
    draft.text = text;
    draft.channel_data.insert("command".to_owned(), Value::from(name_of(data)));
}

/// Options, outermost first. Discord nests a command in a group at most, and so does this.
fn options<'a>(data: &Object<'a>, each: &mut impl FnMut(&Object<'a>, Option<String>)) {
    for outer in data.objects("options") {
        each(&outer, value(&outer));
        for middle in outer.objects("options") {
            each(&middle, value(&middle));
            for inner in middle.objects("options") {
                each(&inner, value(&inner));
            }
        }
    }
}

/// A string, a number digit for digit, `true` or `false`.
fn value(option: &Object<'_>) -> Option<String> {
    match option.raw("value")?.get() {
        flag @ ("true" | "false") => Some(flag.to_owned()),
        _ => option.text("value").or_else(|| option.id("value")).map(Cow::into_owned),
    }
}

/// A menu's command: the message that it was chosen for has the text.
fn shortcut(draft: &mut Draft, data: &Object<'_>, resolved: &Object<'_>, target: Option<String>) {
    draft.channel_data.insert("command".to_owned(), Value::from(name_of(data)));
    let messages = resolved.object("messages").unwrap_or_default();
    if let Some(message) = target.as_deref().and_then(|target| messages.object(target)) {
        content::fill(draft, &message);
    }
    if let Some(target) = target {
        draft.channel_data.insert("target_id".to_owned(), Value::from(target));
    }
}

/// The control that was used, with the title that its message gives it; a menu's choices are joined by commas.
fn action(draft: &mut Draft, data: &Object<'_>, message: &Object<'_>) {
    content::fill(draft, message);
    let id = data.text("custom_id").map(Cow::into_owned).unwrap_or_default();
    let chosen: Vec<_> = data.list("values").into_iter().filter_map(crate::json::id).collect();
    let titled = content::buttons(message).into_iter().find(|button| button.id == id);
    let payload = if data.has("values") { chosen.join(",") } else { id.clone() };
    draft.buttons = vec![Button {
        title: titled.map_or_else(|| id.clone(), |button| button.title),
        id,
        payload,
    }];
}

/// What a dialog's fields hold, by their ids.
fn view(draft: &mut Draft, data: &Object<'_>) {
    let mut fields = Map::new();
    for row in data.objects("components") {
        // A row has fields, a label has one.
        for field in row.objects("components").chain(row.object("component")) {
            let chosen = || {
                let chosen: Vec<_> = field.list("values").into_iter().filter_map(crate::json::id).collect();
                Cow::Owned(chosen.join(","))
            };
            if let Some(id) = field.text("custom_id") {
                fields.insert(id.into_owned(), Value::from(field.text("value").unwrap_or_else(chosen)));
            }
        }
    }
    draft.channel_data.insert("fields".to_owned(), Value::Object(fields));
    if let Some(id) = data.text("custom_id") {
        draft.channel_data.insert("custom_id".to_owned(), Value::from(id));
    }
}
