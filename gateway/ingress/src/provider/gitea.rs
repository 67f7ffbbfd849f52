//! Gitea, Gogs and Forgejo: HMAC-SHA256 over the raw body in bare hexadecimal digits, each under its own name (docs.gitea.com, "Webhooks").
//!
//! A later member of the family sends the earlier ones' headers too. Of several signatures, all must fit, and of several names of a delivery, all
//! must be the same: a reader of the one and a reader of the other never see two requests in one. Nothing signed has a clock, an id or the event's
//! name: the body's mark counts beside the id's, and a name is believed only of a body of its shape; the header itself is in `raw_headers`.

use super::{Arrival, Facts, Opener, POST, forge, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::{Attachment, Kind},
    field,
    json::{self, Object},
    mac::{self, Proof},
    moment,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use serde_json::Value;
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const SIGNATURES: [&str; 3] = ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"];
const EVENTS: [&str; 3] = ["x-forgejo-event", "x-gitea-event", "x-gogs-event"];
const DELIVERIES: [&str; 3] = ["x-forgejo-delivery", "x-gitea-delivery", "x-gogs-delivery"];

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people redeliver.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(5),
    scheme_headers: &[
        "x-forgejo-signature",
        "x-gitea-signature",
        "x-gogs-signature",
        "x-forgejo-event",
        "x-gitea-event",
        "x-gogs-event",
        "x-forgejo-delivery",
        "x-gitea-delivery",
        "x-gogs-delivery",
    ],
    shown_headers: &[
        "content-type",
        "user-agent",
        "x-forgejo-event",
        "x-gitea-event",
        "x-gogs-event",
        "x-gitea-event-type",
        "x-forgejo-delivery",
        "x-gitea-delivery",
        "x-gogs-delivery",
    ],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Gitea;

impl Opener for Gitea {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let present = SIGNATURES.iter().filter(|name| request.headers.contains_key(**name));
        let given: Vec<[u8; 32]> = present
            .map(|name| {
                mac::prefixed_hex(
                    field::required(request.headers, name, Reason::MissingSignature, Reason::BadSignature)?,
                    "",
                )
            })
            .collect::<Result<_, _>>()?;
        if given.is_empty() {
            return Err(Refusal::new(Reason::MissingSignature, format!("none of {}", SIGNATURES.join(", "))));
        }
        mac::any_live_key(keys, now, |key| {
            let expected = mac::hmac_sha256(key.expose(), &[request.body]);
            given
                .iter()
                .fold(true, |fits, signature| mac::same(expected.as_ref(), signature) & fits)
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let id = said(arrival, &DELIVERIES)?.and_then(|name| generic::unsigned("delivery", arrival, name));
        // Gogs' and Gitea's names differ for a few events, so the newest one's counts.
        let claimed = EVENTS.iter().find_map(|name| field::optional(arrival.request.headers, name));
        let mismatch = claimed.is_some_and(|event| !fits(event, &body));
        let event = claimed.filter(|_| !mismatch).or_else(|| guessed(&body));
        let action = body.text("action");
        let kind = kind(action.as_deref(), &body);
        let mut draft = generic::draft(arrival, &FACTS, kind, event, raw);
        draft.metadata.event_mismatch = mismatch;
        draft.anchor = forge::anchor(arrival, id.as_ref());

        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let repository = forge::id_in(&body, "repository");
        let of = |member: &str| body.object(member).unwrap_or_default();
        let (issue, pull, comment, release, review) = (of("issue"), of("pull_request"), of("comment"), of("release"), of("review"));
        let sender = body.object("sender").or_else(|| comment.object("user")).unwrap_or_default();
        let number = issue.id("number").or_else(|| pull.id("number"));
        // Pulls and issues are counted together.
        draft.ids.conversation_id = repository
            .as_ref()
            .zip(number.as_ref())
            .map(|(repository, number)| format!("{repository}/issues/{number}"));
        draft.ids.channel_id.clone_from(&repository);
        draft.ids.user_id = owned(sender.id("id"));
        draft.ids.message_id = owned(comment.id("id"));
        draft.metadata.bot =
            sender.text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("bot")) || sender.id("id").as_deref() == Some(ACTIONS);
        let texts = [
            comment.text("body"),
            review.text("content"),
            release.text("body"),
            issue.text("body"),
            pull.text("body"),
        ];
        let titles = [release.text("name"), issue.text("title"), pull.text("title")];
        let about_comment = body.has("comment") || body.has("review");
        let text = texts
            .into_iter()
            .chain(titles.into_iter().filter(|_| !about_comment))
            .flatten()
            .find(|text| !text.is_empty());
        forge::say(&mut draft, text.filter(|_| kind != Kind::Deletion));
        let assets = release.objects("assets");
        draft.attachments = assets
            .take(forge::MAX_FILES)
            .map(|asset| Attachment {
                name: owned(asset.text("name")),
                size: asset.size("size"),
                url: owned(asset.text("browser_download_url")),
                ..Attachment::of_kind("file")
            })
            .collect();
        // A push tells no time of its own: commits have their authors'.
        let about = [&comment, &release, &issue, &pull];
        let times = about
            .into_iter()
            .flat_map(|object| ["updated_at", "published_at", "created_at"].map(|name| object.text(name)));
        if let Some(at) = times.flatten().find_map(|text| moment::rfc3339(&text)) {
            draft.timestamp = at;
        }
        for (name, value) in [("action", action), ("number", number), ("ref", body.text("ref"))] {
            draft
                .channel_data
                .insert(name.to_owned(), owned(value).map_or(Value::Null, Value::from));
        }
        generic::deliver(arrival, draft, id, repository)
    }

    fn sample(&self) -> &'static str {
        r#"{"action":"opened","number":7,"issue":{"id":2444,"number":7,"title":"The gate creaks"},"repository":{"id":12,"full_name":"acme/gate"},"sender":{"id":1,"login":"ada"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        let mac = mac::hmac_sha256(key.expose(), &[payload]).ok_or_else(SignError::key)?;
        let id = fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned);
        let event = json::valid(payload).ok().and_then(Object::read).and_then(|body| guessed(&body));
        // As Gitea does: its own names and those of Gogs.
        for at in [1, 2] {
            let name = |names: &[&'static str; 3]| names.get(at).copied().unwrap_or_default();
            signed.set(name(&SIGNATURES), &HEXLOWER.encode(&mac))?;
            signed.set(name(&DELIVERIES), &id)?;
            if let Some(event) = event {
                signed.set(name(&EVENTS), event)?;
            }
        }
        Ok(signed)
    }
}

