//! HTTP Message Signatures (RFC 9421) with `Content-Digest` (RFC 9530), by an algorithm, a key and components that the endpoint says.
//!
//! A signature with a nonce is a single-use proof. One without is known again by what it signed, not by its own bytes, of which some algorithms
//! have several for one text.

mod base;
mod digest;
mod input;
mod target;

use super::{Arrival, Facts, KeyError, Opener, generic};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    clock, json,
    json::Object,
    mac::{self, Proof},
    public_key::{self, Algorithm, PublicKey},
    scheme::{OptionError, OptionKind, OptionSpec, RAW, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use http::Method;
use input::Shown;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tollgate_config::ByteSize;
use zeroize::Zeroizing;

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const CONTENT_DIGEST: &str = "content-digest";

/// The algorithms' names in the registry (RFC 9421 6.2.2).
const ALGORITHMS: [&str; 5] = ["ed25519", "hmac-sha256", "ecdsa-p256-sha256", "rsa-v1_5-sha256", "rsa-pss-sha512"];

const ALGORITHM: OptionSpec = OptionSpec {
    key: "algorithm",
    kind: OptionKind::OneOf {
        default: None,
        of: &ALGORITHMS,
    },
    required: true,
    what: "the one algorithm that is taken, whatever `alg` says",
};
const LABEL: OptionSpec = OptionSpec::text(
    "label",
    None,
    "sig1",
    "which signature counts; without it the request must have one alone",
);
const KEYID: OptionSpec = OptionSpec::text(
    "keyid",
    None,
    "key-1",
    "the `keyid` that a signature must have; several with blanks between them",
);
const TAG: OptionSpec = OptionSpec::text("tag", None, "my-app", "the `tag` that a signature must have");
const COMPONENTS: OptionSpec = OptionSpec::text(
    "components",
    Some("@method @target-uri content-digest"),
    "@method @authority @path content-digest date",
    "what a signature must cover, `content-digest` always; `@authority`, `@path` and `@query` together are `@target-uri`",
);
const WINDOW: OptionSpec = OptionSpec {
    key: "window",
    kind: OptionKind::Integer {
        default: Some(clock::WINDOW.as_secs() as i64),
        least: 1,
        // The horizon, with the clock that may be ahead: later, a proof that was used would no longer be known.
        most: (HORIZON.as_secs() - clock::WINDOW.as_secs()) as i64,
    },
    required: false,
    what: "how old `created` may be, in seconds; it may be five minutes ahead at most",
};
const NONCE: OptionSpec = OptionSpec {
    key: "require_nonce",
    kind: OptionKind::Flag,
    required: false,
    what: "refuse a signature without a `nonce`; with one it opens once, anyway",
};
const KEY_ENCODING: OptionSpec = OptionSpec {
    key: "key_encoding",
    kind: OptionKind::OneOf {
        default: Some("text"),
        of: &["text", "hex", "base64"],
    },
    required: false,
    what: "how the secret of `hmac-sha256` is written",
};
const PUBLIC_URL: OptionSpec = OptionSpec {
    required: true,
    ..OptionSpec::text(
        "public_url",
        None,
        "https://gate.example/hook",
        "the URL that the sender calls, without the query, which is the request's, as is the path where none stands here",
    )
};

/// Nobody knows how long a sender retries; as long as Standard Webhooks.
const HORIZON: Duration = Duration::from_secs(96 * 3600);

static METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

static FACTS: Facts = Facts {
    methods: &METHODS,
    // Most are a few kB.
    body_limit: ByteSize::mib(1),
    horizon: HORIZON,
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(15),
    scheme_headers: &[INPUT, SIGNATURE, CONTENT_DIGEST],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    // Nonce and signed text are signed ids, so `same_body` would do nothing.
    options: &[
        RAW,
        ALGORITHM,
        LABEL,
        KEYID,
        TAG,
        COMPONENTS,
        WINDOW,
        NONCE,
        KEY_ENCODING,
        PUBLIC_URL,
    ],
    same_body: SameBody::Run,
    key: "the public key as PEM or base64 (SPKI); of `hmac-sha256` the secret, written as `key_encoding` says",
    verify: None,
};

/// See the module's page.
pub(super) struct HttpSignature;

/// A key by its kind.
enum Opens {
    Hmac(Zeroizing<Vec<u8>>),
    Public(PublicKey),
}

impl Opener for HttpSignature {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let shown = Shown::read(request.headers, scheme.text(LABEL.key))?;
        shown.check(scheme, now)?;
        let target = target::Target::of(scheme, request.path_and_query);
        base::check_cover(&shown, scheme, request, target.query.is_some())?;
        digest::check(request)?;
        let text = base::text(&shown, request, &target)?;
        mac::any_live_key(keys, now, |key| match opens(key, scheme) {
            Ok(Opens::Hmac(secret)) => <[u8; 32]>::try_from(shown.signature.as_slice())
                .is_ok_and(|given| mac::same(mac::hmac_sha256(&secret, &[text.as_bytes()]).as_ref(), &given)),
            Ok(Opens::Public(public)) => public.fits(text.as_bytes(), &shown.signature),
            Err(_) => false,
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (request, scheme) = (arrival.request, arrival.scheme);
        let shown = Shown::read(request.headers, scheme.text(LABEL.key))?;
        let raw = generic::anything_or_nothing(arrival)?;
        let event = Object::read(&raw).and_then(|body| body.text("type"));
        let mut draft = generic::draft(arrival, &FACTS, Kind::Event, event.as_deref(), &raw);
        draft.timestamp = shown.created().and_then(clock::rfc3339).unwrap_or(draft.timestamp);
        for (member, value) in [
            ("label", Some(shown.label.as_str())),
            ("keyid", shown.text("keyid")),
            ("tag", shown.text("tag")),
        ] {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
        if let Some(nonce) = shown.text("nonce") {
            let id = generic::signed("nonce", Some(nonce));
            return generic::finished(arrival, draft, id, None, request.body.clone()).map(|event| generic::one(event.used_once()));
        }
        let text = base::text(&shown, request, &target::Target::of(scheme, request.path_and_query))?;
        let id = generic::signed("signed-text", Some(HEXLOWER.encode(&Sha256::digest(text))));
        generic::deliver(arrival, draft, id, None)
    }

    fn check_key_for(&self, key: &Key, scheme: &Scheme) -> Result<Option<&'static str>, KeyError> {
        match opens(key, scheme)? {
            // RFC 2104 3: a key shorter than the hash's output.
            Opens::Hmac(secret) if secret.len() < 32 => Ok(Some("the secret is shorter than the 32 bytes that HMAC-SHA256 wants")),
            _ => Ok(None),
        }
    }

    fn check_options(&self, scheme: &Scheme) -> Vec<OptionError> {
        let error = |key: &str, message: String| OptionError {
            key: key.to_owned(),
            message,
        };
        let mut errors = base::check_option(scheme.text(COMPONENTS.key).unwrap_or_default())
            .map(|message| error(COMPONENTS.key, message))
            .into_iter()
            .collect::<Vec<_>>();
        if !target::is_url(scheme.text(PUBLIC_URL.key).unwrap_or_default()) {
            errors.push(error(
                PUBLIC_URL.key,
                "`public_url` is an absolute URL, `https://host/path`".to_owned(),
            ));
        }
        if algorithm(scheme).is_some() && scheme.text(KEY_ENCODING.key) != Some("text") {
            errors.push(error(KEY_ENCODING.key, "`key_encoding` is for `algorithm: hmac-sha256`".to_owned()));
        }
        errors
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"gate.opened","id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","at":"2026-02-19T10:00:00Z"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let format = if json::valid(payload).is_ok() {
            sign::JSON
        } else {
            "application/octet-stream"
        };
        let mut signed = Signed::new(payload.to_vec(), format);
        signed.set(CONTENT_DIGEST, &digest::written(payload))?;
        // As it is, the same body is the same proof.
        let derived = || scheme.flag(NONCE.key).then(|| generic::derived_id(payload));
        let nonce = fresh_id.map(str::to_owned).or_else(derived);
        let shown = Shown::to_sign(scheme, now, nonce.as_deref())?;
        let body = signed.body.clone().into();
        let request = Request {
            method: &Method::POST,
            path_and_query: "/",
            headers: &signed.headers,
            body: &body,
        };
        let text = base::text(&shown, &request, &target::Target::of(scheme, "/")).map_err(|refusal| SignError(refusal.detail))?;
        let signature = match algorithm(scheme) {
            Some(algorithm) => public_key::sign(algorithm, key.expose(), text.as_bytes())
                .ok_or_else(|| SignError("the key that signs is a private one of the algorithm: PKCS#8, as base64 or PEM".to_owned()))?,
            None => secret(key, scheme)
                .and_then(|secret| Some(mac::hmac_sha256(&secret, &[text.as_bytes()])?.to_vec()))
                .ok_or_else(SignError::key)?,
        };
        signed.set(INPUT, &format!("{}={}", shown.label, shown.written()?))?;
        signed.set(SIGNATURE, &format!("{}=:{}:", shown.label, BASE64.encode(&signature)))?;
        Ok(signed)
    }
}

/// The algorithm, where it has a public key.
fn algorithm(scheme: &Scheme) -> Option<Algorithm> {
    match scheme.text(ALGORITHM.key) {
        Some("ed25519") => Some(Algorithm::Ed25519),
        // RFC 9421 3.3.4: r and s of 32 bytes each, not DER.
        Some("ecdsa-p256-sha256") => Some(Algorithm::EcdsaFixed),
        Some("rsa-v1_5-sha256") => Some(Algorithm::RsaPkcs1Sha256),
        Some("rsa-pss-sha512") => Some(Algorithm::RsaPssSha512),
        _ => None,
    }
}

/// A public key is never taken as a shared secret, nor the other way round: the endpoint says which it is.
fn opens(key: &Key, scheme: &Scheme) -> Result<Opens, KeyError> {
    match algorithm(scheme) {
        Some(algorithm) => PublicKey::read(algorithm, key.expose())
            .map(Opens::Public)
            .ok_or(KeyError("the key is not the PEM or base64 of a public key of the algorithm")),
        None => secret(key, scheme)
            .map(Opens::Hmac)
            .ok_or(KeyError("the secret is not written as `key_encoding` says")),
    }
}

fn secret(key: &Key, scheme: &Scheme) -> Option<Zeroizing<Vec<u8>>> {
    let secret = match scheme.text(KEY_ENCODING.key) {
        Some("hex") => HEXLOWER_PERMISSIVE.decode(key.expose().trim_ascii()).ok()?,
        Some("base64") => BASE64.decode(key.expose().trim_ascii()).ok()?,
        _ => key.expose().to_vec(),
    };
    Some(Zeroizing::new(secret)).filter(|secret| !secret.is_empty())
}

/// A signature that does not say what the endpoint wants.
fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadSignature, detail)
}
