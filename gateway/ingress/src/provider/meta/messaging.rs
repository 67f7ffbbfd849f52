//! Messenger and Instagram: events of conversations with a page or an account, and changes of what belongs to it. One request may carry those of
//! several pages (developers.facebook.com, "Messenger Platform: webhooks" and "Instagram Platform: webhooks").

mod content;

use super::{entries, is, made_id, time};
use crate::{
    Answer, DropReason, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::{Draft, Kind, ProviderIds},
    json::Object,
    mac::Proof,
    provider::{
        Arrival, Facts, Opener,
        batch::{self, Batch, Place},
        generic, meta,
    },
    sign::{SignError, Signed},
    verified::EventId,
};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, time::Duration};

/// Retried for about a day and a half.
static FACTS: Facts = meta::facts(Duration::from_secs(48 * 3600), Duration::from_secs(20));

/// One of the two.
pub(in crate::provider) struct Surface {
    /// The body's `object`.
    pub(in crate::provider) object: &'static str,
    /// A small real payload.
    pub(in crate::provider) sample: &'static str,
}

impl Opener for Surface {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn handshake(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme) -> Option<Result<Answer, Refusal>> {
        meta::handshake(request, keys)
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        meta::MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        read(arrival, self.object)
    }

    fn sample(&self) -> &'static str {
        self.sample
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        meta::sign(payload, key, fresh_id, ids)
    }
}

/// The members of an item that are events; each has one of them.
const EVENTS: [(&str, Kind); 20] = [
    ("message", Kind::Message),
    ("message_edit", Kind::Edit),
    ("postback", Kind::Action),
    ("reaction", Kind::Reaction),
    ("read", Kind::Event),
    ("delivery", Kind::Event),
    ("optin", Kind::Event),
    ("optout", Kind::Event),
    ("referral", Kind::Event),
    ("account_linking", Kind::Event),
    ("pass_thread_control", Kind::Event),
    ("take_thread_control", Kind::Event),
    ("request_thread_control", Kind::Event),
    ("app_roles", Kind::Event),
    ("policy_enforcement", Kind::Event),
    ("message_context", Kind::Event),
    ("feedback", Kind::Event),
    ("messaging_feedback", Kind::Event),
    ("game_play", Kind::Event),
    ("order", Kind::Event),
];

/// One item of an entry.
struct Item<'a> {
    raw: &'a RawValue,
    object: Object<'a>,
    /// The page or account.
    page: Option<String>,
    /// Another application has the conversation: this one listens.
    standby: bool,
}

fn read(arrival: &Arrival<'_>, object: &str) -> Result<Opened, Refusal> {
    let mut batch = Batch::new(arrival);
    for entry in entries(arrival, object)? {
        let page = entry.id("id").map(Cow::into_owned);
        for list in ["messaging", "standby"] {
            for (raw, object) in batch::objects(&entry, list)? {
                let item = Item {
                    raw,
                    object,
                    page: page.clone(),
                    standby: list == "standby",
                };
                item.read(arrival, &mut batch)?;
            }
        }
        for (raw, change) in batch::objects(&entry, "changes")? {
            match change.object("value").filter(|value| value.has("sender") && value.has("recipient")) {
                // Instagram writes a message so, too.
                Some(object) => Item {
                    raw: change.raw("value").unwrap_or(raw),
                    object,
                    page: page.clone(),
                    standby: false,
                }
                .read(arrival, &mut batch)?,
                None => changed(arrival, &entry, raw, &change, &mut batch)?,
            }
        }
    }
    batch.opened()
}

/// Where a payload's ids stand.
fn ids<'a>(body: &Object<'a>) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for entry in body.objects("entry") {
        for item in entry.objects("messaging").chain(entry.objects("standby")) {
            let part = |member| item.raw(member).filter(|value| Object::read(value).is_some());
            found.extend(
                ["message", "message_edit", "postback"]
                    .into_iter()
                    .filter_map(part)
                    .map(|part| (part, "mid")),
            );
        }
    }
    found
}

