//! Anyone who signs with an HMAC: header, algorithm, encoding, text, clock and id as the endpoint's options say.

mod template;

use super::{Arrival, Facts, Opener, POST, generic};
use crate::scheme::{OptionError, OptionKind, OptionSpec};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    clock, field,
    json::{self, Object},
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{borrow::Cow, time::Duration};
use subtle::ConstantTimeEq;
use tollgate_config::ByteSize;
use zeroize::Zeroizing;

const fn word(key: &'static str, default: &'static str, of: &'static [&'static str], what: &'static str) -> OptionSpec {
    let default = Some(default);
    OptionSpec {
        key,
        kind: OptionKind::OneOf { default, of },
        required: false,
        what,
    }
}

const HEADER: OptionSpec = OptionSpec {
    required: true,
    ..OptionSpec::text("header", None, "x-signature", "the signature's header")
};
const PREFIX: OptionSpec = OptionSpec::text("prefix", None, "sha256=", "what stands before the signature in its header");
const ALGORITHM: OptionSpec = word(
    "algorithm",
    "sha256",
    &["sha256", "sha512", "sha1"],
    "the hash; `sha1` with `allow_sha1`",
);
const ALLOW_SHA1: OptionSpec = OptionSpec {
    key: "allow_sha1",
    kind: OptionKind::Flag,
    required: false,
    what: "take `algorithm: sha1`",
};
const ENCODING: OptionSpec = word("encoding", "hex", &["hex", "base64", "base64url"], "how the signature is written");
const KEY_ENCODING: OptionSpec = word("key_encoding", "text", &["text", "hex", "base64"], "how the secret is written");
const TEMPLATE: OptionSpec = OptionSpec::text(
    "template",
    Some("{body}"),
    "{ts}.{body}",
    "what is signed: `{ts}`, `{id}`, `{body}`, `{method}`, `{path}` (with the query) and `{url}` (of `public_url`, with the query) stand for the request's",
);
const TS_HEADER: OptionSpec = OptionSpec::text(
    "ts_header",
    None,
    "x-timestamp",
    "the timestamp's header, which `template` must cover",
);
const TS_UNIT: OptionSpec = word("ts_unit", "s", &["s", "ms"], "what the timestamp counts");
const TOLERANCE: OptionSpec = OptionSpec {
    key: "tolerance",
    kind: OptionKind::Integer {
        default: Some(300),
        least: 1,
        most: 86_400,
    },
    required: false,
    what: "how far the timestamp may be off, in seconds",
};
const ID_HEADER: OptionSpec = OptionSpec::text("id_header", None, "x-event-id", "the event id's header");
const ID_POINTER: OptionSpec = OptionSpec::text(
    "id_pointer",
    None,
    "/id",
    "where the event's id stands in the body's JSON (RFC 6901)",
);
const LIST_SEPARATOR: OptionSpec = OptionSpec::text(
    "list_separator",
    None,
    ",",
    "what stands between several signatures in one header, of which one must fit",
);
const PUBLIC_URL: OptionSpec = OptionSpec::text(
    "public_url",
    None,
    "https://gate.example/hook",
    "the URL that the sender calls, for `{url}`, without the query",
);

/// Signatures in one header that are looked at.
const MAX_SIGNATURES: usize = 16;

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    // Nobody knows; as long as Standard Webhooks retries.
    horizon: Duration::from_secs(96 * 3600),
    window: None,
    deadline: Duration::from_secs(15),
    scheme_headers: &[],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    options: &[
        RAW,
        SAME_BODY,
        HEADER,
        PREFIX,
        ALGORITHM,
        ALLOW_SHA1,
        ENCODING,
        KEY_ENCODING,
        TEMPLATE,
        TS_HEADER,
        TS_UNIT,
        TOLERANCE,
        ID_HEADER,
        ID_POINTER,
        LIST_SEPARATOR,
        PUBLIC_URL,
    ],
    same_body: SameBody::Drop,
    key: "the secret, written as `key_encoding` says",
    verify: None,
};

/// See the module's page.
pub(super) struct Hmac;

