//! Gitea, Gogs and Forgejo: HMAC-SHA256 over the raw body in bare hexadecimal digits, each under its own name.

use super::{
    Arrival, Facts, Opener, POST,
    body_mac::{BodyMac, Encoding},
    generic,
};
use crate::{
    Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    activity::Kind,
    field,
    mac::Proof,
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use std::time::Duration;
use tollgate_config::ByteSize;

const EVENT: &str = "x-gitea-event";
const DELIVERY: &str = "x-gitea-delivery";

/// Forgejo sends all three names, its own first.
static MAC: BodyMac = BodyMac {
    headers: &["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"],
    prefix: "",
    encoding: Encoding::Hex,
};

static FACTS: Facts = Facts {
    methods: &POST,
    // A push lists its commits.
    body_limit: ByteSize::mib(25),
    // Nothing is retried by itself; people redeliver.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(5),
    scheme_headers: &["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature", EVENT, DELIVERY],
    shown_headers: &[
        "content-type",
        "user-agent",
        EVENT,
        DELIVERY,
        "x-forgejo-event",
        "x-forgejo-delivery",
        "x-gogs-event",
        "x-gogs-delivery",
    ],
    batches: false,
    options: &[RAW, SAME_BODY],
    same_body: SameBody::Drop,
    key: "the webhook's secret, as text",
    verify: None,
};

/// See the module's page.
pub(super) struct Gitea;

impl Opener for Gitea {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        let (raw, body) = generic::object(arrival)?;
        let headers = arrival.request.headers;
        let event = [EVENT, "x-forgejo-event", "x-gogs-event"]
            .into_iter()
            .find_map(|name| field::optional(headers, name));
        let id = [DELIVERY, "x-forgejo-delivery", "x-gogs-delivery"]
            .into_iter()
            .find_map(|name| generic::unsigned("delivery", arrival, name));
        let account = body
            .object("repository")
            .and_then(|repository| repository.id("id"))
            .map(|id| id.into_owned());
        let draft = generic::draft(arrival, &FACTS, Kind::Event, event, raw);
        generic::deliver(arrival, draft, id, account)
    }

    fn sample(&self) -> &'static str {
        r#"{"action":"opened","number":7,"issue":{"id":2444,"number":7,"title":"The gate creaks"},"repository":{"id":12,"full_name":"acme/gate"},"sender":{"id":1,"login":"ada"}}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        let mut signed = Signed::new(payload.to_vec(), sign::JSON);
        MAC.sign(&mut signed, key)?;
        // Gitea itself has no Forgejo header.
        if let Some(mac) = signed.headers.remove("x-forgejo-signature") {
            signed.headers.insert("x-gitea-signature", mac);
        }
        signed.set(DELIVERY, &fresh_id.map_or_else(|| generic::derived_id(payload), str::to_owned))?;
        Ok(signed)
    }
}
