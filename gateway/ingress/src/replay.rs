//! Entry points for fuzz targets, and for the tests that replay their seeds: pure, with a fixed key and a fixed time.
//!
//! All return what went wrong instead of panicking, so that a target is one call and one `unwrap`.

use crate::{
    Deliveries, Key, Keys, Opened, Reason, Scheme, UnixTime,
    certificate::Certificate,
    jwt::KeySet,
    open,
    provider::{self, PAYPAL_SEED_URL},
    recorded::Recorded,
    sign::{self, Signed},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use tollgate_config::{TenantId, manifest::Provider};

/// The clock of all seeds: the moment of Slack's published example.
pub const NOW: UnixTime = UnixTime(1_531_420_618);

/// The members of an activity, no more and no fewer (`docs/schema/activity.json`).
pub const MEMBERS: [&str; 13] = [
    "attachments",
    "buttons",
    "channel_data",
    "entities",
    "locale",
    "metadata",
    "provider",
    "provider_ids",
    "raw",
    "session",
    "tenant",
    "text",
    "timestamp",
];

/// The key of all seeds: a published example of each provider, or made up where there is none. It opens nothing.
pub fn key(provider: Provider) -> &'static str {
    match provider {
        Provider::Slack => "8f742231b10e8888abcd99yyyzzz85a5",
        Provider::Github => "It's a Secret to Everybody",
        Provider::StandardWebhooks => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        Provider::Twilio => "12345",
        Provider::Line => "channel_secret",
        Provider::Gitea => "IsWishesWereHorsesWedAllBeEatingSteak!",
        // RFC 8032 7.1, test 1.
        Provider::Discord => "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        // Base64, as Teams shows its token once.
        Provider::TeamsOutgoing => "dGhlIGdhdGUgb3BlbnMgZm9yIHdobyBoYXMgdGhpcyE=",
        Provider::Gitlab => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        Provider::Webhook => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        // RFC 9421 B.1.4, test-key-ed25519.
        Provider::HttpSignature => "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
        // A pair made for the seeds.
        Provider::Sendgrid => {
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbVbczAUCUMSXC+7QyklO0awyyDeZPJOfmUYiyERhu6cLxPXkIQtuj4gxUW80V2tfAAWIl53A1WuT/8SYesXTqA=="
        }
        _ => "secret_of_the_seeds",
    }
}

/// The RSA key of the seeds for providers that publish theirs; its public half stands in [`JWKS`] and [`CERTIFICATE`].
const RSA_KEY: &str = include_str!("replay/key.pem");
/// What an issuer of tokens would publish for it.
const JWKS: &str = include_str!("replay/jwks.json");
/// A certificate for it, signed by itself.
const CERTIFICATE: &str = include_str!("replay/certificate.pem");

/// What signs the seeds: [`key`] itself, or the private half of a public one.
pub fn signing_key(provider: Provider) -> &'static str {
    match provider {
        Provider::Discord => "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        Provider::HttpSignature => "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF",
        Provider::Sendgrid => {
            "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjBRWgnXlcZXSEkw2djsS6R3dHMepkQyQ0iTWlj3WXBqhRANCAARtVtzMBQJQxJcL7tDKSU7RrDLIN5k8k5+ZRiLIRGG7pwvE9eQhC26PiDFRbzRXa18ABYiXncDVa5P/xJh6xdOo"
        }
        Provider::Teams | Provider::Paypal => RSA_KEY,
        _ => key(provider),
    }
}

/// Schemes that break in the same ways; a fuzz target for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A MAC over the body, without a clock.
    BodyMac,
    /// A signature over a clock and the body.
    Timed,
    /// A token that says nothing of the body.
    Token,
    /// Bodies that are forms.
    Form,
    /// Several events in one body.
    Batch,
}

impl Family {
    /// Whether a provider is one of them; some are in two.
    pub fn holds(self, provider: Provider) -> bool {
        let facts = provider::facts(provider);
        let token = matches!(
            provider,
            Provider::Telegram | Provider::Gitlab | Provider::Teams | Provider::Webchat
        );
        match self {
            Self::Form => matches!(provider, Provider::Slack | Provider::Twilio | Provider::Github),
            Self::Batch => facts.batches,
            Self::Token => token,
            Self::Timed => facts.window.is_some() && !token,
            Self::BodyMac => facts.window.is_none() && !token,
        }
    }
}

/// A case of a family: its first line names the provider, and the rest is a recorded request; or the line says `PROVIDER signed`, and the rest
/// is a payload, which is signed and opened, and then opened again with one bit of it changed.
///
/// # Errors
/// The promise that was broken.
pub fn case(family: Family, file: &[u8]) -> Result<(), String> {
    let Some(end) = file.iter().position(|byte| *byte == b'\n') else {
        return Ok(());
    };
    let (line, rest) = file.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default();
    let (name, signed) = line.strip_suffix(" signed").map_or((line, false), |name| (name, true));
    match Provider::from_name(name) {
        Some(provider) if family.holds(provider) && signed => signed_and_tampered(provider, rest),
        Some(provider) if family.holds(provider) => request(provider, rest),
        _ => Ok(()),
    }
}

