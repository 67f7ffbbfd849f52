//! Microsoft Teams' outgoing webhooks: `Authorization: HMAC` and the base64 of HMAC-SHA256 over the raw body, the key in base64
//! (learn.microsoft.com, "Create an outgoing webhook").

pub(super) mod activity;

use super::{
    Arrival, Facts, KeyError, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;
use tollgate_config::ByteSize;
use zeroize::Zeroizing;

static MAC: BodyMac = BodyMac {
    headers: &["authorization"],
    prefix: "HMAC ",
    encoding: Encoding::Base64,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // Nothing is retried.
    horizon: Duration::from_secs(3600),
    window: None,
    deadline: Duration::from_secs(5),
    scheme_headers: &["authorization"],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Run,
    key: "the security token that Teams showed once: base64",
    verify: None,
};

/// See the module's page.
pub(super) struct TeamsOutgoing;

impl Opener for TeamsOutgoing {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let given = MAC.given(request)?;
        mac::any_live_key(keys, now, |key| {
            secret(key).is_ok_and(|secret| mac::same(mac::hmac_sha256(&secret, &[request.body]).as_ref(), &given))
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        activity::read(arrival, &FACTS, activity::Sender::OutgoingWebhook)
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        secret(key).map(|_| None)
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"message","id":"1771495200000","timestamp":"2026-02-19T10:00:00.000Z","channelId":"msteams","serviceUrl":"https://smba.trafficmanager.net/emea/","from":{"id":"29:1a2b","name":"Ada","aadObjectId":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},"conversation":{"id":"19:gate@thread.tacv2;messageid=1771495200000","isGroup":true,"conversationType":"channel"},"text":"<at>Gate</at> Is the gate open?","entities":[{"type":"mention","text":"<at>Gate</at>","mentioned":{"id":"28:gate","name":"Gate"}}],"channelData":{"tenant":{"id":"7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f"},"team":{"id":"19:team@thread.tacv2"},"channel":{"id":"19:gate@thread.tacv2"}},"locale":"en-GB"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(generic::with_id(payload, "id", fresh_id)?, sign::JSON);
        MAC.sign_with(&mut signed, &secret(key).map_err(|error| SignError(error.to_string()))?)?;
        Ok(signed)
    }
}

/// The token is the key in base64.
fn secret(key: &Key) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let secret = STANDARD.decode(key.expose().trim_ascii()).map(Zeroizing::new);
    secret
        .ok()
        .filter(|secret| !secret.is_empty())
        .ok_or(KeyError("the token is not base64"))
}
