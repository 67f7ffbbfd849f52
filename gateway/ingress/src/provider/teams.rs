//! Microsoft's Bot Framework (Teams, Web Chat, Direct Line and other channels): a token of the connector in `Authorization`
//! (learn.microsoft.com, "Authentication with the Bot Connector API"; github.com/microsoft/botframework-sdk).
//!
//! The token says who sends, for which bot and to which service address. It does not cover the body: whoever holds one can send any activity
//! until it expires, so nothing in an activity is proven beyond its `serviceUrl` and the channel that its key speaks for.

use super::{Arrival, Facts, Opener, POST, generic, teams_outgoing::activity};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Wanted, clock, field,
    json::{self, Object},
    jwt::{self, Algorithm, JwtError, KeySet, Policy, Signer, Token},
    mac::Proof,
    scheme::{OptionKind, OptionSpec, RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use serde_json::json;
use std::time::Duration;
use tollgate_config::ByteSize;

const AUTHORIZATION: &str = "authorization";

/// As the connector writes it, and as Microsoft's own libraries take it.
const BEARER: &str = "Bearer ";

/// The claim that the activity's `serviceUrl` must be equal to.
const SERVICE_URL: &str = "serviceurl";

/// How long a token of `tollgate send` lives: as long as the connector's.
const TOKEN_LIFE: i64 = 3600;

/// Where an activity has no address of its own to sign for.
const DEFAULT_SERVICE: &str = "https://smba.trafficmanager.net/teams/";

const APP_ID: OptionSpec = OptionSpec {
    required: true,
    ..OptionSpec::text(
        "app_id",
        None,
        "00000000-0000-4000-8000-000000000001",
        "the bot's app id, for which its tokens are",
    )
};

const CLOUD: OptionSpec = OptionSpec {
    key: "cloud",
    kind: OptionKind::OneOf {
        default: Some("public"),
        of: &["public", GOVERNMENT],
    },
    required: false,
    what: "whose connector calls: the public cloud's, or the US government's",
};

const GOVERNMENT: &str = "gov";

const JWKS_URL: OptionSpec = OptionSpec::text(
    "jwks_url",
    None,
    "https://login.botframework.com/v1/.well-known/keys",
    "where the connector's keys are published; the cloud's own place where nothing stands",
);

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // A few retries within minutes; and a token that somebody got hold of is good for about an hour.
    horizon: Duration::from_secs(24 * 3600),
    window: Some(clock::WINDOW),
    deadline: Duration::from_secs(15),
    scheme_headers: &[AUTHORIZATION],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    options: &[RAW, SAME_BODY, APP_ID, CLOUD, JWKS_URL],
    same_body: SameBody::Run,
    key: "nothing: Microsoft publishes the keys",
    verify: None,
};

/// See the module's page.
pub(super) struct Teams;

impl Opener for Teams {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let proven = || {
            let token = token(request, keys, scheme, now)?;
            agrees(&token, request)?;
            Ok(Proof::of_token(&token))
        };
        proven().map_err(Refusal::forbidden)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        activity::read(arrival, &FACTS, activity::Sender::Connector)
    }

    fn jwks_url<'a>(&self, scheme: &'a Scheme) -> Option<&'a str> {
        let published = match scheme.text(CLOUD.key) {
            Some(GOVERNMENT) => "https://login.botframework.azure.us/v1/.well-known/keys",
            _ => "https://login.botframework.com/v1/.well-known/keys",
        };
        Some(scheme.text(JWKS_URL.key).unwrap_or(published))
    }

    fn sample(&self) -> &'static str {
        r#"{"type":"message","id":"1771495200000","timestamp":"2026-02-19T10:00:00.000Z","channelId":"msteams","serviceUrl":"https://smba.trafficmanager.net/emea/","from":{"id":"29:1a2b","name":"Ada","aadObjectId":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},"recipient":{"id":"28:00000000-0000-4000-8000-000000000001","name":"Gate"},"conversation":{"id":"a:1gate","conversationType":"personal","tenantId":"7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f"},"text":"Is the gate open?","textFormat":"plain","channelData":{"tenant":{"id":"7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f"}},"locale":"en-GB"}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(generic::with_id(payload, "id", fresh_id)?, sign::JSON);
        let body = json::valid(&signed.body).ok().and_then(Object::read).unwrap_or_default();
        let claims = json!({
            "iss": issuer(scheme),
            "aud": scheme.text(APP_ID.key),
            "nbf": now.0,
            "exp": now.0.saturating_add(TOKEN_LIFE),
            (SERVICE_URL): body.text("serviceUrl").unwrap_or(DEFAULT_SERVICE.into()),
        });
        let token = Signer::from_pem(key.expose())?.token(&claims)?;
        signed.set(AUTHORIZATION, &format!("{BEARER}{token}"))?;
        Ok(signed)
    }
}

fn issuer(scheme: &Scheme) -> &'static str {
    match scheme.text(CLOUD.key) {
        Some(GOVERNMENT) => "https://api.botframework.us",
        _ => "https://api.botframework.com",
    }
}

/// The token: scheme, form, issuer, audience, times, and a signature by a published key.
fn token(request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Token, Refusal> {
    let header = field::required(request.headers, AUTHORIZATION, Reason::MissingSignature, Reason::BadToken)?;
    let token = header
        .strip_prefix(BEARER)
        .ok_or_else(|| Refusal::new(Reason::BadToken, "the authorization is no bearer token"))?;
    let policy = Policy {
        issuers: vec![issuer(scheme).to_owned()],
        audiences: Some(scheme.text(APP_ID.key).map(str::to_owned).into_iter().collect()),
        algorithms: vec![Algorithm::Rs256],
        leeway: clock::WINDOW,
        kid_required: true,
    };
    let none = KeySet::default();
    jwt::verify(token, keys.issued.as_deref().unwrap_or(&none), &policy, now).map_err(refusal)
}

/// What the token says of the activity: to which service address it is answered, and for which channel its key speaks.
fn agrees(token: &Token, request: &Request<'_>) -> Result<(), Refusal> {
    let body = json::valid(request.body).map_err(|error| Refusal::unparsable(format!("the body is not JSON: {error}")))?;
    let body = Object::read(body).ok_or_else(|| Refusal::unparsable("the body is no JSON object"))?;
    // Readers differ in which of two members counts, and a worker may be one that differs from us.
    let once = |name: &str| body.once(name).and_then(json::text);
    if token
        .text(SERVICE_URL)
        .is_none_or(|claimed| once("serviceUrl").as_deref() != Some(claimed))
    {
        let detail = "the token is for another service address than the activity's serviceUrl";
        return Err(Refusal::new(Reason::BadToken, detail));
    }
    let channel = once("channelId").ok_or_else(|| Refusal::new(Reason::NotEndorsed, "the activity has no channelId, or two"))?;
    if !token.key().endorsements().iter().any(|endorsed| *endorsed == channel) {
        return Err(Refusal::new(
            Reason::NotEndorsed,
            format!("the token's key does not speak for channel {channel:?}"),
        ));
    }
    Ok(())
}

fn refusal(error: JwtError) -> Refusal {
    let reason = match error {
        JwtError::UnknownKey { issuer, kid } => return Refusal::wanting(Wanted::Key { issuer, kid }),
        JwtError::Signature => Reason::BadSignature,
        JwtError::Expired => Reason::StaleTimestamp,
        JwtError::NotYet => Reason::FutureTimestamp,
        JwtError::Algorithm => Reason::AlgorithmNotAllowed,
        _ => Reason::BadToken,
    };
    Refusal::new(reason, error.to_string())
}
