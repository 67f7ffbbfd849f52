//! Any sender's webhook for a flow: one of the other schemes checks it, the last part of the path says which flow it is for.
//!
//! The check's marks hold for the whole endpoint: what came for one flow opens no other, though few schemes sign the path.

use super::{Arrival, Facts, KeyError, Opener, generic, opener};
use crate::{
    Deliveries, Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified,
    activity::Kind,
    field::{self, MAX_ID_LEN},
    json::Object,
    mac::Proof,
    provider::is_plain,
    scheme::{OptionKind, OptionSpec, RAW, SameBody},
    sign::{self, SignError, Signed},
};
use http::Method;
use serde_json::{Map, Value};
use std::time::Duration;
use tollgate_config::{ByteSize, manifest::Provider};

/// Which scheme checks the requests. Those that send batches, or need published keys, have endpoints of their own.
pub(crate) const CHECK: OptionSpec = OptionSpec {
    key: "check",
    kind: OptionKind::OneOf {
        default: None,
        of: &[
            "standard-webhooks",
            "hmac",
            "http-signature",
            "bitbucket",
            "discord",
            "gitea",
            "gitlab",
            "linear",
            "shopify",
            "slack",
            "stripe",
            "teams-outgoing",
            "telegram",
            "twilio",
            "webex",
            "zoom",
            "github",
        ],
    },
    required: true,
    what: "the provider whose scheme checks the requests; its own options and limits hold too",
};

const PUBLIC_URL: OptionSpec = OptionSpec::text(
    "public_url",
    None,
    "https://gate.example/webhook/flow-1",
    "the URL that the sender calls, for checks that sign it; where it has a path, that has the flow",
);

static METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

static FACTS: Facts = Facts {
    methods: &METHODS,
    // The check's own counts.
    body_limit: ByteSize::mib(1),
    horizon: Duration::from_secs(96 * 3600),
    window: None,
    deadline: Duration::from_secs(15),
    scheme_headers: &[],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    // `same_body` is the check's, if it has it.
    options: &[RAW, CHECK, PUBLIC_URL],
    same_body: SameBody::Run,
    key: "what the check's provider has there",
    verify: None,
};

/// See the module's page.
pub(super) struct Webhook;

impl Opener for Webhook {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let check = check(scheme).ok_or_else(|| Refusal::new(Reason::BadSignature, "the endpoint has no check"))?;
        let opener = opener(check.provider());
        field::refuse_repeated(request.headers, opener.facts().scheme_headers)?;
        opener.verify(request, keys, check, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let check = check(arrival.scheme).ok_or_else(|| Refusal::unparsable("the endpoint has no check"))?;
        let flow = flow(arrival.scheme, arrival.request.path_and_query)?;
        let known = Arrival { scheme: check, ..*arrival };
        let deliveries = match opener(check.provider()).read(&known) {
            Ok(Opened::Deliveries(deliveries)) => deliveries,
            Ok(handshake) => return Ok(handshake),
            // Nothing parts the fields that Twilio's scheme signs: of a form that is none of Twilio's, nobody knows whether they have moved.
            Err(refusal) if check.provider() == Provider::Twilio && is_form(arrival.request) => return Err(refusal),
            // The sender need not be the provider whose scheme it uses: any body will do.
            Err(_) => Deliveries::one(plain(arrival, &known)?),
        };
        let events = deliveries.events.into_iter().map(|event| {
            let mut event = event.of(arrival.scheme.provider());
            seen(&mut event.draft.channel_data, arrival.request, check, flow);
            event.draft.metadata.flow_id = Some(flow.to_owned());
            event
        });
        Ok(Opened::Deliveries(Deliveries {
            events: events.collect(),
            dropped: deliveries.dropped,
        }))
    }

    fn check_key_for(&self, key: &Key, scheme: &Scheme) -> Result<Option<&'static str>, KeyError> {
        match check(scheme) {
            Some(check) => opener(check.provider()).check_key_for(key, check),
            None => Ok(None),
        }
    }

    fn same_body(&self, scheme: &Scheme) -> SameBody {
        check(scheme).map_or(FACTS.same_body, Scheme::same_body)
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"gate.opened","id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","at":"2026-02-19T10:00:00Z"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let check = check(scheme).ok_or_else(|| SignError("`check` says which scheme signs".to_owned()))?;
        opener(check.provider()).sign(payload, key, check, now, fresh_id)
    }
}

fn is_form(request: &Request<'_>) -> bool {
    field::media_type(request.headers).as_deref() == Some(sign::FORM)
}

fn check(scheme: &Scheme) -> Option<&Scheme> {
    scheme.check()
}

/// The flow: the last part of the path that the sender called, which is the one that `public_url` has, if it has one.
fn flow<'a>(scheme: &'a Scheme, path_and_query: &'a str) -> Result<&'a str, Refusal> {
    let configured = scheme.text(PUBLIC_URL.key).and_then(|url| url.split_once("://"));
    let configured = configured.and_then(|(_, rest)| rest.get(rest.find('/')?..));
    let last = |path: &'a str| {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').find(|part| !part.is_empty())
    };
    let flow = configured.and_then(last).or_else(|| last(path_and_query));
    // Nor may it be a step in a path: a worker may look for the flow in a folder.
    let is_id = |flow: &&str| {
        let written = flow.bytes().all(|byte| is_plain(byte) || byte == b'.');
        flow.len() <= MAX_ID_LEN && written && flow.bytes().any(is_plain)
    };
    flow.filter(is_id)
        .ok_or_else(|| Refusal::unparsable("the path ends in no flow's id (letters, digits, `_`, `-`, `.`)"))
}

/// A request that is verified and not in the form of the check's provider. Of an empty body the mark would say nothing, so it counts only where
/// the endpoint says so.
fn plain(arrival: &Arrival<'_>, known: &Arrival<'_>) -> Result<Verified, Refusal> {
    let raw = generic::anything_or_nothing(arrival)?;
    let event = Object::read(&raw).and_then(|body| body.text("type"));
    let draft = generic::draft(arrival, &FACTS, Kind::Event, event.as_deref(), &raw);
    let empty = arrival.request.body.is_empty() && !arrival.scheme.says_same_body();
    generic::finished(known, draft, None, None, arrival.request.body.clone())
        .map(|event| if empty { event.without_body_mark() } else { event })
}

/// What the request was beside its body. A query is only signed where the check signs it.
fn seen(data: &mut Map<String, Value>, request: &Request<'_>, check: &Scheme, flow: &str) {
    let query = request.path_and_query.split_once('?').map(|(_, query)| query);
    for (member, value) in [
        ("flow_id", Some(flow)),
        ("check", Some(check.provider().as_str())),
        ("method", Some(request.method.as_str())),
        ("query", query),
    ] {
        data.insert(member.to_owned(), Value::from(value));
    }
}
