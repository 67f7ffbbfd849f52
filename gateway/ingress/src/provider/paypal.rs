//! PayPal: RSA with SHA-256 over `{transmission id}|{transmission time}|{webhook id}|{CRC-32 of the body}`, under a certificate that a header
//! names by its URL (developer.paypal.com, "Integrate webhooks": verify the message).
//!
//! CRC-32 is no MAC: whoever holds one delivery can make another body with the same sum. So a transmission id runs once, its time is bounded,
//! and a worker that moves money asks PayPal's API for the resource itself.

mod event;

use super::{Arrival, Facts, Opener, POST, generic, is_plain};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Wanted, clock, field,
    jwt::Signer,
    mac::Proof,
    moment,
    scheme::{OptionError, OptionKind, OptionSpec, RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::BASE64;
use std::time::Duration;
use tollgate_config::ByteSize;

const ID: &str = "paypal-transmission-id";
const TIME: &str = "paypal-transmission-time";
const SIGNATURE: &str = "paypal-transmission-sig";
const CERTIFICATE: &str = "paypal-cert-url";
const ALGORITHM: &str = "paypal-auth-algo";

/// The only algorithm that PayPal has used.
const RSA: &str = "SHA256withRSA";

/// Hosts of PayPal's API, live and sandbox: certificates come from nowhere else.
const HOSTS: [&str; 4] = [
    "api.paypal.com",
    "api-m.paypal.com",
    "api.sandbox.paypal.com",
    "api-m.sandbox.paypal.com",
];

/// Where certificates lie on them.
const CERTIFICATES: &str = "/v1/notifications/certs/";

/// A certificate's URL in bytes, as PayPal's API takes it at most.
const MAX_URL: usize = 500;

/// An id of a transmission or of a webhook in bytes, likewise.
const MAX_ID: usize = 50;

/// How old a transmission may be where nothing else is said. PayPal names no limit; what is older is more likely recorded than late.
const TOLERANCE_DEFAULT: i64 = 3600;

/// The URL of the seeds' certificate.
pub(crate) const SEED_URL: &str = "https://api.paypal.com/v1/notifications/certs/CERT-seeds";

const WEBHOOK_ID: OptionSpec = OptionSpec {
    required: true,
    ..OptionSpec::text(
        "webhook_id",
        None,
        "9XL90610J3647323C",
        "the webhook's id, as PayPal's developer portal shows it; it is signed",
    )
};

const TOLERANCE: OptionSpec = OptionSpec {
    key: "tolerance",
    kind: OptionKind::Integer {
        default: Some(TOLERANCE_DEFAULT),
        least: 60,
        // The horizon, with the clock that may be ahead: later, a transmission that has run would no longer be known.
        most: 4 * 24 * 3600 - 300,
    },
    required: false,
    what: "how many seconds old a transmission may be",
};

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of providers whose limit is not published.
    body_limit: ByteSize::mib(1),
    // Up to 25 tries in three days, and a day more.
    horizon: Duration::from_secs(4 * 24 * 3600),
    window: Some(Duration::from_secs(TOLERANCE_DEFAULT.unsigned_abs())),
    deadline: Duration::from_secs(30),
    scheme_headers: &[ID, TIME, SIGNATURE, CERTIFICATE, ALGORITHM],
    shown_headers: &["content-type", "user-agent"],
    batches: false,
    options: &[RAW, SAME_BODY, WEBHOOK_ID, TOLERANCE],
    same_body: SameBody::Drop,
    key: "nothing: PayPal publishes its certificates",
    verify: None,
};

/// See the module's page.
pub(super) struct Paypal;

