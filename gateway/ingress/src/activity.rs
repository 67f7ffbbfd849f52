//! The canonical activity: one shape for every provider's events (`docs/schema/activity.json`).

pub use crate::entity::{Entities, Mention};
use crate::{session, verified::Verified};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use std::{collections::BTreeMap, sync::Arc};
use tollgate_config::TenantId;

/// The canonical activity; `Serialize` gives the JSON that workers see. Write it with `serde_json::to_vec` or `to_string`: `raw` is text that
/// must not pass through a number type.
#[derive(Debug, Clone, Serialize)]
pub struct Activity<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The provider's name.
    pub provider: &'static str,
    /// The provider's ids; what is absent is left out.
    pub provider_ids: &'a ProviderIds,
    /// The session.
    pub session: Session,
    /// When it happened, RFC 3339.
    pub timestamp: &'a str,
    /// The user's language, where the provider says it.
    pub locale: Option<&'a str>,
    /// The text, markup kept.
    pub text: Option<&'a str>,
    /// Files.
    pub attachments: &'a [Attachment],
    /// Buttons offered (of a message) or pressed (of an action).
    pub buttons: &'a [Button],
    /// What the text points at.
    pub entities: &'a Entities,
    /// What kind of event it is, and the provider's harmless headers.
    pub metadata: &'a Metadata,
    /// What only this provider has.
    pub channel_data: &'a Map<String, Value>,
    /// The provider's JSON, digit for digit; `{"form"}`, `{"text"}` or `{"base64"}` for anything else.
    pub raw: &'a RawValue,
}

/// Ids that the provider gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProviderIds {
    /// The team within a workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// The customer's account with the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// The conversation: the thread, or what stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The message that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

/// The session as the platform shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// `{tenant}:{provider}:{anchor}:{user}`.
    pub key: String,
    /// `chat` always, then `attachments` and `buttons` where there are any.
    pub scopes: Vec<&'static str>,
}

/// One file. Every member is present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// `image`, `audio`, `video` or `file`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// File name.
    pub name: Option<String>,
    /// Media type.
    pub mime: Option<String>,
    /// Bytes, 0 when unknown.
    pub size: u64,
    /// Where it can be fetched, perhaps only with the provider's token.
    pub url: Option<String>,
    /// The content itself, base64, where the provider sent it along.
    pub data_inline_b64: Option<String>,
}

impl Attachment {
    /// A file of this media type, of which nothing else is known yet.
    pub(crate) fn of(mime: Option<String>) -> Self {
        Self {
            kind: mime.as_deref().map_or("file", Self::kind_of),
            mime,
            ..Self::of_kind("file")
        }
    }

    /// A file that the provider calls an `image`, an `audio`, a `video` or a `file`.
    pub(crate) fn of_kind(kind: &'static str) -> Self {
        Self {
            kind,
            name: None,
            mime: None,
            size: 0,
            url: None,
            data_inline_b64: None,
        }
    }

    /// What a file of this media type is.
    pub(crate) fn kind_of(mime: &str) -> &'static str {
        match mime.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            _ => "file",
        }
    }
}

/// One button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    /// The provider's id of the action.
    pub id: String,
    /// What it says.
    pub title: String,
    /// What it sends.
    pub payload: String,
}

/// What is known beside the event itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// Headers from an allow-list, never a signature. No provider signs them: hints, not facts.
    pub raw_headers: BTreeMap<&'static str, String>,
    /// The sender's address; not filled by this build.
    pub ip: Option<String>,
    /// What kind of activity it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The provider's own name of the event.
    pub event: Option<String>,
    /// Whether a bot sent it, perhaps the app itself: answering it unseen makes a loop.
    pub bot: bool,
    /// Which flow a webhook is for, where the endpoint's path says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<String>,
    /// Whether the event's name in a header that nothing signs is not one of such a body: somebody may have changed it on a recorded request.
    pub event_mismatch: bool,
}

/// Kinds of activities, the same for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A new message.
    Message,
    /// A message was changed.
    Edit,
    /// A message was deleted.
    Deletion,
    /// A reaction was added or removed.
    Reaction,
    /// Somebody joined or left.
    Membership,
    /// A button or another control was used.
    Action,
    /// A slash command.
    Command,
    /// A shortcut was chosen.
    Shortcut,
    /// A form or dialog was sent or closed.
    View,
    /// Choices for a menu are asked for; the answer must have them.
    Options,
    /// Anything else.
    Event,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Message,
        Self::Edit,
        Self::Deletion,
        Self::Reaction,
        Self::Membership,
        Self::Action,
        Self::Command,
        Self::Shortcut,
        Self::View,
        Self::Options,
        Self::Event,
    ];
}

/// An activity before its tenant is known.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) ids: ProviderIds,
    /// The first present of thread, conversation, channel and user, or the event's id.
    pub(crate) anchor: String,
    /// The user in the session's key.
    pub(crate) user: Option<String>,
    pub(crate) timestamp: String,
    pub(crate) locale: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) buttons: Vec<Button>,
    pub(crate) entities: Entities,
    pub(crate) metadata: Metadata,
    pub(crate) channel_data: Map<String, Value>,
    pub(crate) raw: Arc<RawValue>,
}

impl Verified {
    /// The session's key, as workers see it: `{tenant}:{provider}:{anchor}:{user}`, ids percent-escaped.
    pub fn session_key(&self, tenant: &TenantId) -> String {
        session::key(
            tenant.as_str(),
            self.provider.as_str(),
            &self.draft.anchor,
            self.draft.user.as_deref(),
        )
    }

    /// The canonical activity.
    pub fn activity<'a>(&'a self, tenant: &'a TenantId) -> Activity<'a> {
        let draft = &self.draft;
        let mut scopes = vec!["chat"];
        if !draft.attachments.is_empty() {
            scopes.push("attachments");
        }
        if !draft.buttons.is_empty() {
            scopes.push("buttons");
        }
        Activity {
            tenant: tenant.as_str(),
            provider: self.provider.as_str(),
            provider_ids: &draft.ids,
            session: Session {
                key: self.session_key(tenant),
                scopes,
            },
            timestamp: &draft.timestamp,
            locale: draft.locale.as_deref(),
            text: draft.text.as_deref(),
            attachments: &draft.attachments,
            buttons: &draft.buttons,
            entities: &draft.entities,
            metadata: &draft.metadata,
            channel_data: &draft.channel_data,
            raw: &draft.raw,
        }
    }
}
