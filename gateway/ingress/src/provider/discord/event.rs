//! Webhook events: what happened to the application, and messages outside of servers (docs.discord.com, "Webhook Events").

use super::{content, signed_at};
use crate::{
    DropReason, Opened, Refusal,
    activity::{Kind, ProviderIds},
    json::Object,
    moment,
    provider::{Arrival, generic},
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>, event: &Object<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let name = event
        .text("type")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::unparsable("the event has no type"))?;
    let data = event.object("data").unwrap_or_default();
    let kind = if name.ends_with("_MESSAGE_CREATE") {
        Kind::Message
    } else if name.ends_with("_MESSAGE_UPDATE") {
        Kind::Edit
    } else if name.ends_with("_MESSAGE_DELETE") {
        Kind::Deletion
    } else {
        Kind::Event
    };
    let talk = kind != Kind::Event;
    let who = ["author", "user"]
        .into_iter()
        .find_map(|member| data.object(member))
        .unwrap_or_default();
    let user = own(who.id("id").or_else(|| data.id("user_id")));
    let channel = own(data.id("channel_id").or_else(|| data.id("lobby_id"))).filter(|_| talk);
    // Nothing names an event. Its retries have the same body, and the signature covers it.
    let id = own(body.id("id")).unwrap_or_else(|| generic::derived_id(arrival.request.body));
    let application = own(body.id("application_id"));
    // An application's messages bear its id; its user has the same one, unless both are very old.
    let mut wrote = [data.id("application_id"), who.id("id")].into_iter().flatten();
    if talk && application.is_some() && wrote.any(|id| Some(&*id) == application.as_deref()) {
        return Ok(generic::dropped(
            DropReason::OwnMessage,
            generic::signed("event", Some(id)).as_ref(),
        ));
    }

    let mut draft = generic::draft(arrival, &super::FACTS, kind, Some(&name), raw);
    draft.ids = ProviderIds {
        workspace_id: own(data
            .object("guild")
            .and_then(|guild| guild.id("id"))
            .or_else(|| data.id("guild_id"))),
        conversation_id: channel.clone(),
        channel_id: channel.clone(),
        user_id: user.clone(),
        message_id: own(data.id("id")).filter(|_| talk),
        event_id: Some(id.clone()),
        ..ProviderIds::default()
    };
    draft.anchor = channel.or_else(|| user.clone()).filter(|_| talk).unwrap_or_default();
    draft.user = user.filter(|_| talk);
    let happened = event.text("timestamp").and_then(|at| moment::rfc3339(&at));
    draft.timestamp = happened.or_else(|| signed_at(arrival)).unwrap_or(draft.timestamp);
    draft.locale = own(who.text("locale"));
    draft.metadata.bot = content::is_bot(&who);
    if matches!(kind, Kind::Message | Kind::Edit) {
        content::fill(&mut draft, &data);
    }
    if let Some(application) = &application {
        draft
            .channel_data
            .insert("application_id".to_owned(), Value::from(application.as_str()));
    }
    generic::deliver(arrival, draft, generic::signed("event", Some(id)), application)
}
