//! Web chat: browsers speak to the gateway itself, in the words of Direct Line 3.0 (microsoft/botframework-sdk, `directline-3.0.json`).
//!
//! `Authorization: Bearer` and a token that the gateway has minted ([`Token`]). A token says who speaks and in which conversation, whatever the body
//! says; the body itself is not signed. Minting and conversations are the gateway's; what is here is pure.

mod activity;
pub mod origin;
pub mod token;

pub use origin::Origins;
pub use token::Token;

use super::{Arrival, Facts, KeyError, Opener};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    json::{self, Object},
    mac::Proof,
    scheme::{OptionError, OptionKind, OptionSpec, RAW, SameBody},
    sign::{self, SignError, Signed},
};
use http::Method;
use std::time::Duration;
use tollgate_config::ByteSize;

/// Exact origins, separated by blanks.
pub const ORIGINS: OptionSpec = OptionSpec::text(
    "origins",
    None,
    "https://www.example.com https://shop.example.com",
    "the exact origins whose pages may speak to the endpoint; without it, none: only clients that are no browsers",
);

/// Tokens for anyone on an allowed page.
pub const ANONYMOUS: OptionSpec = OptionSpec {
    key: "anonymous",
    kind: OptionKind::Flag,
    required: false,
    what: "mint tokens for pages of `origins` without the endpoint's secret",
};

static METHODS: [Method; 3] = [Method::GET, Method::POST, Method::OPTIONS];

static FACTS: Facts = Facts {
    methods: &METHODS,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // A page sends again what it has not seen come back, while its token lives.
    horizon: Duration::from_secs(3600),
    window: None,
    deadline: Duration::from_secs(15),
    scheme_headers: &["authorization", "origin"],
    shown_headers: &["content-type", "origin", "user-agent"],
    batches: false,
    options: &[RAW, ORIGINS, ANONYMOUS],
    same_body: SameBody::Run,
    key: "a secret of your own, 16 bytes at least: it signs tokens, and servers mint tokens with it",
    verify: None,
};

/// Shortest secret, in bytes: whoever has one token can try secrets against it as fast as a machine goes.
const MIN_SECRET: usize = 16;

/// See the module's page.
pub(super) struct Webchat;

impl Opener for Webchat {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let (token, proof) = token::presented(request.headers, keys, now)?;
        token.fits_request(request)?;
        Ok(proof)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        activity::read(arrival)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        if key.expose().len() < MIN_SECRET {
            return Err(KeyError("the secret is shorter than 16 bytes"));
        }
        Ok(None)
    }

    fn check_options(&self, scheme: &Scheme) -> Vec<OptionError> {
        let origins = scheme.text(ORIGINS.key);
        let wrong = origins.and_then(|text| Origins::parse(text).err()).map(|message| OptionError {
            key: ORIGINS.key.to_owned(),
            message,
        });
        let open = (scheme.flag(ANONYMOUS.key) && origins.is_none()).then(|| OptionError {
            key: ANONYMOUS.key.to_owned(),
            message: "`anonymous` needs `origins`: without a secret, a page's origin is all that is known of it".to_owned(),
        });
        wrong.into_iter().chain(open).collect()
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"message","from":{"id":"dl_ada","name":"Ada"},"text":"Is the gate open?","locale":"en-GB","channelData":{"clientActivityID":"1771495200000.1"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let token = Token {
            tenant: String::new(),
            endpoint: String::new(),
            conversation: "sample".to_owned(),
            user: "dl_sample".to_owned(),
            origin: None,
            expires: UnixTime(now.0.saturating_add(token::LIFE_SECONDS)),
        };
        let body = fresh_id.map_or_else(|| Ok(payload.to_vec()), |id| with_id(payload, id))?;
        let mut signed = Signed::new(body, sign::JSON);
        signed.set("authorization", &format!("Bearer {}", token.sign(key).ok_or_else(SignError::key)?))?;
        Ok(signed)
    }
}

/// The payload with this id at `channelData.clientActivityID`; every other byte stays as it is.
fn with_id(payload: &[u8], id: &str) -> Result<Vec<u8>, SignError> {
    let place = || {
        let whole = std::str::from_utf8(payload).ok()?;
        let members = Object::read(json::valid(payload).ok()?)?;
        let Some(data) = members.raw(activity::CHANNEL_DATA) else {
            let (before, after) = whole.split_once('{')?;
            let comma = if after.trim_start().starts_with('}') { "" } else { "," };
            let data = serde_json::json!({ activity::CLIENT_ID: id });
            return Some(format!("{before}{{\"{}\":{data}{comma}{after}", activity::CHANNEL_DATA));
        };
        match Object::read(data)?.raw(activity::CLIENT_ID) {
            Some(old) => sign::replaced(whole, old, id),
            None => sign::spliced(whole, data, &sign::inserted(data.get(), activity::CLIENT_ID, id)?),
        }
    };
    place()
        .map(String::into_bytes)
        .ok_or_else(|| SignError("the payload is no JSON object with a place for `channelData.clientActivityID`".to_owned()))
}