impl Opener for Paypal {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let algorithm = field::required(request.headers, ALGORITHM, Reason::AlgorithmNotAllowed, Reason::AlgorithmNotAllowed)?;
        if algorithm != RSA {
            return Err(Refusal::new(Reason::AlgorithmNotAllowed, format!("the algorithm is not {RSA}")));
        }
        let id = field::required(request.headers, ID, Reason::BadId, Reason::BadId)?;
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(is_plain) {
            return Err(Refusal::new(
                Reason::BadId,
                "the transmission id is not 1 to 50 letters, digits, `_` or `-`",
            ));
        }
        let time = field::required(request.headers, TIME, Reason::MissingTimestamp, Reason::BadTimestamp)?;
        within(time, scheme, now)?;
        let signature = BASE64
            .decode(signature.as_bytes())
            .map_err(|_| Refusal::new(Reason::BadSignature, "the signature is no base64"))?;
        let url = field::required(request.headers, CERTIFICATE, Reason::MissingSignature, Reason::BadSignature)?;
        if !is_paypals(url) {
            return Err(Refusal::new(Reason::BadSignature, "the certificate's URL is none of PayPal's"));
        }
        let Some(certificate) = keys.certificates.get(url) else {
            return Err(Refusal::wanting(Wanted::Certificate { url: url.to_owned() }));
        };
        if !certificate.is_valid(now) {
            return Err(Refusal::new(Reason::NoLiveKey, "the certificate is not valid now"));
        }
        let signed = signed_text(id, time, scheme, request.body);
        Proof::of_certificate(certificate, now, signed.as_bytes(), &signature)
            .ok_or_else(|| Refusal::new(Reason::BadSignature, "the signature does not fit the certificate"))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        event::read(arrival)
    }

    fn check_options(&self, scheme: &Scheme) -> Vec<OptionError> {
        let id = scheme.text(WEBHOOK_ID.key).unwrap_or_default();
        if id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Vec::new();
        }
        vec![OptionError {
            key: WEBHOOK_ID.key.to_owned(),
            message: format!("`{}` is 1 to {MAX_ID} letters and digits", WEBHOOK_ID.key),
        }]
    }

    fn sample(&self) -> &'static str {
        r#"{"id":"WH-9UG43882HX7271132-6E0871324L7949614","event_version":"1.0","create_time":"2026-02-19T10:00:00Z","resource_type":"sale","event_type":"PAYMENT.SALE.COMPLETED","summary":"Payment completed for $ 21.0 USD","resource":{"id":"80F85758S3080410K","state":"completed","amount":{"total":"21.00","currency":"USD"},"links":[{"href":"https://api.paypal.com/v1/payments/sale/80F85758S3080410K","rel":"self","method":"GET"}]}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        // The body's mark counts beside the transmission's, so a fresh event has a fresh id in both.
        let mut signed = Signed::new(generic::with_id(payload, "id", fresh_id)?, sign::JSON);
        let id = fresh_id.map_or_else(|| generic::derived_id(&signed.body), str::to_owned);
        let time = clock::rfc3339(now).unwrap_or_default().replace("+00:00", "Z");
        let text = signed_text(&id, &time, scheme, &signed.body);
        let signature = Signer::from_pem(key.expose())?.sign(text.as_bytes())?;
        for (name, value) in [
            (ID, id.as_str()),
            (TIME, &time),
            (SIGNATURE, &BASE64.encode(&signature)),
            (CERTIFICATE, SEED_URL),
            (ALGORITHM, RSA),
        ] {
            signed.set(name, value)?;
        }
        Ok(signed)
    }
}

fn signed_text(id: &str, time: &str, scheme: &Scheme, body: &[u8]) -> String {
    let webhook = scheme.text(WEBHOOK_ID.key).unwrap_or_default();
    format!("{id}|{time}|{webhook}|{}", crc32fast::hash(body))
}

/// Not older than the endpoint allows, and not further ahead than clocks differ.
fn within(time: &str, scheme: &Scheme, now: UnixTime) -> Result<(), Refusal> {
    let signed = moment::read(time).ok_or_else(|| Refusal::new(Reason::BadTimestamp, "the transmission time is no time of RFC 3339"))?;
    let tolerance = scheme.integer(TOLERANCE.key).unwrap_or(TOLERANCE_DEFAULT).unsigned_abs();
    if signed > now {
        clock::within(signed, now, clock::WINDOW)
    } else {
        clock::within(signed, now, Duration::from_secs(tolerance))
    }
}

/// Whether a certificate's URL is one of PayPal's own, letter by letter: a parser that is more generous than the one that fetches is a way out.
fn is_paypals(url: &str) -> bool {
    let place = url.strip_prefix("https://").filter(|_| url.len() <= MAX_URL);
    let name = place.and_then(|place| {
        let host = HOSTS
            .into_iter()
            .find(|host| place.strip_prefix(host).is_some_and(|path| path.starts_with('/')))?;
        place.strip_prefix(host)?.strip_prefix(CERTIFICATES)
    });
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_plain))
}