/// Forgejo's and Gitea's own user for what workflows do.
const ACTIONS: &str = "-2";

/// The name under which a thing is said; those that are there must say the same.
fn said(arrival: &Arrival<'_>, names: &[&'static str; 3]) -> Result<Option<&'static str>, Refusal> {
    let headers = arrival.request.headers;
    let mut present = names.iter().copied().filter(|name| headers.contains_key(*name));
    let Some(first) = present.next() else { return Ok(None) };
    if present.any(|name| headers.get(name) != headers.get(first)) {
        return Err(Refusal::new(Reason::DuplicateHeader, "the names of the delivery differ"));
    }
    Ok(Some(first))
}

/// Members that tell an event, the more telling first; what several events share is not told apart.
const TELLING: [(&str, &[&str]); 11] = [
    ("fork", &["forkee"]),
    ("release", &["release"]),
    ("pull_request_comment", &["pull_request", "comment"]),
    ("pull_request_review_comment", &["pull_request", "review"]),
    ("issue_comment", &["issue", "comment"]),
    ("pull_request", &["pull_request"]),
    ("issues", &["issue"]),
    ("push", &["ref", "commits"]),
    ("create", &["ref", "ref_type", "sha"]),
    ("delete", &["ref", "ref_type", "pusher_type"]),
    ("wiki", &["page"]),
];

/// The event that the members tell.
fn guessed(body: &Object<'_>) -> Option<&'static str> {
    let all = |members: &[&str]| members.iter().all(|member| body.has(member));
    TELLING.iter().find(|(_, members)| all(members)).map(|(event, _)| *event)
}

/// Whether a body may be of an event: what is claimed and what is told are of one family, or nothing is told at all.
fn fits(claimed: &str, body: &Object<'_>) -> bool {
    let family = |event: &str| -> &'static [&'static str] {
        match event {
            event if event.starts_with("pull_request") => &["pull_request"],
            // A comment on a pull request comes under this name too.
            "issue_comment" => &["comment"],
            event if event.starts_with("issue") => &["issue"],
            "release" => &["release"],
            "fork" => &["forkee"],
            "push" => &["ref", "commits"],
            "create" | "delete" => &["ref", "ref_type"],
            "wiki" => &["page"],
            _ => &[],
        }
    };
    let members = family(claimed);
    // A Gitea pull request's comment has `issue` or `pull_request`, by version.
    let told = || claimed.starts_with("pull_request") && body.has("issue") && body.has("comment");
    (!members.is_empty() && members.iter().all(|member| body.has(member))) || told() || (members.is_empty() && guessed(body).is_none())
}

/// What kind of activity it is, by the body alone: the event's name is not signed.
fn kind(action: Option<&str>, body: &Object<'_>) -> Kind {
    let is_comment = body.has("comment") && (body.has("issue") || body.has("pull_request"));
    match action {
        Some("created") if is_comment => Kind::Message,
        Some("edited") if is_comment => Kind::Edit,
        Some("deleted") if is_comment => Kind::Deletion,
        _ => Kind::Event,
    }
}