impl Opener for Hmac {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let header = scheme.text(HEADER.key).unwrap_or_default();
        let named = [scheme.text(TS_HEADER.key), scheme.text(ID_HEADER.key), Some(header)];
        let named: Vec<_> = named.into_iter().flatten().collect();
        field::refuse_repeated(request.headers, &named)?;
        let written = field::required(request.headers, header, Reason::MissingSignature, Reason::BadSignature)?;
        let given = signatures(scheme, written);
        if given.is_empty() {
            return Err(Refusal::new(
                Reason::BadSignature,
                "the signature is not written as the endpoint's options say",
            ));
        }
        let ts = match scheme.text(TS_HEADER.key) {
            Some(name) => {
                let ts = field::required(request.headers, name, Reason::MissingTimestamp, Reason::BadTimestamp)?;
                let at = instant(scheme, ts)?;
                let tolerance = scheme.integer(TOLERANCE.key).and_then(|seconds| u64::try_from(seconds).ok());
                clock::within(at, now, Duration::from_secs(tolerance.unwrap_or_default()))?;
                ts
            }
            None => "",
        };
        let id = match scheme.text(ID_HEADER.key) {
            Some(name) => field::required(request.headers, name, Reason::BadId, Reason::BadId)?,
            None => "",
        };
        let url = template::url(scheme, request.path_and_query);
        let values = template::Values {
            request,
            ts,
            id,
            url: &url,
        };
        let parts = values.parts(scheme.text(TEMPLATE.key).unwrap_or_default())?;
        mac::any_live_key(keys, now, |key| {
            let expected = secret(scheme, key).and_then(|secret| mac(scheme, &secret, &parts));
            expected.is_some_and(|expected| given.iter().fold(false, |fits, given| bool::from(expected.ct_eq(given)) | fits))
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let raw = generic::anything(arrival)?;
        let scheme = arrival.scheme;
        let body = Object::read(&raw);
        let event = body.as_ref().and_then(|body| body.text("type"));
        let id = match (scheme.text(ID_HEADER.key), scheme.text(ID_POINTER.key)) {
            (Some(name), _) => generic::unsigned("header", arrival, name).map(|id| crate::verified::EventId {
                signed: scheme.text(TEMPLATE.key).is_some_and(|template| template.contains("{id}")),
                ..id
            }),
            (None, Some(pointer)) => generic::signed("pointer", pointed(&raw, pointer).and_then(json::id).map(Cow::into_owned)),
            (None, None) => None,
        };
        let mut draft = generic::draft(arrival, &FACTS, Kind::Event, event.as_deref(), &raw);
        let signed_at = scheme
            .text(TS_HEADER.key)
            .and_then(|name| field::optional(arrival.request.headers, name));
        if let Some(at) = signed_at.and_then(|ts| instant(scheme, ts).ok()).and_then(clock::rfc3339) {
            draft.timestamp = at;
        }
        generic::deliver(arrival, draft, id, None)
    }

    fn check_options(&self, scheme: &Scheme) -> Vec<OptionError> {
        template::check(scheme)
    }

    fn same_body(&self, scheme: &Scheme) -> SameBody {
        // Where no id is configured, two equal bodies may be two events.
        match (scheme.text(ID_HEADER.key), scheme.text(ID_POINTER.key)) {
            (None, None) => SameBody::Run,
            _ => FACTS.same_body,
        }
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"gate.opened","id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","at":"2026-02-19T10:00:00Z"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let id = fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned);
        let body = match (scheme.text(ID_POINTER.key), fresh_id) {
            (Some(pointer), Some(id)) => renewed(payload, pointer, id)?,
            _ => payload.to_vec(),
        };
        let format = if json::valid(&body).is_ok() {
            sign::JSON
        } else {
            "application/octet-stream"
        };
        let mut signed = Signed::new(body, format);
        let ms = scheme.text(TS_UNIT.key) == Some("ms");
        let ts = format!("{}{}", now.0, if ms { "000" } else { "" });
        if let Some(name) = scheme.text(TS_HEADER.key) {
            signed.set(name, &ts)?;
        }
        if let Some(name) = scheme.text(ID_HEADER.key) {
            signed.set(name, &id)?;
        }
        let body = signed.body.clone().into();
        let request = Request {
            method: &http::Method::POST,
            path_and_query: template::path(scheme),
            headers: &signed.headers,
            body: &body,
        };
        let secret = secret(scheme, key).ok_or_else(SignError::key)?;
        let url = template::url(scheme, request.path_and_query);
        let values = template::Values {
            request: &request,
            ts: &ts,
            id: &id,
            url: &url,
        };
        let parts = values
            .parts(scheme.text(TEMPLATE.key).unwrap_or_default())
            .map_err(|refusal| SignError(refusal.detail))?;
        let mac = mac(scheme, &secret, &parts).ok_or_else(SignError::key)?;
        let written = match scheme.text(ENCODING.key) {
            Some("base64") => BASE64.encode(&mac),
            Some("base64url") => URL_SAFE_NO_PAD.encode(&mac),
            _ => HEXLOWER.encode(&mac),
        };
        let prefix = scheme.text(PREFIX.key).unwrap_or_default();
        signed.set(scheme.text(HEADER.key).unwrap_or_default(), &format!("{prefix}{written}"))?;
        Ok(signed)
    }
}

