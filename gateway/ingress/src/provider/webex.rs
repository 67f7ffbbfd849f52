//! Cisco Webex: `X-Webex-Signature` (SHA-256 and SHA-512 side by side), or the old `X-Spark-Signature` (SHA-1) where `allow_sha1` says so
//! (developer.webex.com, "Receive and verify webhooks").
//!
//! Where the new header stands, the old one does not count. A message's text is not sent along: workers fetch it by its id.

mod event;

use super::{Arrival, Facts, Opener, POST};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, field,
    mac::{self, Proof},
    scheme::{OptionKind, OptionSpec, RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::HEXLOWER;
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-webex-signature";
const OLD_SIGNATURE: &str = "x-spark-signature";

/// Parts of a signature header; Webex writes two.
const MAX_PARTS: usize = 8;

const ALLOW_SHA1: OptionSpec = OptionSpec {
    key: "allow_sha1",
    kind: OptionKind::Flag,
    required: false,
    what: "take `X-Spark-Signature` (SHA-1) where there is no `X-Webex-Signature`",
};

static FACTS: Facts = Facts {
    methods: &POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // Retries are not published.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(15),
    scheme_headers: &[SIGNATURE, OLD_SIGNATURE],
    shown_headers: &["content-type", "user-agent", "trackingid"],
    batches: false,
    options: &[RAW, SAME_BODY, ALLOW_SHA1],
    same_body: SameBody::Run,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Webex;

impl Opener for Webex {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        if request.headers.contains_key(SIGNATURE) {
            let given = Given::read(field::required(
                request.headers,
                SIGNATURE,
                Reason::MissingSignature,
                Reason::BadSignature,
            )?)?;
            return mac::any_live_key(keys, now, |key| given.fits(key, request.body));
        }
        let old = field::required(request.headers, OLD_SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        if !scheme.flag(ALLOW_SHA1.key) {
            let detail = "only a SHA-1 signature, which `allow_sha1` would take";
            return Err(Refusal::new(Reason::AlgorithmNotAllowed, detail));
        }
        let given =
            mac::hex(old).ok_or_else(|| Refusal::new(Reason::BadSignature, "the signature is not 40 lower-case hexadecimal digits"))?;
        mac::any_live_key(keys, now, |key| {
            mac::same(mac::hmac_sha1(key.expose(), &[request.body]).as_ref(), &given)
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        event::read(arrival)
    }

    fn sample(&self) -> &'static str {
        r#"{"id":"Y2lzY29zcGFyazovL3VzL1dFQkhPT0svMQ","name":"Gate","resource":"messages","event":"created","orgId":"OTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh","createdBy":"Y2lzY29zcGFyazovL3VzL1BFT1BMRS8x","status":"active","actorId":"Y2lzY29zcGFyazovL3VzL1BFT1BMRS8y","data":{"id":"Y2lzY29zcGFyazovL3VzL01FU1NBR0UvMQ","roomId":"Y2lzY29zcGFyazovL3VzL1JPT00vMQ","roomType":"group","personId":"Y2lzY29zcGFyazovL3VzL1BFT1BMRS8y","created":"2026-02-19T10:00:00.000Z"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let body = event::with_id(payload, fresh_id)?;
        let (short, long) = (
            mac::hmac_sha256(key.expose(), &[&body]).ok_or_else(SignError::key)?,
            mac::hmac_sha512(key.expose(), &[&body]).ok_or_else(SignError::key)?,
        );
        let mut signed = Signed::new(body, sign::JSON);
        signed.set(
            SIGNATURE,
            &format!("SHA-256={}, SHA-512={}", HEXLOWER.encode(&short), HEXLOWER.encode(&long)),
        )?;
        Ok(signed)
    }
}

/// The MACs of a header, by algorithm. Each of them must fit.
struct Given {
    sha256: Vec<[u8; 32]>,
    sha512: Vec<[u8; 64]>,
}

impl Given {
    /// Reads `SHA-256=<hex>, SHA-512=<hex>`. Labels that we do not know are passed over; what follows one that we know must be its MAC.
    fn read(text: &str) -> Result<Self, Refusal> {
        let bad = |detail: &str| Refusal::new(Reason::BadSignature, detail);
        let mut given = Self {
            sha256: Vec::new(),
            sha512: Vec::new(),
        };
        for (index, part) in text.split(',').enumerate() {
            if index == MAX_PARTS {
                return Err(bad("more than 8 signatures"));
            }
            let (label, digits) = part
                .trim()
                .split_once('=')
                .ok_or_else(|| bad("a signature without its algorithm"))?;
            let wrong = || bad("a signature is not as many lower-case hexadecimal digits as its algorithm gives");
            if label.eq_ignore_ascii_case("sha-256") {
                given.sha256.push(mac::hex(digits).ok_or_else(wrong)?);
            } else if label.eq_ignore_ascii_case("sha-512") {
                given.sha512.push(mac::hex(digits).ok_or_else(wrong)?);
            }
        }
        if given.sha256.is_empty() && given.sha512.is_empty() {
            return Err(bad("no SHA-256 or SHA-512 signature"));
        }
        Ok(given)
    }

    fn fits(&self, key: &Key, body: &[u8]) -> bool {
        let short = mac::hmac_sha256(key.expose(), &[body]);
        let long = if self.sha512.is_empty() {
            None
        } else {
            mac::hmac_sha512(key.expose(), &[body])
        };
        let short = self.sha256.iter().fold(true, |fits, given| mac::same(short.as_ref(), given) & fits);
        self.sha512.iter().fold(short, |fits, given| mac::same(long.as_ref(), given) & fits)
    }
}
