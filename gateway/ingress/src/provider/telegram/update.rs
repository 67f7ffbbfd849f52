//! Updates: which event one is, where it happened and who did it.

use super::{FACTS, message};
use crate::{
    DropReason, Opened, Refusal, UnixTime,
    activity::{Attachment, Button, Draft, Entities, Kind, ProviderIds},
    clock,
    json::{self, Object},
    provider::{Arrival, generic},
};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The members of an update that are events (core.telegram.org/bots/api, `Update`); each has exactly one.
const EVENTS: [(&str, Kind); 24] = [
    ("message", Kind::Message),
    ("edited_message", Kind::Edit),
    ("channel_post", Kind::Message),
    ("edited_channel_post", Kind::Edit),
    ("business_message", Kind::Message),
    ("edited_business_message", Kind::Edit),
    ("deleted_business_messages", Kind::Deletion),
    ("business_connection", Kind::Event),
    ("message_reaction", Kind::Reaction),
    ("message_reaction_count", Kind::Reaction),
    ("callback_query", Kind::Action),
    ("inline_query", Kind::Options),
    ("chosen_inline_result", Kind::Action),
    ("my_chat_member", Kind::Membership),
    ("chat_member", Kind::Membership),
    ("chat_join_request", Kind::Membership),
    ("shipping_query", Kind::Event),
    ("pre_checkout_query", Kind::Event),
    ("purchased_paid_media", Kind::Event),
    ("poll", Kind::Event),
    ("poll_answer", Kind::Event),
    ("chat_boost", Kind::Event),
    ("removed_chat_boost", Kind::Event),
    ("managed_bot", Kind::Event),
];

/// What a worker needs for its answer, shown in `channel_data` where it is present.
const SHOWN: [&str; 8] = [
    "chat_instance",
    "inline_message_id",
    "business_connection_id",
    "media_group_id",
    "result_id",
    "offset",
    "invoice_payload",
    "poll_id",
];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let (raw, update) = generic::object(arrival)?;
    let id = own(update.id("update_id")).ok_or_else(|| Refusal::unparsable("the update has no update_id"))?;
    let found = EVENTS.iter().find_map(|(name, kind)| Some((*name, *kind, update.object(name)?)));
    // An event that this build does not know is delivered all the same, with its id and `raw`.
    let (name, kind, event) = found.map_or((None, Kind::Event, Object::default()), |(name, kind, event)| {
        (Some(name), kind, event)
    });
    let kind = if kind == Kind::Message { message::kind(&event) } else { kind };
    // A bot sees nothing that it wrote itself, but what it wrote in the name of a business: an account has one bot, the one that gets its messages.
    if matches!(kind, Kind::Message | Kind::Edit) && event.object("sender_business_bot").is_some() {
        return Ok(generic::dropped(
            DropReason::OwnMessage,
            generic::signed("update", Some(id)).as_ref(),
        ));
    }

    // A press on a button nests the message that has the button.
    let message = event.object("message").filter(|_| kind == Kind::Action);
    let place = message.as_ref().unwrap_or(&event);
    let sender = event.object("from").or_else(|| event.object("user")).unwrap_or_default();
    let chat = place.object("chat").and_then(|chat| own(chat.id("id")));
    let thread = own(place.id("message_thread_id"));
    let user = own(sender.id("id"));
    let conversation = chat.as_deref().map(|chat| {
        // A customer's chat with a business has the same id as the customer's own chat with the bot, and as the one with another business.
        let business = place
            .id("business_connection_id")
            .map(|business| format!("{}/", part(&business)))
            .unwrap_or_default();
        let thread = thread.as_deref().map(|thread| format!("/{}", part(thread))).unwrap_or_default();
        format!("{business}{}{thread}", part(chat))
    });

    let mut draft = generic::draft(arrival, &FACTS, kind, name, raw);
    draft.ids = ProviderIds {
        conversation_id: conversation.clone(),
        thread_id: thread,
        channel_id: chat,
        user_id: user.clone(),
        message_id: own(place.id("message_id")),
        event_id: Some(id.clone()),
        ..ProviderIds::default()
    };
    draft.anchor = conversation.or_else(|| user.clone()).unwrap_or_default();
    draft.user = user;
    draft.locale = own(sender.text("language_code"));
    // A press has no time of its own: its message's may be years ago.
    let dates: &[&str] = if kind == Kind::Action { &[] } else { &["edit_date", "date"] };
    if let Some(at) = dates.iter().find_map(|date| event.integer(date).filter(|at| *at > 0)) {
        draft.timestamp = clock::rfc3339(UnixTime(at)).unwrap_or(draft.timestamp);
    }
    draft.metadata.bot = is_bot(&event, &sender);
    draft.channel_data.extend(channel_data(kind, name, &event, place));
    fill(&mut draft, kind, &event, place);
    generic::deliver(arrival, draft, generic::signed("update", Some(id)), None)
}

