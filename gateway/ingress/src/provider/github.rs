//! GitHub: `X-Hub-Signature-256` over the raw body (docs.github.com, "Validating webhook deliveries").
//!
//! Nothing signed has a clock, and neither the event's name nor the delivery's id is signed: the body's mark counts beside the id's, and `ping` is
//! believed only of a body that is one. What an activity is comes from the body; a name that does not fit it is noted, and shown as a header alone.

mod shape;

use super::{Arrival, Facts, Opener, POST, forge, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified,
    activity::{Attachment, Kind},
    clock, field,
    form::Form,
    json::{self, Object},
    mac::{self, Proof},
    moment,
    open::Answer,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, time::Duration};
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
const PREFIX: &str = "sha256=";

static FACTS: Facts = Facts {
    methods: &POST,
    // GitHub's own cap; a larger payload is not sent.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people redeliver for three days, under the same id. One more for clocks and time zones.
    horizon: Duration::from_secs(4 * 24 * 3600),
    window: None,
    deadline: Duration::from_secs(10),
    scheme_headers: &[SIGNATURE, EVENT, DELIVERY],
    shown_headers: &[
        "content-type",
        "user-agent",
        DELIVERY,
        EVENT,
        "x-github-hook-id",
        "x-github-hook-installation-target-id",
        "x-github-hook-installation-target-type",
    ],
    options: &[RAW, SAME_BODY],
    batches: false,
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Github;

impl Opener for Github {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let given = mac::prefixed_hex(signature, PREFIX)?;
        mac::any_live_key(keys, now, |key| {
            mac::same(mac::hmac_sha256(key.expose(), &[request.body]).as_ref(), &given)
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let text = payload(arrival.request.body)?;
        let raw = json::valid(text.as_bytes()).map_err(|error| Refusal::unparsable(format!("the payload is not JSON: {error}")))?;
        let body = Object::read(raw).ok_or_else(|| Refusal::unparsable("the payload is no JSON object"))?;
        let event = field::optional(arrival.request.headers, EVENT);
        if event == Some("ping") && is_ping(&body) {
            return Ok(Opened::Handshake(Answer::empty()));
        }
        delivery(arrival, raw, &body, event).map(generic::one)
    }

    fn sample(&self) -> &'static str {
        r#"{"action":"opened","issue":{"id":2444,"number":7,"title":"The gate creaks","user":{"login":"octo","id":583231}},"repository":{"id":1296269,"full_name":"acme/gate","owner":{"login":"acme","id":9919}},"sender":{"login":"octo","id":583231}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(
            payload.to_vec(),
            if payload.starts_with(b"payload=") { sign::FORM } else { sign::JSON },
        );
        let mac = mac::hmac_sha256(key.expose(), &[payload]).ok_or_else(SignError::key)?;
        signed.set(SIGNATURE, &format!("{PREFIX}{}", HEXLOWER.encode(&mac)))?;
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        let text = self::payload(payload).unwrap_or_default();
        let body = json::valid(text.as_bytes()).ok().and_then(Object::read);
        if let Some(event) = body.and_then(|body| shape::told(&body)) {
            signed.set(EVENT, event)?;
        }
        Ok(signed)
    }
}

/// The JSON, which a form carries in its field `payload`. The body decides, not the unsigned `Content-Type`.
fn payload(body: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    if body.starts_with(b"payload=") {
        let form = Form::read(body).ok_or_else(|| Refusal::unparsable("the form is not UTF-8, or has too many fields"))?;
        return form
            .get("payload")
            .map(|text| Cow::Owned(text.to_owned()))
            .ok_or_else(|| Refusal::unparsable("the form has no payload"));
    }
    std::str::from_utf8(body)
        .map(Cow::Borrowed)
        .map_err(|_| Refusal::unparsable("the payload is not UTF-8"))
}

/// A ping's body, whatever the header says.
fn is_ping(body: &Object<'_>) -> bool {
    body.has("zen") && body.has("hook_id")
}

