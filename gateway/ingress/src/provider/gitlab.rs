//! GitLab: a signing key by Standard Webhooks, or `X-Gitlab-Token`, which signs nothing (docs.gitlab.com, "Webhooks").
//!
//! The two are told apart by their form: a signing key begins with `whsec_`. An endpoint that has one takes signed requests alone, even beside a
//! token: who may choose the weaker proof always would. Signed, `webhook-id` is the dedupe mark by itself; with a token, nothing but the body can
//! be, so its mark counts beside the `Idempotency-Key`'s. The event's name comes from the body, never from `X-Gitlab-Event`.

use super::{Arrival, Facts, KeyError, Opener, POST, forge, generic, standard_webhooks::StandardWebhooks};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::{Attachment, Kind},
    clock, field,
    json::{self, Object},
    mac::{self, Proof},
    moment,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use serde_json::Value;
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const TOKEN: &str = "x-gitlab-token";
const EVENT: &str = "x-gitlab-event";
const DELIVERY: &str = "idempotency-key";
const ID: &str = "webhook-id";
const SIGNATURE: &str = "webhook-signature";
const SIGNING: &[u8] = b"whsec_";

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people resend.
    horizon: Duration::from_secs(24 * 3600),
    // Of signed requests; a token has no clock.
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(10),
    scheme_headers: &[TOKEN, EVENT, DELIVERY, "webhook-id", "webhook-timestamp", SIGNATURE],
    shown_headers: &[
        "content-type",
        "user-agent",
        EVENT,
        DELIVERY,
        "x-gitlab-event-uuid",
        "x-gitlab-webhook-uuid",
        "x-gitlab-instance",
        "webhook-id",
        "webhook-timestamp",
    ],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the signing token (`whsec_` and base64), or the secret token, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Gitlab;

impl Opener for Gitlab {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        if keys.signing.is_empty() {
            return mac::any_live_key(keys, now, |_| false);
        }
        if !keys.signing.iter().any(is_signing) {
            let token = field::required(request.headers, TOKEN, Reason::MissingSignature, Reason::BadToken)?;
            return mac::any_live_token(keys, now, token);
        }
        // Here, and not there: the names that Svix has for the same headers are not GitLab's.
        field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let (places, signing): (Vec<_>, Vec<_>) = keys.signing.iter().cloned().enumerate().filter(|(_, key)| is_signing(key)).unzip();
        let proof = StandardWebhooks.verify(request, &Keys::signed_by(signing), scheme, now)?;
        let place = places.get(proof.matched_key()).copied();
        Ok(proof.counted_at(place.unwrap_or_default()))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let was_signed = arrival.keys.signing.get(arrival.proof.matched_key()).is_some_and(is_signing);
        let id = if was_signed {
            generic::signed("delivery", field::optional(arrival.request.headers, ID))
        } else {
            generic::unsigned("delivery", arrival, DELIVERY)
        };
        let about = body.object("object_attributes").unwrap_or_default();
        let event = body.text("object_kind").or_else(|| body.text("event_name"));
        let kind = kind(event.as_deref().unwrap_or_default(), &about);
        let mut draft = generic::draft(arrival, &FACTS, kind, event.as_deref(), raw);
        draft.anchor = forge::anchor(arrival, id.as_ref());
        draft.metadata.event_mismatch = field::optional(arrival.request.headers, EVENT).is_some_and(|claimed| !fits(claimed, &body));

        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let project = forge::id_in(&body, "project").or_else(|| owned(body.id("project_id")));
        let account = project.clone().or_else(|| owned(body.id("group_id")));
        let user = body.object("user").unwrap_or_default();
        draft.ids.channel_id.clone_from(&project);
        draft.ids.user_id = owned(user.id("id").or_else(|| body.id("user_id")));
        if event.as_deref() == Some("note") {
            draft.ids.message_id = owned(about.id("id"));
            draft.ids.thread_id = owned(about.id("discussion_id"));
        }
        let place = conversation(event.as_deref().unwrap_or_default(), &body, &about);
        draft.ids.conversation_id = project.zip(place).map(|(project, place)| format!("{project}/{place}"));
        draft.metadata.bot = user
            .text("username")
            .or_else(|| body.text("user_username"))
            .is_some_and(|name| is_bot(&name));
        let filled = |object: &Object<'_>, member: &str| owned(object.text(member)).filter(|text| !text.is_empty());
        let text = filled(&about, "note")
            .or_else(|| filled(&about, "description"))
            .or_else(|| filled(&about, "title"));
        forge::say(
            &mut draft,
            text.or_else(|| filled(&body, "description").filter(|_| event.as_deref() == Some("release"))),
        );
        let assets = body.object("assets").unwrap_or_default();
        draft
            .attachments
            .extend(assets.objects("links").take(forge::MAX_FILES).map(|link| Attachment {
                name: owned(link.text("name")),
                url: owned(link.text("url")),
                ..Attachment::of_kind("file")
            }));
        if let Some(at) = happened(&body, &about) {
            draft.timestamp = at;
        }
        let details = [
            ("event_type", body.text("event_type")),
            ("action", about.text("action").or_else(|| body.text("action"))),
            ("status", about.text("status").or_else(|| body.text("status"))),
            ("number", about.id("iid")),
            ("ref", body.text("ref")),
        ];
        for (name, value) in details {
            draft
                .channel_data
                .insert(name.to_owned(), owned(value).map_or(Value::Null, Value::from));
        }
        generic::deliver(arrival, draft, id, account)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        if is_signing(key) {
            return StandardWebhooks.check_key(key);
        }
        Ok(None)
    }

    fn sample(&self) -> &'static str {
        r#"{"object_kind":"issue","event_type":"issue","user":{"id":1,"username":"ada"},"project":{"id":1,"path_with_namespace":"acme/gate"},"object_attributes":{"id":301,"iid":23,"title":"The gate creaks","action":"open"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let id = fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned);
        let mut signed = if is_signing(key) {
            StandardWebhooks.sign(payload, key, scheme, now, Some(&id))?
        } else {
            let mut signed = Signed::new(payload.to_vec(), sign::JSON);
            signed.set(TOKEN, std::str::from_utf8(key.expose()).map_err(|_| SignError::key())?)?;
            signed
        };
        signed.set(DELIVERY, &id)?;
        let event = json::valid(payload).ok().and_then(Object::read).and_then(|body| hook(&body));
        if let Some(event) = event {
            signed.set(EVENT, event)?;
        }
        Ok(signed)
    }
}