/// An id as a part of a conversation's: one with a slash would make one conversation of two.
fn part(id: &str) -> String {
    id.replace('%', "%25").replace('/', "%2F")
}

/// Who writes in the name of a chat (an anonymous administrator, a channel) stands behind a bot's name, but is none; words that somebody chose
/// from a bot's are the bot's.
fn is_bot(event: &Object<'_>, sender: &Object<'_>) -> bool {
    let is_bot = sender.raw("is_bot").is_some_and(|flag| flag.get() == "true");
    (is_bot && event.object("sender_chat").is_none()) || event.object("via_bot").is_some()
}

/// Text, files, buttons and entities.
fn fill(draft: &mut Draft, kind: Kind, event: &Object<'_>, place: &Object<'_>) {
    let (text, entities): (Option<String>, Entities) = match event.text("query") {
        Some(query) => (Some(query.into_owned()), Entities::default()),
        None => message::text(place),
    };
    let files: Vec<(Attachment, String)> = message::files(place);
    draft.text = text;
    draft.entities = entities;
    draft.buttons = if kind == Kind::Action {
        vec![pressed(event, place)]
    } else {
        message::buttons(place)
    };
    if !files.is_empty() {
        // A file has no address until `getFile` is asked for it.
        let ids = files.iter().map(|(_, id)| Value::from(id.as_str())).collect();
        draft.channel_data.insert("file_ids".to_owned(), Value::Array(ids));
    }
    draft.attachments = files.into_iter().map(|(file, _)| file).collect();
}

/// The button that was pressed, with the title that its message gives it.
fn pressed(event: &Object<'_>, place: &Object<'_>) -> Button {
    let held = ["data", "game_short_name", "result_id"]
        .into_iter()
        .find_map(|member| event.text(member));
    let held = held.map(Cow::into_owned).unwrap_or_default();
    let titled = message::buttons(place).into_iter().find(|button| button.payload == held);
    Button {
        id: held.clone(),
        title: titled.map_or_else(|| held.clone(), |button| button.title),
        payload: held,
    }
}

fn channel_data(kind: Kind, name: Option<&str>, event: &Object<'_>, place: &Object<'_>) -> Map<String, Value> {
    let mut data = Map::new();
    let mut set = |name: &str, value: Option<Cow<'_, str>>| {
        if let Some(value) = value {
            data.insert(name.to_owned(), Value::from(value));
        }
    };
    for member in SHOWN {
        set(member, event.id(member).or_else(|| place.id(member)));
    }
    set("chat_id", place.object("chat").and_then(|chat| chat.id("id")));
    set("chat_type", place.object("chat").and_then(|chat| chat.text("type")));
    set("sender_chat_id", event.object("sender_chat").and_then(|chat| chat.id("id")));
    set(
        "reply_to_message_id",
        place.object("reply_to_message").and_then(|message| message.id("message_id")),
    );
    if let Some(query) = name.filter(|name| name.ends_with("_query")) {
        set(&format!("{query}_id"), event.id("id"));
    }
    set("via_bot", event.object("via_bot").and_then(|bot| bot.id("id")));
    set("service", message::service(event).map(Cow::Borrowed));
    set("command", message::command(event));
    if kind == Kind::Membership {
        let member = |name: &str| event.object(name).unwrap_or_default();
        set("old_status", member("old_chat_member").text("status"));
        set("new_status", member("new_chat_member").text("status"));
        set("member_id", member("new_chat_member").object("user").and_then(|user| user.id("id")));
    }
    for reactions in ["old_reaction", "new_reaction"].into_iter().filter(|_| kind == Kind::Reaction) {
        if event.has(reactions) {
            data.insert(reactions.to_owned(), event.objects(reactions).filter_map(reaction).collect());
        }
    }
    let deleted = event.list("message_ids");
    if !deleted.is_empty() {
        let ids = deleted.into_iter().filter_map(json::id).map(Value::from).collect();
        data.insert("message_ids".to_owned(), Value::Array(ids));
    }
    data
}

/// An emoji, the id of a custom one, or `paid`.
fn reaction(reaction: Object<'_>) -> Option<Value> {
    let names = ["emoji", "custom_emoji_id", "type"];
    names.into_iter().find_map(|name| reaction.text(name)).map(Value::from)
}