fn signed_and_tampered(provider: Provider, body: &[u8]) -> Result<(), String> {
    let Some(signed) = signed_and_opened(provider, body)? else {
        return Ok(());
    };
    // A token says nothing of the body, and Twilio's two ways to write one field are the same field.
    if Family::Token.holds(provider) || provider == Provider::Twilio {
        return Ok(());
    }
    let (scheme, keys) = gate(provider)?;
    let mut tampered = signed;
    // A place that the case itself decides.
    let sum = tampered
        .body
        .iter()
        .fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let place = sum.checked_rem(tampered.body.len()).unwrap_or_default();
    let Some(byte) = tampered.body.get_mut(place) else { return Ok(()) };
    *byte ^= 1 << (sum % 8);
    match open(&scheme, &Recorded::made(&tampered).request(), &keys, NOW) {
        Err(refusal) if !refusal.reason.is_verified() => Ok(()),
        _ => Err(format!("{}: verified with a bit of byte {place} changed", provider.as_str())),
    }
}

/// What opens the seeds: [`key`], or what the provider would publish.
///
/// # Errors
/// When one of them cannot be read.
pub fn keys(provider: Provider) -> Result<Keys, String> {
    if provider == Provider::Paypal {
        let certificate = Certificate::from_pem(CERTIFICATE.as_bytes()).map_err(|error| error.to_string())?;
        return Ok(Keys {
            certificates: Arc::new(BTreeMap::from([(PAYPAL_SEED_URL.to_owned(), certificate)])),
            ..Keys::default()
        });
    }
    if provider == Provider::Teams {
        let issued = KeySet::parse(JWKS.as_bytes()).map_err(|error| error.to_string())?;
        return Ok(Keys {
            issued: Some(Arc::new(issued)),
            ..Keys::default()
        });
    }
    let key = Key::new(key(provider).into(), None).map_err(|error| error.to_string())?;
    Ok(Keys::signed_by(vec![key]))
}

/// Opens a recorded request; whatever it is, there must be an answer, and what is accepted must keep its promises.
///
/// # Errors
/// The promise that was broken.
pub fn request(provider: Provider, file: &[u8]) -> Result<(), String> {
    let Ok(recorded) = Recorded::parse(file) else { return Ok(()) };
    let (scheme, keys) = gate(provider)?;
    match open(&scheme, &recorded.request(), &keys, NOW) {
        Ok(opened) => kept(&opened),
        Err(_) => Ok(()),
    }
}

/// Signs any bytes as every provider does and opens them: verification must hold, and what is parsable must keep its promises.
///
/// # Errors
/// The promise that was broken.
pub fn payload(body: &[u8]) -> Result<(), String> {
    Provider::ALL
        .into_iter()
        .try_for_each(|provider| signed_and_opened(provider, body).map(drop))
}

/// `None` where the payload cannot be signed as this provider does.
fn signed_and_opened(provider: Provider, body: &[u8]) -> Result<Option<Signed>, String> {
    let (scheme, keys) = gate(provider)?;
    let key = Key::new(signing_key(provider).into(), None).map_err(|error| error.to_string())?;
    let signed = match sign::sign_for(&scheme, body, &key, NOW, None) {
        // Twilio signs a form's fields, Linear a clock in an object: what is neither has no signature.
        Err(_) if matches!(provider, Provider::Twilio | Provider::Linear) => return Ok(None),
        signed => signed.map_err(|error| error.to_string())?,
    };
    match open(&scheme, &Recorded::made(&signed).request(), &keys, NOW) {
        Ok(opened) => kept(&opened)?,
        Err(refusal) if refusal.reason.is_verified() => {}
        // What a token must agree with stands in the body, where it may be missing.
        Err(refusal) if provider == Provider::Teams && matches!(refusal.reason, Reason::BadToken | Reason::NotEndorsed) => {}
        Err(refusal) => return Err(format!("{}: signed, and not verified: {refusal}", provider.as_str())),
    }
    Ok(Some(signed))
}

/// The endpoint of all seeds: a provider's examples of its options, and [`keys`].
///
/// # Errors
/// When that key is not of the provider's form.
pub fn gate(provider: Provider) -> Result<(Scheme, Keys), String> {
    Ok((Scheme::example(provider), keys(provider)?))
}

fn kept(opened: &Opened) -> Result<(), String> {
    let tenant = TenantId::new("acme").map_err(|error| error.to_string())?;
    match opened {
        Opened::Handshake(answer) if matches!(answer.status, 200 | 204) => Ok(()),
        Opened::Handshake(answer) => Err(format!("a handshake is answered {}", answer.status)),
        Opened::Deliveries(Deliveries { events, dropped }) if events.is_empty() && dropped.is_empty() => {
            Err("no events in an accepted request".to_owned())
        }
        Opened::Deliveries(Deliveries { events, .. }) => events.iter().try_for_each(|event| {
            let json = serde_json::to_string(&event.activity(&tenant)).map_err(|error| error.to_string())?;
            let members: BTreeMap<String, Box<serde_json::value::RawValue>> =
                serde_json::from_str(&json).map_err(|error| error.to_string())?;
            if !members.keys().eq(MEMBERS.iter()) {
                return Err(format!("members {:?}", members.keys()));
            }
            let timestamp = members
                .get("timestamp")
                .and_then(|text| serde_json::from_str::<Value>(text.get()).ok());
            if timestamp.and_then(|text| text.as_str().map(str::is_empty)) != Some(false) {
                return Err("no timestamp".to_owned());
            }
            let key = event.session_key(&tenant);
            if key.split(':').count() != 4 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!("session key {key:?}"));
            }
            match event.event_id() {
                Some(id) if !id.bytes().all(|byte| byte.is_ascii_graphic()) => Err(format!("event id {id:?}")),
                _ => Ok(()),
            }
        }),
    }
}
