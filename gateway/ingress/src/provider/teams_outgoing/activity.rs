//! What Teams sends: an activity of the Bot Framework (github.com/microsoft/botframework-sdk, `botframework-activity.md`).

use crate::{
    DropReason, Opened, Refusal,
    activity::{Attachment, Button, Entities, Kind, Mention, ProviderIds},
    entity,
    json::Object,
    moment,
    provider::{Arrival, Facts, bot_framework, generic},
};
use data_encoding::HEXLOWER;
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Who is a bot has an id that begins so; people's begin with `29:`.
const BOT: &str = "28:";

/// A file that somebody shared: its address stands in the content.
const DOWNLOAD: &str = "application/vnd.microsoft.teams.file.download.info";

/// What stands in a thread's conversation behind the channel.
const THREAD: &str = ";messageid=";

/// Members that an answer needs, shown in `channel_data` where they are present.
const SHOWN: [&str; 7] = ["serviceUrl", "replyToId", "channelId", "name", "textFormat", "action", "code"];

/// Lists of a change, and the member of each entry that `channel_data` shows.
const CHANGES: [(&str, &str); 4] = [
    ("membersAdded", "id"),
    ("membersRemoved", "id"),
    ("reactionsAdded", "type"),
    ("reactionsRemoved", "type"),
];

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) enum Sender {
    /// Teams itself, for an outgoing webhook.
    OutgoingWebhook,
    /// The Bot Framework's connector, of any channel.
    Connector,
}