fn is_signing(key: &Key) -> bool {
    key.expose().starts_with(SIGNING)
}

/// What kind of activity an event is.
fn kind(event: &str, about: &Object<'_>) -> Kind {
    match event {
        // GitLab itself notes what changed.
        "note" if about.raw("system").is_some_and(|value| value.get() == "true") => Kind::Event,
        "note" if about.text("action").as_deref() == Some("update") => Kind::Edit,
        "note" => Kind::Message,
        "emoji" => Kind::Reaction,
        "user_add_to_team"
        | "user_remove_from_team"
        | "user_update_for_team"
        | "user_add_to_group"
        | "user_remove_from_group"
        | "user_update_for_group"
        | "user_access_request_to_team"
        | "user_access_request_denied_for_team"
        | "user_access_request_to_group"
        | "user_access_request_denied_for_group" => Kind::Membership,
        _ => Kind::Event,
    }
}

/// What is spoken of, within its project, by the number that people see.
fn conversation(event: &str, body: &Object<'_>, about: &Object<'_>) -> Option<String> {
    const NUMBERED: [(&str, &str); 2] = [("issue", "issues"), ("merge_request", "merge_requests")];
    let own = NUMBERED.iter().find(|(name, _)| *name == event);
    if let Some((_, place)) = own {
        return about.id("iid").map(|number| format!("{place}/{number}"));
    }
    let named = |(name, place): &(&str, &str)| Some(format!("{place}/{}", body.object(name)?.id("iid")?));
    NUMBERED.iter().find_map(named)
}

/// A project's and a group's access tokens act under names that GitLab makes: `project_7_bot_…`, `group_7_bot_…`.
fn is_bot(username: &str) -> bool {
    let rest = username.strip_prefix("project_").or_else(|| username.strip_prefix("group_"));
    let rest = rest.and_then(|rest| rest.split_once("_bot"));
    rest.is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// When it happened: the first time of these that can be read.
fn happened(body: &Object<'_>, about: &Object<'_>) -> Option<String> {
    let inner = ["updated_at", "finished_at", "created_at"].map(|name| about.text(name));
    let outer = [
        "status_changed_at",
        "build_finished_at",
        "build_started_at",
        "build_created_at",
        "updated_at",
        "created_at",
    ];
    let outer = outer.map(|name| body.text(name));
    inner.into_iter().chain(outer).flatten().find_map(|text| moment::rfc3339(&text))
}

/// What `object_kind` says, and the header that GitLab sends with it.
const HOOKS: [(&str, &str); 14] = [
    ("push", "Push Hook"),
    ("tag_push", "Tag Push Hook"),
    ("issue", "Issue Hook"),
    ("work_item", "Issue Hook"),
    ("note", "Note Hook"),
    ("merge_request", "Merge Request Hook"),
    ("wiki_page", "Wiki Page Hook"),
    ("pipeline", "Pipeline Hook"),
    ("build", "Job Hook"),
    ("deployment", "Deployment Hook"),
    ("release", "Release Hook"),
    ("emoji", "Emoji Hook"),
    ("access_token", "Resource Access Token Hook"),
    ("feature_flag", "Feature Flag Hook"),
];

/// The header that GitLab sends with such a body.
fn hook(body: &Object<'_>) -> Option<&'static str> {
    let Some(kind) = body.text("object_kind") else {
        return body.has("event_name").then_some("System Hook");
    };
    HOOKS.iter().find(|(name, _)| *name == kind).map(|(_, hook)| *hook)
}

/// Whether a body may come under such a header. System hooks carry the bodies of all others.
fn fits(claimed: &str, body: &Object<'_>) -> bool {
    let open = claimed.strip_prefix("Confidential ").unwrap_or(claimed);
    match (open, hook(body)) {
        ("System Hook", _) => true,
        // A group's own events have the bodies of the instance's.
        ("Member Hook" | "Subgroup Hook" | "Project Hook" | "Resource Access Token Hook", Some("System Hook")) => true,
        (_, Some(expected)) => open == expected,
        // Of a body that nobody knew when this was written, only what it cannot be is known.
        (_, None) => !HOOKS.iter().any(|(_, hook)| *hook == open),
    }
}
