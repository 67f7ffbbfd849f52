//! What a provider is to the gate: one trait, one registry, one file for each.
//!
//! A new provider is a file beside these with an `Opener`, and a line in `opener`. Its [`Facts`] are the table that the documents and
//! `tollgate providers` are made from.

mod batch;
mod bitbucket;
mod body_mac;
mod bot_framework;
mod discord;
mod forge;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod hmac;
mod http_signature;
mod instagram;
mod line;
mod linear;
mod messenger;
mod meta;
mod paypal;
mod sendgrid;
mod shopify;
mod slack;
mod standard_webhooks;
mod stripe;
pub mod table;
mod teams;
mod teams_outgoing;
mod telegram;
mod timed_mac;
mod twilio;
pub mod webchat;
mod webex;
mod webhook;
mod whatsapp;
mod zoom;

use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    mac::Proof,
    open::Answer,
    scheme::{OptionError, OptionSpec, SameBody},
    sign::{SignError, Signed},
};
use http::{HeaderMap, Method};
use serde_json::{json, value::RawValue, value::to_raw_value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tollgate_config::{ByteSize, manifest::Provider};

/// What is fixed about a provider.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Methods that it calls with.
    pub methods: &'static [Method],
    /// The largest body that it sends.
    pub body_limit: ByteSize,
    /// How long it retries, and so how long a dedupe mark lives.
    pub horizon: Duration,
    /// How far its signed clock may be off; none where nothing signed has a clock.
    pub window: Option<Duration>,
    /// Until when it waits for an answer.
    pub deadline: Duration,
    /// Headers that decide; two of one are refused.
    pub scheme_headers: &'static [&'static str],
    /// Headers that the activity shows, unsigned and harmless.
    pub shown_headers: &'static [&'static str],
    /// Whether one request may carry several events, each a delivery of its own.
    pub batches: bool,
    /// Options of an endpoint.
    pub options: &'static [OptionSpec],
    /// What a known body is when nobody says otherwise.
    pub same_body: SameBody,
    /// What `secrets.signing` holds.
    pub key: &'static str,
    /// What `secrets.verify` holds, where there is a handshake with a token.
    pub verify: Option<&'static str>,
}

/// A key that is not of the provider's form. Never says what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub &'static str);

/// A provider's scheme.
pub(crate) trait Opener: Sync {
    /// What is fixed about it.
    fn facts(&self) -> &'static Facts;

    /// Answers a handshake that shows a token and has no signature; `None` when this request is none.
    fn handshake(&self, _request: &Request<'_>, _keys: &Keys, _scheme: &Scheme) -> Option<Result<Answer, Refusal>> {
        None
    }

    /// Presence, clock and signature. The body is bytes here, unless what is signed stands in it; then it is read after the signature.
    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal>;

    /// Reads what has been verified.
    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal>;

    /// Whether a key has the right form, with a warning where it is weak.
    fn check_key(&self, _key: &Key) -> Result<Option<&'static str>, KeyError> {
        Ok(None)
    }

    /// The same, where the form of a key follows from the options.
    fn check_key_for(&self, key: &Key, _scheme: &Scheme) -> Result<Option<&'static str>, KeyError> {
        self.check_key(key)
    }

    /// What is wrong with options that are fine one by one.
    fn check_options(&self, _scheme: &Scheme) -> Vec<OptionError> {
        Vec::new()
    }

    /// What a known body is when the endpoint does not say it.
    fn same_body(&self, _scheme: &Scheme) -> SameBody {
        self.facts().same_body
    }

    /// Where its issuer of tokens publishes its keys.
    fn jwks_url<'a>(&self, _scheme: &'a Scheme) -> Option<&'a str> {
        None
    }

    /// A small real payload.
    fn sample(&self) -> &'static str;

    /// Signs as the provider does.
    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError>;
}

/// A verified request on its way to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) scheme: &'a Scheme,
    pub(crate) request: &'a Request<'a>,
    /// For answers that the provider's protocol signs; verified with [`Proof::matched_key`].
    pub(crate) keys: &'a Keys,
    pub(crate) proof: &'a Proof,
    pub(crate) now: UnixTime,
}

pub(crate) use paypal::SEED_URL as PAYPAL_SEED_URL;

/// Most providers call with nothing else; `static` because a method is no constant to the compiler.
static POST: [Method; 1] = [Method::POST];

/// Meta's challenge is a GET, and so is what Twilio may be told to send.
static GET_AND_POST: [Method; 2] = [Method::GET, Method::POST];

pub(crate) use webhook::CHECK;

/// The registry.
pub(crate) fn opener(provider: Provider) -> &'static dyn Opener {
    match provider {
        Provider::Slack => &slack::Slack,
        Provider::Telegram => &telegram::Telegram,
        Provider::Teams => &teams::Teams,
        Provider::TeamsOutgoing => &teams_outgoing::TeamsOutgoing,
        Provider::Webex => &webex::Webex,
        Provider::Whatsapp => &whatsapp::Whatsapp,
        Provider::Messenger => &messenger::MESSENGER,
        Provider::Instagram => &instagram::INSTAGRAM,
        Provider::Github => &github::Github,
        Provider::Gitlab => &gitlab::Gitlab,
        Provider::Gitea => &gitea::Gitea,
        Provider::Bitbucket => &bitbucket::Bitbucket,
        Provider::Stripe => &stripe::Stripe,
        Provider::Paypal => &paypal::Paypal,
        Provider::Shopify => &shopify::Shopify,
        Provider::Twilio => &twilio::Twilio,
        Provider::Discord => &discord::Discord,
        Provider::Line => &line::Line,
        Provider::StandardWebhooks => &standard_webhooks::StandardWebhooks,
        Provider::Zoom => &zoom::Zoom,
        Provider::Linear => &linear::Linear,
        Provider::Sendgrid => &sendgrid::Sendgrid,
        Provider::Hmac => &hmac::Hmac,
        Provider::HttpSignature => &http_signature::HttpSignature,
        Provider::Webhook => &webhook::Webhook,
        Provider::Webchat => &webchat::Webchat,
    }
}

/// What is fixed about a provider, for documents and limits.
pub fn facts(provider: Provider) -> &'static Facts {
    opener(provider).facts()
}

/// Longest header that an activity shows. Each event of a batch holds its own copy, and nothing signs it.
const MAX_SHOWN: usize = 1024;

/// The headers that an activity shows. A value that is no plain text, or longer than any real one, is left out.
fn shown_headers(headers: &HeaderMap, facts: &Facts) -> BTreeMap<&'static str, String> {
    let short = |name: &str| headers.get(name)?.to_str().ok().filter(|text| text.len() <= MAX_SHOWN);
    let shown = facts.shown_headers.iter().filter_map(|name| Some((*name, short(name)?.to_owned())));
    shown.collect()
}

/// The canonical `raw` of a body that is neither JSON nor a form.
fn plain(body: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": data_encoding::BASE64.encode(body) }),
    }
}

/// A made value as `raw`.
fn kept(value: &serde_json::Value) -> Result<Arc<RawValue>, Refusal> {
    to_raw_value(value)
        .map(Arc::from)
        .map_err(|error| Refusal::unparsable(error.to_string()))
}

/// What may be sent back or signed on request: a letter, a digit, `_` or `-`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