/// Reads an activity.
pub(in crate::provider) fn read(arrival: &Arrival<'_>, facts: &Facts, sender: Sender) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let (raw, body) = generic::object(arrival)?;
    let name = bot_framework::name(&body)?;
    let kind = bot_framework::kind(&name, &body);
    let object = |member: &str| body.object(member).unwrap_or_default();
    let (from, conversation, channel) = (object("from"), object("conversation"), object("channelData"));
    let of_channel = |member: &str| channel.object(member).and_then(|found| own(found.id("id")));
    let talk = own(conversation.id("id"));
    let tenant = of_channel("tenant").or_else(|| own(conversation.id("tenantId")));
    let user = own(from.id("id"));
    let id = own(body.id("id"));
    let mark = match sender {
        Sender::OutgoingWebhook => id.clone(),
        Sender::Connector => id.as_deref().map(|id| mark(id, &name, kind, talk.as_deref(), &body)),
    };
    // The recipient is the bot.
    let role = sender == Sender::Connector && from.text("role").as_deref() == Some("bot");
    let itself = role || user.is_some() && own(object("recipient").id("id")) == user;
    if itself && matches!(kind, Kind::Message | Kind::Edit | Kind::Deletion | Kind::Reaction) {
        return Ok(generic::dropped(DropReason::OwnMessage, generic::signed("activity", mark).as_ref()));
    }

    let mut draft = generic::draft(arrival, facts, kind, Some(&name), raw);
    draft.ids = ProviderIds {
        team_id: of_channel("team"),
        workspace_id: tenant.clone(),
        thread_id: talk.clone().filter(|talk| talk.contains(THREAD)),
        channel_id: of_channel("channel").or_else(|| Some(talk.as_ref()?.split_once(THREAD)?.0.to_owned())),
        user_id: user.clone(),
        message_id: if matches!(kind, Kind::Action | Kind::Reaction) {
            own(body.id("replyToId"))
        } else {
            id.clone()
        },
        event_id: id.clone(),
        conversation_id: talk,
    };
    let ids = &draft.ids;
    let anchor = [&ids.conversation_id, &ids.channel_id, &ids.user_id].into_iter().flatten().next();
    draft.anchor = anchor.cloned().unwrap_or_default();
    draft.user = user;
    draft.timestamp = body
        .text("timestamp")
        .and_then(|at| moment::rfc3339(&at))
        .unwrap_or(draft.timestamp);
    draft.locale = own(body.text("locale"));
    draft.text = own(body.text("text"));
    draft.entities = entities(draft.text.as_deref(), &body);
    draft.attachments = body.objects("attachments").filter_map(|found| file(&found)).collect();
    draft.buttons = match body.raw("value").filter(|_| kind == Kind::Action) {
        Some(value) => vec![sent_back(value, &name)],
        None => body.objects("attachments").flat_map(|card| offered(&card)).collect(),
    };
    draft.metadata.bot = from.text("role").as_deref() == Some("bot") || from.id("id").is_some_and(|id| id.starts_with(BOT));
    for member in SHOWN {
        if let Some(value) = body.id(member) {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    for (member, shown) in CHANGES {
        let all: Vec<_> = body.objects(member).filter_map(|found| found.id(shown).map(Value::from)).collect();
        if !all.is_empty() {
            draft.channel_data.insert(member.to_owned(), Value::from(all));
        }
    }
    if let Some(change) = channel.text("eventType") {
        draft.channel_data.insert("eventType".to_owned(), Value::from(change));
    }
    // The connector's token does not cover the body, so an id is no more proven than the rest; a mark of the body would add nothing, since
    // whoever could change the one could change the other.
    generic::deliver(arrival, draft, generic::signed("activity", mark), tenant)
}

/// An id counts within its conversation and its type; the same message can be changed and deleted more than once.
fn mark(id: &str, name: &str, kind: Kind, talk: Option<&str>, body: &Object<'_>) -> String {
    let talk = HEXLOWER.encode(&Sha256::digest(talk.unwrap_or_default()));
    let talk = talk.get(..16).unwrap_or_default();
    let again = matches!(kind, Kind::Edit | Kind::Deletion | Kind::Reaction | Kind::Membership);
    match body.text("timestamp").filter(|_| again) {
        Some(at) => format!("{id}.{name}.{talk}.{at}"),
        None => format!("{id}.{name}.{talk}"),
    }
}

/// Mentions stand beside the text, addresses in it.
fn entities(text: Option<&str>, body: &Object<'_>) -> Entities {
    let mut found = Entities {
        urls: text.map(entity::urls).unwrap_or_default(),
        ..Entities::default()
    };
    for mention in body
        .objects("entities")
        .filter(|entity| entity.text("type").as_deref() == Some("mention"))
    {
        let who = mention.object("mentioned").unwrap_or_default();
        let Some(id) = who.id("id") else { continue };
        let mention = Mention {
            id: id.into_owned(),
            name: who.text("name").map(Cow::into_owned),
            text: mention.text("text").map(Cow::into_owned).unwrap_or_default(),
        };
        entity::add(&mut found.mentions, mention);
    }
    found
}

/// A file. One that was shared says in its content where it is.
fn file(file: &Object<'_>) -> Option<Attachment> {
    let content = file.object("content").unwrap_or_default();
    let shared = file.text("contentType").as_deref() == Some(DOWNLOAD);
    bot_framework::file(file, content.text("downloadUrl").filter(|_| shared))
}

/// Buttons of a card: `buttons` of the older ones, `actions` of adaptive ones.
fn offered(card: &Object<'_>) -> Vec<Button> {
    let content = card.object("content").unwrap_or_default();
    let text = |button: &Object<'_>, member: &str| button.text(member).map(Cow::into_owned).unwrap_or_default();
    let button = |button: Object<'_>| {
        let sends = ["value", "url"]
            .into_iter()
            .find_map(|member| button.text(member))
            .map(Cow::into_owned);
        let data = || button.raw("data").map(|data| data.get().to_owned());
        Button {
            id: text(&button, "id"),
            title: text(&button, "title"),
            payload: sends.or_else(data).unwrap_or_default(),
        }
    };
    let all: Vec<_> = content.objects("buttons").chain(content.objects("actions")).collect();
    all.into_iter().map(button).collect()
}

/// What a card sent back, as JSON.
fn sent_back(value: &RawValue, name: &str) -> Button {
    let members = Object::read(value).unwrap_or_default();
    let id = ["actionId", "id", "verb"].into_iter().find_map(|member| members.id(member));
    let id = id.map(Cow::into_owned).unwrap_or_default();
    Button {
        title: if id.is_empty() { name.to_owned() } else { id.clone() },
        id,
        payload: value.get().to_owned(),
    }
}
