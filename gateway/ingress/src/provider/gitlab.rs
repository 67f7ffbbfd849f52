//! GitLab: the signing key by Standard Webhooks where the endpoint has one (`whsec_…`), else `X-Gitlab-Token`, which signs nothing.

use super::{Arrival, Facts, Opener, POST, generic, standard_webhooks::StandardWebhooks};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    field,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

const TOKEN: &str = "x-gitlab-token";
const EVENT: &str = "x-gitlab-event";
const DELIVERY: &str = "idempotency-key";
const SIGNATURE: &str = "webhook-signature";
const SIGNING: &[u8] = b"whsec_";

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people resend.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
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
        let signing = |key: &Key| key.expose().starts_with(SIGNING);
        let may_sign = keys.signing.iter().any(signing) || !request.headers.contains_key(TOKEN);
        if may_sign && request.headers.contains_key(SIGNATURE) {
            return StandardWebhooks.verify(request, keys, scheme, now);
        }
        let token = field::required(request.headers, TOKEN, Reason::MissingSignature, Reason::BadToken)?;
        // A signing key is never sent, and so is no token.
        mac::any_live_key(keys, now, |key| !signing(key) && mac::same_token(key.expose(), token.as_bytes())).map_err(
            |refusal| match refusal.reason {
                Reason::BadSignature => Refusal::new(Reason::BadToken, "the token is none of the endpoint's"),
                _ => refusal,
            },
        )
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let event = field::optional(arrival.request.headers, EVENT);
        let project = body.object("project").and_then(|project| project.id("id"));
        let account = project.or_else(|| body.id("project_id")).or_else(|| body.id("group_id"));
        let account = account.map(|id| id.into_owned());
        let draft = generic::draft(arrival, &FACTS, Kind::Event, event, raw);
        generic::deliver(arrival, draft, generic::unsigned("delivery", arrival, DELIVERY), account)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, super::KeyError> {
        if key.expose().starts_with(SIGNING) {
            return StandardWebhooks.check_key(key);
        }
        Ok(None)
    }
    fn sample(&self) -> &'static str {
        r#"{"object_kind":"issue","event_type":"issue","user":{"id":1,"username":"ada"},"project":{"id":1,"path_with_namespace":"acme/gate"},"object_attributes":{"id":301,"iid":23,"title":"The gate creaks","action":"open"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let id = fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned);
        let mut signed = if key.expose().starts_with(SIGNING) {
            StandardWebhooks.sign(payload, key, scheme, now, Some(&id))?
        } else {
            let mut signed = Signed::new(payload.to_vec(), sign::JSON);
            signed.set(TOKEN, std::str::from_utf8(key.expose()).map_err(|_| SignError::key())?)?;
            signed
        };
        signed.set(DELIVERY, &id)?;
        Ok(signed)
    }
}
