//! Changes: which events stand in one, of which number and with whom.

use super::{FACTS, message, notice};
use crate::{
    DropReason, Opened, Refusal,
    activity::{Draft, Kind, ProviderIds},
    json::Object,
    provider::{
        Arrival,
        batch::{self, Batch, Place},
        generic, meta,
    },
    verified::EventId,
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// One change, with what its events share.
pub(super) struct Change<'a> {
    pub(super) arrival: &'a Arrival<'a>,
    raw: &'a RawValue,
    pub(super) field: Cow<'a, str>,
    pub(super) value: Object<'a>,
    /// The business account.
    business: Option<String>,
    /// The phone number's id.
    number: Option<String>,
    /// Who is spoken with, each with the ids that name him.
    contacts: Vec<([Option<Cow<'a, str>>; 2], Object<'a>)>,
    /// What stands beside the errors of the change, as a hash.
    pub(super) beside: Option<String>,
    /// The entry's own time, as it is written; only a change of the business account needs it.
    time: Option<Cow<'a, str>>,
    /// The same, as an activity writes it.
    timestamp: Option<String>,
}

/// With whom, and where: in a group, or with the customer alone.
#[derive(Default)]
pub(super) struct Party {
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let mut batch = Batch::new(arrival);
    for entry in meta::entries(arrival, "whatsapp_business_account")? {
        for (raw, change) in batch::objects(&entry, "changes")? {
            meta::short(&change, &["field"])?;
            let value = change.object("value").unwrap_or_default();
            meta::short(&value, &["metadata"])?;
            let contacts = value.list("contacts");
            // Each message looks for its own.
            if contacts.len() > batch::MAX_EVENTS || contacts.iter().any(|contact| contact.get().len() > meta::MAX_SHARED) {
                return Err(Refusal::unparsable(
                    "the contacts, which each event repeats, are too many or too long",
                ));
            }
            Change::of(arrival, &entry, raw, &change).split(&mut batch)?;
        }
    }
    batch.opened()
}

/// Where a payload's ids stand.
pub(super) fn ids<'a>(body: &Object<'a>) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for change in body.objects("entry").flat_map(|entry| entry.objects("changes").collect::<Vec<_>>()) {
        let value = change.object("value").unwrap_or_default();
        for list in ["messages", "statuses", "calls", "message_echoes"] {
            let items = value.list(list).into_iter().filter(|item| Object::read(item).is_some());
            found.extend(items.map(|item| (item, "id")));
        }
    }
    found
}

impl<'a> Change<'a> {
    fn of(arrival: &'a Arrival<'a>, entry: &Object<'a>, raw: &'a RawValue, change: &Object<'a>) -> Self {
        let value = change.object("value").unwrap_or_default();
        let number = value.object("metadata").and_then(|metadata| metadata.id("phone_number_id"));
        let contacts = value.objects("contacts");
        let contacts = contacts.map(|contact| (["wa_id", "user_id"].map(|member| contact.id(member)), contact));
        let beside = ["messages", "calls", "statuses"].into_iter().find_map(|list| value.raw(list));
        Self {
            arrival,
            raw,
            field: change.text("field").unwrap_or_default(),
            contacts: contacts.collect(),
            beside: beside
                .filter(|_| value.has("errors"))
                .map(|list| generic::derived_id(list.get().as_bytes())),
            value,
            business: entry.id("id").map(Cow::into_owned),
            number: number.map(Cow::into_owned),
            time: entry.id("time"),
            timestamp: meta::time(entry, "time"),
        }
    }

    fn split(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        let mut whole = true;
        for (name, read) in LISTS {
            for (raw, item) in batch::objects(&self.value, name)? {
                whole = false;
                read(self, batch, raw, &item)?;
            }
        }
        // What the business wrote by hand, on a phone: to answer it would be to talk to oneself.
        for (raw, item) in batch::objects(&self.value, "message_echoes")? {
            whole = false;
            batch.pass(DropReason::OwnMessage, &self.id("message", item.id("id"), raw))?;
        }
        if !whole {
            return Ok(());
        }
        let draft = self.draft(Kind::Event, &self.field, &Party::default(), self.raw);
        let id = meta::made_id(self.raw, &[self.business.as_deref(), self.time.as_deref()]);
        self.run(batch, draft, id, self.raw)
    }