fn delivery(arrival: &Arrival<'_>, raw: &RawValue, body: &Object<'_>, claimed: Option<&str>) -> Result<Verified, Refusal> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let id_in = |member: &str| forge::id_in(body, member);
    let mismatch = claimed.is_some_and(|event| !shape::fits(event, body));
    let event = if mismatch { shape::told(body) } else { claimed };
    let kind = shape::kind(body);
    let mut draft = generic::draft(arrival, &FACTS, kind, event, raw);
    let id = generic::unsigned("delivery", arrival, DELIVERY);
    draft.anchor = forge::anchor(arrival, id.as_ref());
    draft.metadata.event_mismatch = mismatch;

    let of = |member: &str| body.object(member).unwrap_or_default();
    let (comment, review, release, sender) = (of("comment"), of("review"), of("release"), of("sender"));
    let topics = [("issue", "issues"), ("pull_request", "issues"), ("discussion", "discussions")];
    let topic = topics.into_iter().find_map(|(member, place)| Some((body.object(member)?, place)));
    let (topic, place) = topic.unwrap_or_default();
    let repository = of("repository");
    let organization = id_in("organization");
    let owner = forge::id_in(&repository, "owner");
    let number = topic.id("number");

    let ids = &mut draft.ids;
    ids.workspace_id = organization.clone().or_else(|| owner.clone());
    ids.channel_id = own(repository.id("id"));
    // Pulls and issues are counted together.
    ids.conversation_id = ids
        .channel_id
        .as_ref()
        .zip(number.as_ref())
        .map(|(repository, number)| format!("{repository}/{place}/{number}"));
    ids.user_id = id_in("sender");
    ids.message_id = own(comment.id("id").or_else(|| review.id("id").filter(|_| kind != Kind::Event)));
    ids.thread_id = own(comment.id("in_reply_to_id").or_else(|| comment.id("parent_id")));
    draft.metadata.bot = sender.text("type").as_deref() == Some("Bot") || comment.object("performed_via_github_app").is_some();

    let commit = of("head_commit");
    let spoken = if body.has("comment") || body.has("review") {
        [comment.text("body"), review.text("body"), None, None, None]
    } else {
        [
            release.text("body"),
            topic.text("body"),
            release.text("name"),
            topic.text("title"),
            commit.text("message"),
        ]
    };
    let text = spoken.into_iter().flatten().find(|text| !text.is_empty());
    forge::say(&mut draft, text.filter(|_| kind != Kind::Deletion));
    let assets = release.objects("assets");
    draft.attachments = assets
        .take(forge::MAX_FILES)
        .map(|asset| Attachment {
            name: own(asset.text("name")),
            size: asset.size("size"),
            url: own(asset.text("browser_download_url")),
            ..Attachment::of(own(asset.text("content_type")))
        })
        .collect();
    if let Some(at) = happened(kind, body, &[&comment, &review, &release, &topic]) {
        draft.timestamp = at;
    }
    for (name, value) in [("action", body.text("action")), ("number", number), ("ref", body.text("ref"))] {
        draft
            .channel_data
            .insert(name.to_owned(), own(value).map_or(Value::Null, Value::from));
    }
    let account = id_in("installation").or(organization).or(owner);
    generic::finished(arrival, draft, id, account, arrival.request.body.clone())
}

/// When it happened. What was deleted only tells when it was written.
fn happened(kind: Kind, body: &Object<'_>, about: &[&Object<'_>]) -> Option<String> {
    if kind == Kind::Deletion || body.text("action").as_deref() == Some("deleted") {
        return None;
    }
    let inner = about
        .iter()
        .flat_map(|object| ["updated_at", "submitted_at", "published_at", "created_at"].map(|name| object.text(name)));
    let outer = body.text("updated_at").or_else(|| body.text("starred_at"));
    let found = inner.chain([outer]).flatten().find_map(|text| moment::rfc3339(&text));
    let pushed = || {
        body.object("repository")?
            .integer("pushed_at")
            .and_then(|at| clock::rfc3339(UnixTime(at)))
    };
    found.or_else(pushed)
}
