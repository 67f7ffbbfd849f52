//! What Teams and web chat share: activities of the Bot Framework (github.com/microsoft/botframework-sdk, `botframework-activity.md`).

use crate::{
    Refusal,
    activity::{Attachment, Kind},
    json::Object,
};
use std::borrow::Cow;

/// Cards are no files.
const CARD: &str = "application/vnd.microsoft.card.";

/// An activity's type.
///
/// # Errors
/// `Unparsable` when it has none.
pub(super) fn name<'a>(body: &Object<'a>) -> Result<Cow<'a, str>, Refusal> {
    body.text("type")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::unparsable("the activity has no type"))
}

/// What an activity of this type is.
pub(super) fn kind(name: &str, body: &Object<'_>) -> Kind {
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

/// One of `attachments`, if it is a file: the message's own text in HTML stands among them, and so do cards. `elsewhere`: where it is, when that is not its
/// `contentUrl`.
pub(super) fn file(file: &Object<'_>, elsewhere: Option<Cow<'_, str>>) -> Option<Attachment> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let mime = own(file.text("contentType"));
    if mime.as_deref().is_some_and(|mime| mime.starts_with(CARD)) {
        return None;
    }
    Some(Attachment {
        name: own(file.text("name")),
        url: Some(elsewhere.or_else(|| file.text("contentUrl"))?.into_owned()),
        ..Attachment::of(mime)
    })
}
