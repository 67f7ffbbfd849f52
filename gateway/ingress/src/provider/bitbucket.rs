//! Bitbucket, Cloud and Server: `X-Hub-Signature: sha256=` over the raw body (support.atlassian.com, "Manage webhooks").
//!
//! Nothing signed has a clock or an id, so the body's mark counts beside the id's. Server writes the event's name into the body; Cloud has it in a
//! header alone, where it is believed only of a body of its shape, and `diagnostics:ping` only of a verified body that is one.

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    forge, generic,
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    field,
    json::{self, Object},
    mac::Proof,
    moment,
    open::Answer,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use serde_json::Value;
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const EVENT: &str = "x-event-key";
const PING: &str = "diagnostics:ping";
/// Cloud has the one, Server the other.
const DELIVERY: &str = "x-request-uuid";
const SERVER_DELIVERY: &str = "x-request-id";

static MAC: BodyMac = BodyMac {
    headers: &["x-hub-signature"],
    prefix: "sha256=",
    encoding: Encoding::Hex,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Cloud retries twice within minutes; people redeliver.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(10),
    // `X-Request-Id` is not one: proxies on the way add theirs.
    scheme_headers: &["x-hub-signature", EVENT, DELIVERY],
    shown_headers: &[
        "content-type",
        "user-agent",
        EVENT,
        DELIVERY,
        SERVER_DELIVERY,
        "x-attempt-number",
        "x-hook-uuid",
    ],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Bitbucket;

impl Opener for Bitbucket {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let claimed = field::optional(arrival.request.headers, EVENT);
        if claimed == Some(PING) && is_ping(&body) {
            return Ok(Opened::Handshake(Answer::empty()));
        }
        let id = generic::unsigned("delivery", arrival, DELIVERY).or_else(|| generic::unsigned("delivery", arrival, SERVER_DELIVERY));
        let name = body
            .text("eventKey")
            .or_else(|| claimed.filter(|event| fits(event, &body)).map(Cow::Borrowed));
        let event = name.as_deref();
        let kind = kind(event, &body);
        let mut draft = generic::draft(arrival, &FACTS, kind, event, raw);
        draft.metadata.event_mismatch = claimed.is_some_and(|claimed| event != Some(claimed));
        draft.anchor = forge::anchor(arrival, id.as_ref());

        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let of = |member: &str| body.object(member).unwrap_or_default();
        let (comment, issue, actor) = (of("comment"), of("issue"), of("actor"));
        let pull = body
            .object("pullrequest")
            .or_else(|| body.object("pullRequest"))
            .unwrap_or_default();
        let target = pull.object("toRef").and_then(|target| target.object("repository"));
        let repository = body.object("repository").or(target).unwrap_or_default();
        let repository = owned(repository.id("uuid").or_else(|| repository.id("id")));
        let place = pull.id("id").map(|number| format!("pullrequests/{number}"));
        let place = place.or_else(|| issue.id("id").map(|number| format!("issues/{number}")));
        draft.ids.conversation_id = repository
            .as_ref()
            .zip(place)
            .map(|(repository, place)| format!("{repository}/{place}"));
        draft.ids.channel_id.clone_from(&repository);
        draft.ids.user_id = owned(actor.id("uuid").or_else(|| actor.id("account_id")).or_else(|| actor.id("id")));
        draft.ids.message_id = owned(comment.id("id"));
        draft.ids.thread_id = forge::id_in(&comment, "parent").or_else(|| owned(body.id("commentParentId")));
        draft.metadata.bot = matches!(actor.text("type").as_deref(), Some("app_user" | "SERVICE"));
        let content = |object: &Object<'_>| object.object("content").and_then(|content| owned(content.text("raw")));
        let texts = [
            content(&comment),
            owned(comment.text("text")),
            content(&issue),
            owned(pull.text("description")),
        ];
        let titles = [owned(issue.text("title")), owned(pull.text("title"))]
            .into_iter()
            .filter(|_| !body.has("comment"));
        let text = texts.into_iter().chain(titles).flatten().find(|text| !text.is_empty());
        forge::say(&mut draft, text.filter(|_| kind != Kind::Deletion));
        let about = [&comment, &of("commit_status"), &pull, &issue];
        let times = about
            .into_iter()
            .flat_map(|object| ["updated_on", "created_on"].map(|name| object.text(name)));
        let first = [body.text("date"), of("approval").text("date")];
        if let Some(at) = first.into_iter().chain(times).flatten().find_map(|text| moment::rfc3339(&text)) {
            draft.timestamp = at;
        }
        for (name, value) in [
            ("number", pull.id("id").or_else(|| issue.id("id"))),
            ("state", pull.text("state").or_else(|| issue.text("state"))),
        ] {
            draft
                .channel_data
                .insert(name.to_owned(), owned(value).map_or(Value::Null, Value::from));
        }
        generic::deliver(arrival, draft, id, repository)
    }

    fn sample(&self) -> &'static str {
        r#"{"repository":{"uuid":"{8f4e2f3c-7a1b-4c65-9c7e-1d2f3a4b5c6d}","full_name":"acme/gate"},"actor":{"display_name":"Ada"},"issue":{"id":7,"title":"The gate creaks"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        let body = json::valid(payload).ok().and_then(Object::read).unwrap_or_default();
        let named = body
            .text("eventKey")
            .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        if let Some(event) = named.or_else(|| guessed(&body).map(Cow::Borrowed)) {
            signed.set(EVENT, &event)?;
        }
        Ok(signed)
    }
}

