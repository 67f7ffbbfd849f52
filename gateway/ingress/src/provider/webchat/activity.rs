//! What a page sends: an activity of the Bot Framework (github.com/microsoft/botframework-sdk, `botframework-activity.md`). Who sent it and in which
//! conversation stands in the token; what the body says of that is not believed.

use super::{FACTS, token};
use crate::{
    DropReason, Opened, Refusal,
    activity::{Attachment, Button, Entities, Kind, ProviderIds},
    entity,
    json::Object,
    provider::{Arrival, generic},
};
use serde_json::Value;
use std::borrow::Cow;

/// Where a client keeps what is its own.
pub(super) const CHANNEL_DATA: &str = "channelData";
/// The client's id of what it sends: the same when it sends it again.
pub(super) const CLIENT_ID: &str = "clientActivityID";

/// Cards are no files.
const CARD: &str = "application/vnd.microsoft.card.";

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    // Verified a moment ago; read again, for what it says.
    let (token, _) = token::presented(arrival.request.headers, arrival.keys, arrival.now)?;
    let (raw, body) = generic::object(arrival)?;
    let name = body
        .text("type")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::unparsable("the activity has no type"))?;
    let kind = kind(&name, &body);
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
    draft.attachments = body.objects("attachments").filter_map(|found| file(&found)).collect();
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

fn kind(name: &str, body: &Object<'_>) -> Kind {
    let has = |member: &str| body.raw(member).is_some_and(|value| value.get() != "null");
    match name {
        // A card that is sent back is a message without a text.
        "message" if has("value") && !has("text") => Kind::Action,
        "message" => Kind::Message,
        "messageUpdate" => Kind::Edit,
        "messageDelete" => Kind::Deletion,
        "messageReaction" => Kind::Reaction,
        "conversationUpdate" | "contactRelationUpdate" | "installationUpdate" => Kind::Membership,
        "invoke" => Kind::Action,
        // `event`, `typing`, `endOfConversation`, `trace`: told apart by the event's name.
        _ => Kind::Event,
    }
}

fn file(file: &Object<'_>) -> Option<Attachment> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let mime = own(file.text("contentType"));
    let declared = mime.as_deref().unwrap_or_default();
    let url = own(file.text("contentUrl"));
    if declared.starts_with(CARD) || url.is_none() {
        return None;
    }
    let kind = match declared.split('/').next() {
        Some("image") => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        _ => "file",
    };
    Some(Attachment {
        kind,
        name: own(file.text("name")),
        mime,
        size: 0,
        url,
        data_inline_b64: None,
    })
}
