//! What a page sends: an activity of the Bot Framework (github.com/microsoft/botframework-sdk, `botframework-activity.md`). Who sent it and in which
//! conversation stands in the token; what the body says of that is not believed.

use super::{FACTS, token};
use crate::{
    DropReason, Opened, Refusal,
    activity::{Button, Entities, Kind, ProviderIds},
    entity,
    provider::{Arrival, bot_framework, generic},
};
use serde_json::Value;
use std::borrow::Cow;

/// Where a client keeps what is its own.
pub(super) const CHANNEL_DATA: &str = "channelData";
/// The client's id of what it sends: the same when it sends it again.
pub(super) const CLIENT_ID: &str = "clientActivityID";

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    // Verified a moment ago; read again, for what it says.
    let (token, _) = token::presented(arrival.request.headers, arrival.keys, arrival.now)?;
    let (raw, body) = generic::object(arrival)?;
    let name = bot_framework::name(&body)?;
    let kind = bot_framework::kind(&name, &body);
    let client_id = body.object(CHANNEL_DATA).and_then(|data| own(data.id(CLIENT_ID)));
    // Clients count for themselves: two conversations may use the same number.
    let id = client_id.map(|id| format!("{}|{id}", token.conversation));
    let id = generic::signed("activity", id);
    if body.object("from").is_some_and(|from| from.text("role").as_deref() == Some("bot")) {
        return Ok(generic::dropped(DropReason::OwnMessage, id.as_ref()));
    }

    let mut draft = generic::draft(arrival, &FACTS, kind, Some(&name), raw);
    draft.ids = ProviderIds {
        conversation_id: Some(token.conversation.clone()),
        user_id: Some(token.user.clone()),
        message_id: id.as_ref().map(|id| id.text.clone()),
        event_id: id.as_ref().map(|id| id.text.clone()),
        ..ProviderIds::default()
    };
    draft.anchor = token.conversation;
    draft.user = Some(token.user);
    draft.locale = own(body.text("locale"));
    draft.text = own(body.text("text"));
    draft.entities = Entities {
        urls: draft.text.as_deref().map(entity::urls).unwrap_or_default(),
        ..Entities::default()
    };
    draft.attachments = body
        .objects("attachments")
        .filter_map(|found| bot_framework::file(&found, None))
        .collect();
    if kind == Kind::Action
        && let Some(value) = body.raw("value")
    {
        draft.buttons = vec![Button {
            id: String::new(),
            title: name.clone().into_owned(),
            payload: value.get().to_owned(),
        }];
    }
    if let Some(event) = body.text("name") {
        draft.channel_data.insert("name".to_owned(), Value::from(event));
    }
    generic::deliver(arrival, draft, id, None)
}