/// The body of a connection's test, which nobody did in no repository.
fn is_ping(body: &Object<'_>) -> bool {
    body.has("test") && !body.has("actor") && !body.has("repository")
}

/// Whether a body may be of an event of Cloud's.
fn fits(claimed: &str, body: &Object<'_>) -> bool {
    let has = |members: &[&str]| members.iter().all(|member| body.has(member));
    let comments = claimed.contains("comment_");
    match claimed.split_once(':') {
        Some(("pullrequest", _)) => has(&["pullrequest"]) && (!comments || has(&["comment"])),
        Some(("issue", _)) => has(&["issue"]) && (!comments || has(&["comment"])),
        Some(("repo", "push")) => has(&["push"]),
        Some(("repo", "fork")) => has(&["fork"]),
        Some(("repo", event)) if event.starts_with("commit_status") => has(&["commit_status"]),
        Some(("repo", event)) if event.starts_with("commit_comment") => has(&["commit", "comment"]),
        Some(("repo", _)) => has(&["repository"]) && guessed(body).is_none(),
        _ => guessed(body).is_none(),
    }
}

/// The event of Cloud's that the members tell; what several have in common is not told apart.
fn guessed(body: &Object<'_>) -> Option<&'static str> {
    const TELLING: [(&str, &[&str]); 10] = [
        ("repo:push", &["push"]),
        ("repo:fork", &["fork"]),
        ("repo:commit_status_updated", &["commit_status"]),
        ("repo:commit_comment_created", &["commit", "comment"]),
        ("pullrequest:comment_created", &["pullrequest", "comment"]),
        ("pullrequest:approved", &["pullrequest", "approval"]),
        ("pullrequest:updated", &["pullrequest"]),
        ("issue:comment_created", &["issue", "comment"]),
        ("issue:updated", &["issue", "changes"]),
        ("issue:created", &["issue"]),
    ];
    let found = TELLING.iter().find(|(_, members)| members.iter().all(|member| body.has(member)));
    found.map(|(event, _)| *event)
}

/// What kind of activity it is.
fn kind(event: Option<&str>, body: &Object<'_>) -> Kind {
    let event = event.filter(|_| body.has("comment")).unwrap_or_default();
    let ends = |cloud: &str, server: &str| event.ends_with(cloud) || event.ends_with(server);
    if ends("comment_created", "comment:added") {
        Kind::Message
    } else if ends("comment_updated", "comment:edited") {
        Kind::Edit
    } else if ends("comment_deleted", "comment:deleted") {
        Kind::Deletion
    } else {
        Kind::Event
    }
}