    /// A draft with what all events of the change have.
    pub(super) fn draft(&self, kind: Kind, name: &str, party: &Party, raw: &RawValue) -> Draft {
        let mut draft = generic::draft(self.arrival, &FACTS, kind, Some(name), raw);
        let conversation = party.group.clone().or_else(|| party.user.clone());
        draft.ids = ProviderIds {
            workspace_id: self.business.clone(),
            conversation_id: conversation.clone(),
            channel_id: self.number.clone(),
            user_id: party.user.clone(),
            ..ProviderIds::default()
        };
        draft.anchor = conversation.unwrap_or_default();
        draft.user.clone_from(&party.user);
        draft.timestamp = self.timestamp.clone().unwrap_or(draft.timestamp);
        let mut set = |name: &str, value: Option<Cow<'_, str>>| {
            if let Some(value) = value {
                draft.channel_data.insert(name.to_owned(), Value::from(value));
            }
        };
        set("field", Some(Cow::Borrowed(self.field.as_ref())));
        set("phone_number_id", self.number.as_deref().map(Cow::Borrowed));
        let metadata = self.value.object("metadata").unwrap_or_default();
        set("display_phone_number", metadata.id("display_phone_number"));
        if let Some(contact) = self.contact(party.user.as_deref()) {
            let profile = contact.object("profile").unwrap_or_default();
            set("profile_name", profile.text("name"));
            set("username", profile.text("username"));
            for member in ["wa_id", "user_id", "parent_user_id"] {
                set(member, contact.id(member));
            }
        }
        draft
    }

    /// The id that an item has, or one made for it.
    pub(super) fn id(&self, kind: &'static str, id: Option<Cow<'_, str>>, raw: &RawValue) -> EventId {
        generic::signed(kind, id).unwrap_or_else(|| meta::made_id(raw, &[self.business.as_deref(), self.number.as_deref()]))
    }

    /// The account is the number; a change of the business account itself has none.
    pub(super) fn run(&self, batch: &mut Batch<'_>, draft: Draft, id: EventId, raw: &RawValue) -> Result<(), Refusal> {
        let account = self.number.clone().or_else(|| self.business.clone());
        batch.run(draft, id, account, raw)
    }

    /// Who an item is with: the first of its members that names someone. Who has no phone number shown has a business-scoped id alone.
    pub(super) fn party(&self, item: &Object<'_>, members: &[&str]) -> Party {
        let named = members.iter().find_map(|member| item.id(member));
        let only = || {
            let contact = self.contact(None)?;
            contact.id("wa_id").or_else(|| contact.id("user_id"))
        };
        Party {
            user: named.or_else(only).map(Cow::into_owned),
            group: item.id("group_id").map(Cow::into_owned),
        }
    }

    /// The contact of this user, or the only one that there is.
    fn contact(&self, user: Option<&str>) -> Option<&Object<'a>> {
        let found = match (user, self.contacts.as_slice()) {
            (Some(user), contacts) => contacts.iter().find(|(ids, _)| ids.iter().flatten().any(|id| id == user)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(|(_, contact)| contact)
    }
}

type Read = fn(&Change<'_>, &mut Batch<'_>, &RawValue, &Object<'_>) -> Result<(), Refusal>;

/// The lists of a change that hold events, and what reads an item of each.
const LISTS: [(&str, Read); 6] = [
    ("messages", message::read),
    ("statuses", notice::status),
    ("calls", notice::call),
    ("user_preferences", notice::preference),
    ("groups", notice::group),
    ("errors", notice::error),
];