impl Item<'_> {
    fn read(&self, arrival: &Arrival<'_>, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        let found = EVENTS
            .iter()
            .find_map(|(name, kind)| Some((*name, *kind, self.object.object(name)?)));
        // An event that this build does not know is delivered all the same.
        let (name, kind, event) =
            found.unwrap_or_else(|| (if self.standby { "standby" } else { "messaging" }, Kind::Event, Object::default()));
        let kind = if kind == Kind::Message { content::kind(&event) } else { kind };
        let id = self.id(name, kind, &event);
        if self.is_own(&event) {
            return batch.pass(DropReason::OwnMessage, &id);
        }
        let draft = self.draft(arrival, name, kind, &event);
        batch.run(draft, id, self.page.clone(), self.raw)
    }

    fn end(&self, name: &str) -> Option<Cow<'_, str>> {
        self.object.object(name)?.id("id")
    }

    /// What the page wrote itself, by this application, another one, or by hand.
    fn is_own(&self, event: &Object<'_>) -> bool {
        let from_page = self.page.is_some() && self.end("sender").as_deref() == self.page.as_deref();
        is(event, "is_echo") || (from_page && self.end("recipient").as_deref() != self.page.as_deref())
    }

    /// A message's id, with what was done to it; anything else has none, but its time stands in it.
    fn id(&self, name: &str, kind: Kind, event: &Object<'_>) -> EventId {
        let mid = event.id("mid").filter(|_| matches!(name, "message" | "message_edit" | "postback"));
        let of = mid.and_then(|mid| match (name, kind) {
            (_, Kind::Deletion) => Some(format!("{mid}.deleted")),
            ("message_edit", _) => Some(format!("{mid}.edit.{}", event.id("num_edit")?)),
            _ => Some(mid.into_owned()),
        });
        let kind = if name == "postback" { "postback" } else { "message" };
        generic::signed(kind, of).unwrap_or_else(|| made_id(self.raw, &[self.page.as_deref()]))
    }

    fn draft(&self, arrival: &Arrival<'_>, name: &str, kind: Kind, event: &Object<'_>) -> Draft {
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let mut draft = generic::draft(arrival, &FACTS, kind, Some(name), self.raw);
        // Some events are told from the page's side: the conversation is with the other end.
        let ends = ["sender", "recipient"].map(|end| self.end(end));
        let person = ends.iter().flatten().find(|id| Some(id.as_ref()) != self.page.as_deref());
        let user = own(person.cloned().or_else(|| self.end("sender")));
        draft.ids = ProviderIds {
            workspace_id: self.page.clone(),
            conversation_id: user.clone(),
            user_id: user.clone(),
            message_id: own(event.id("mid")),
            ..ProviderIds::default()
        };
        draft.anchor = user.clone().unwrap_or_default();
        draft.user = user;
        draft.timestamp = time(&self.object, "timestamp").unwrap_or(draft.timestamp);
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                draft.channel_data.insert(name.to_owned(), value);
            }
        };
        set("page_id", self.page.as_deref().map(Value::from));
        if self.standby {
            set("mode", Some(Value::from("standby")));
        }
        content::fill(&mut draft, name, event);
        draft
    }
}

/// A change of the page or account: a comment, a mention, a post.
fn changed(arrival: &Arrival<'_>, entry: &Object<'_>, raw: &RawValue, change: &Object<'_>, batch: &mut Batch<'_>) -> Result<(), Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let page = own(entry.id("id"));
    let field = change.text("field").unwrap_or_default();
    let value = change.object("value").unwrap_or_default();
    let from = value.object("from").unwrap_or_default();
    let sender = own(from.id("id"));
    // The retry of a change has the time of the first.
    let id = made_id(raw, &[page.as_deref(), entry.id("time").as_deref()]);
    let is_comment = matches!(field.as_ref(), "comments" | "live_comments") || value.text("item").as_deref() == Some("comment");
    if is_comment && sender.is_some() && sender == page {
        return batch.pass(DropReason::OwnMessage, &id);
    }
    let mut draft = generic::draft(
        arrival,
        &FACTS,
        Kind::Event,
        Some(&field).filter(|field| !field.is_empty()).map(AsRef::as_ref),
        raw,
    );
    draft.ids.workspace_id.clone_from(&page);
    draft.ids.user_id.clone_from(&sender);
    draft.ids.message_id = own(value.id("comment_id").or_else(|| value.id("id")).or_else(|| value.id("post_id")));
    draft.user = sender;
    draft.text = own(value.text("text").or_else(|| value.text("message")));
    draft.entities.urls = draft.text.as_deref().map(crate::entity::urls).unwrap_or_default();
    draft.timestamp = ["created_time", "timestamp"]
        .into_iter()
        .find_map(|member| time(&value, member))
        .or_else(|| time(entry, "time"))
        .unwrap_or(draft.timestamp);
    for member in ["item", "verb", "post_id", "parent_id", "comment_id", "media_id"] {
        if let Some(value) = value.id(member) {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    if let Some(media) = value.object("media").and_then(|media| media.id("id")) {
        draft.channel_data.insert("media_id".to_owned(), Value::from(media));
    }
    batch.run(draft, id, page, raw)
}
