//! What Linear's events say: comments and reactions on issues, what people tell an agent, and changes of everything else.

use super::{CLOCK, DELIVERY, FACTS};
use crate::{
    Opened, Refusal,
    activity::Kind,
    clock, entity,
    json::Object,
    moment,
    provider::{Arrival, generic},
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// Members of `data` that say what a comment or a reaction belongs to, the nearest to a conversation first.
const ABOUT: [&str; 6] = [
    "issueId",
    "projectUpdateId",
    "initiativeUpdateId",
    "documentContentId",
    "projectId",
    "commentId",
];

pub(super) fn read(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>) -> Result<Opened, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let name = body.text("type").unwrap_or_default();
    let action = body.text("action").unwrap_or_default();
    let data = body.object("data").unwrap_or_default();
    let notification = body.object("notification").unwrap_or_default();
    let agent = body.object("agentSession").unwrap_or_default();
    let said = body.object("agentActivity").unwrap_or_default();
    let actor = body.object("actor").unwrap_or_default();
    let kind = kind(&name, &action);
    let mut draft = generic::draft(arrival, &FACTS, kind, Some(&*name).filter(|name| !name.is_empty()), raw);

    let about = ABOUT
        .into_iter()
        .find_map(|member| data.id(member).or_else(|| notification.id(member)));
    let ids = &mut draft.ids;
    // An issue and everything that is said of it are one conversation; an agent has one in each of its sessions.
    ids.conversation_id = own(agent
        .id("id")
        .or(about)
        .or_else(|| data.object("issue").and_then(|issue| issue.id("id")))
        .or_else(|| data.id("id")));
    ids.channel_id = own(data
        .id("teamId")
        .or_else(|| data.object("team").and_then(|team| team.id("id")))
        .or_else(|| agent.object("issue").and_then(|issue| issue.id("teamId"))));
    ids.user_id = own(actor
        .id("id")
        .or_else(|| said.id("userId"))
        .or_else(|| data.id("userId"))
        .or_else(|| notification.id("actorId"))
        .or_else(|| agent.id("creatorId")));
    ids.message_id = own(match &*name {
        "Comment" => data.id("id"),
        "Reaction" => data.id("commentId"),
        _ => said
            .id("id")
            .or_else(|| notification.id("commentId"))
            .or_else(|| agent.id("commentId")),
    });
    draft.anchor = ids.conversation_id.clone().unwrap_or_default();
    draft.user = ids.user_id.clone();

    let text = said
        .object("content")
        .and_then(|content| content.text("body"))
        .or_else(|| said.text("body"))
        .or_else(|| agent.object("comment").and_then(|comment| comment.text("body")))
        .or_else(|| notification.object("comment").and_then(|comment| comment.text("body")))
        .or_else(|| data.text("body"))
        .filter(|_| kind != Kind::Deletion);
    draft.entities.urls = text.as_deref().map(entity::urls).unwrap_or_default();
    draft.text = own(text);
    // An app's or an integration's doing is marked: answering one's own comment makes a loop.
    let person = actor.text("type").is_none_or(|kind| kind.eq_ignore_ascii_case("user"));
    draft.metadata.bot = !person || data.object("botActor").is_some();
    let happened = body.text("createdAt").and_then(|at| moment::read(&at));
    let sent = || body.raw(CLOCK).and_then(|at| clock::milliseconds(at.get()).ok());
    if let Some(at) = happened.or_else(sent).and_then(clock::rfc3339) {
        draft.timestamp = at;
    }
    for (name, value) in [
        ("action", Some(action).filter(|action| !action.is_empty())),
        ("url", body.text("url")),
        ("parent_id", data.id("parentId")),
        ("reaction", data.text("emoji")),
    ] {
        if let Some(value) = value {
            draft.channel_data.insert(name.to_owned(), Value::from(value));
        }
    }
    generic::deliver(
        arrival,
        draft,
        generic::unsigned("delivery", arrival, DELIVERY),
        own(body.id("organizationId")),
    )
}

fn kind(name: &str, action: &str) -> Kind {
    match (name, action) {
        ("Comment", "create") | ("AgentSessionEvent", "created" | "prompted") => Kind::Message,
        ("Comment", "update") => Kind::Edit,
        ("Comment", "remove") => Kind::Deletion,
        ("Reaction", _) => Kind::Reaction,
        _ => Kind::Event,
    }
}
