//! SendGrid's event webhook: ECDSA P-256 over the timestamp and the raw body, which is a list of events (sendgrid.com, "Signed event webhook").

mod event;

use super::{Arrival, Facts, KeyError, Opener, POST, batch, generic};
use crate::{
    Deliveries, Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, clock, field,
    json::Object,
    mac::{self, Proof},
    public_key::{self, Algorithm, PublicKey},
    scheme::{OptionKind, OptionSpec, RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// Retried for a day; twice that for clocks.
const HORIZON: Duration = Duration::from_secs(48 * 3600);

/// No window is published, and nobody says whether a retry is signed anew: a day of retries, and an hour. What comes again within it is known
/// by the events' signed ids, whose marks live longer.
const WINDOW_SECONDS: i64 = 25 * 3600;

const WINDOW: OptionSpec = OptionSpec {
    key: "window",
    kind: OptionKind::Integer {
        default: Some(WINDOW_SECONDS),
        least: 1,
        // The horizon, with the clock that may be ahead: later, a repeat would no longer be known.
        most: (HORIZON.as_secs() - clock::WINDOW.as_secs()) as i64,
    },
    required: false,
    what: "how old the timestamp may be, in seconds",
};

static FACTS: Facts = Facts {
    methods: &POST,
    // Most are a few kB; batches are of at most 768 kB.
    body_limit: ByteSize::mib(1),
    horizon: HORIZON,
    window: Some(Duration::from_secs(WINDOW_SECONDS as u64)),
    deadline: Duration::from_secs(10),
    scheme_headers: &[SIGNATURE, TIMESTAMP],
    shown_headers: &["content-type", "user-agent", TIMESTAMP],
    batches: true,
    options: &[RAW, SAME_BODY, WINDOW],
    same_body: SameBody::Run,
    key: "the webhook's public key: the base64 that SendGrid shows, or PEM (P-256)",
    verify: None,
};

/// See the module's page.
pub(super) struct Sendgrid;

impl Opener for Sendgrid {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let timestamp = field::required(request.headers, TIMESTAMP, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        // Ten digits: nothing else keeps the time and the body apart.
        let at = clock::seconds(timestamp)?;
        let seconds = scheme.integer(WINDOW.key).and_then(|seconds| u64::try_from(seconds).ok());
        let window = Duration::from_secs(seconds.unwrap_or_default());
        // Retries make a time old, never new.
        clock::within(at, now, if at > now { clock::WINDOW.min(window) } else { window })?;
        let der = STANDARD
            .decode(signature.as_bytes())
            .map_err(|_| Refusal::new(Reason::BadSignature, "the signature is not base64"))?;
        let message = [timestamp.as_bytes(), request.body].concat();
        mac::any_live_key(keys, now, |key| public(key).is_ok_and(|public| public.fits(&message, &der)))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let raw = generic::valid(arrival)?;
        // Nothing stands between the time and the body in what is signed: the body begins where a list or an object does.
        let items: Vec<_> = match arrival.request.body.first() {
            Some(b'[') => serde_json::from_str(raw.get()).map_err(|error| Refusal::unparsable(error.to_string()))?,
            Some(b'{') => vec![raw],
            _ => return Err(Refusal::unparsable("the body does not begin with `[` or `{`")),
        };
        if items.is_empty() {
            return Err(Refusal::unparsable("the list has no events"));
        }
        // Fourteen bytes are an event; what SendGrid sends at most (768 kB) has about three thousand.
        if items.len() > batch::MAX_EVENTS {
            return Err(Refusal::unparsable(format!(
                "more than {} events in one request",
                batch::MAX_EVENTS
            )));
        }
        let events: Result<_, _> = items.into_iter().map(|item| event::read(arrival, item)).collect();
        Ok(Opened::Deliveries(Deliveries {
            events: events?,
            dropped: Vec::new(),
        }))
    }

    fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        public(key).map(|_| None)
    }

    fn sample(&self) -> &'static str {
        r#"[{"email":"ada@example.com","timestamp":1771495200,"smtp-id":"<14c5d75ce93.dfd.64b469@ismtpd-555>","event":"delivered","sg_event_id":"ZGVsaXZlcmVkLTAtMTAwMDAwMDA","sg_message_id":"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0","response":"250 OK"}]"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(event::with_ids(payload, fresh_id)?, sign::JSON);
        let timestamp = now.0.to_string();
        let message = [timestamp.as_bytes(), &signed.body].concat();
        let signature = public_key::sign(Algorithm::EcdsaDer, key.expose(), &message)
            .ok_or_else(|| SignError("the key that signs is a private one: PKCS#8 of P-256, as base64 or PEM".to_owned()))?;
        signed.set(TIMESTAMP, &timestamp)?;
        signed.set(SIGNATURE, &STANDARD.encode(&signature))?;
        Ok(signed)
    }
}

/// When the batch was signed.
fn signed_at(arrival: &Arrival<'_>) -> Option<UnixTime> {
    clock::seconds(field::optional(arrival.request.headers, TIMESTAMP)?).ok()
}

/// Whether an object is an event of SendGrid's.
fn is_event(item: &Object<'_>) -> bool {
    item.text("event").is_some_and(|name| !name.is_empty())
}

/// Reads the webhook's public key.
fn public(key: &Key) -> Result<PublicKey, KeyError> {
    PublicKey::read(Algorithm::EcdsaDer, key.expose()).ok_or(KeyError("the key is not the base64 or PEM of a P-256 public key"))
}