/// The signatures in the header that are written as configured; with a separator, others beside them are passed over.
fn signatures(scheme: &Scheme, written: &str) -> Vec<Vec<u8>> {
    let read = |text: &str| {
        decoded(
            scheme.text(ENCODING.key),
            text.strip_prefix(scheme.text(PREFIX.key).unwrap_or_default())?,
        )
    };
    match scheme.text(LIST_SEPARATOR.key) {
        Some(separator) => written
            .split(separator)
            .take(MAX_SIGNATURES)
            .filter_map(|text| read(text.trim_matches(' ')))
            .collect(),
        None => read(written).into_iter().collect(),
    }
}

fn instant(scheme: &Scheme, ts: &str) -> Result<UnixTime, Refusal> {
    if scheme.text(TS_UNIT.key) == Some("ms") {
        clock::milliseconds(ts)
    } else {
        clock::seconds(ts)
    }
}

/// The value that a JSON Pointer names (RFC 6901 4), unread.
fn pointed<'a>(raw: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    let tokens = pointer.strip_prefix('/')?.split('/');
    tokens
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .try_fold(raw, |value, token| {
            if value.get().starts_with('[') {
                // A number without needless zeros, and no sign.
                let index: usize = token.parse().ok().filter(|index: &usize| index.to_string() == token)?;
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                return items.get(index).copied();
            }
            Object::read(value)?.raw(&token)
        })
}

/// A payload with a fresh id where the pointer names one; a number stays one.
fn renewed(payload: &[u8], pointer: &str, id: &str) -> Result<Vec<u8>, SignError> {
    let place = || {
        let whole = std::str::from_utf8(payload).ok()?;
        let old = pointed(json::valid(payload).ok()?, pointer)?;
        let number = old.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if number {
            let digest = Sha256::digest(id.as_bytes());
            let fresh = digest.iter().take(6).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            return sign::spliced(whole, old, &fresh.to_string());
        }
        sign::replaced(whole, old, id)
    };
    place()
        .map(String::into_bytes)
        .ok_or_else(|| SignError(format!("the payload has nothing at `{pointer}`, so no place for an id")))
}

fn decoded(encoding: Option<&str>, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Some("base64") => mac::base64_bytes(text),
        Some("base64url") => URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok(),
        _ => HEXLOWER.decode(text.as_bytes()).ok(),
    }
}

fn secret(scheme: &Scheme, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
    let secret = match scheme.text(KEY_ENCODING.key) {
        Some("hex") => HEXLOWER_PERMISSIVE.decode(key.expose().trim_ascii()).ok()?,
        Some("base64") => BASE64.decode(key.expose().trim_ascii()).ok()?,
        _ => key.expose().to_vec(),
    };
    Some(Zeroizing::new(secret)).filter(|secret| !secret.is_empty())
}

fn mac(scheme: &Scheme, secret: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    match scheme.text(ALGORITHM.key) {
        Some("sha512") => mac::hmac_sha512(secret, parts).map(|mac| mac.to_vec()),
        Some("sha1") => mac::hmac_sha1(secret, parts).map(|mac| mac.to_vec()),
        _ => mac::hmac_sha256(secret, parts).map(|mac| mac.to_vec()),
    }
}
