//! An endpoint to try requests on.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tollgate_config::{
    Place, TenantId,
    manifest::{OptionValue, Provider, Scalar},
};
use tollgate_ingress::{
    Deliveries, DropReason, Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, Verified, open, replay, sign,
};

/// The clock of the tests.
pub(crate) const NOW: UnixTime = replay::NOW;

/// An endpoint and a request for it.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) provider: Provider,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) keys: Keys,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) now: UnixTime,
    pub(crate) options: BTreeMap<String, OptionValue>,
}

impl Gate {
    /// A request that opens, with this payload as it is.
    pub(crate) fn with(provider: Provider, payload: &[u8]) -> Self {
        let signed = sign::sign(provider, payload, &self::key(replay::signing_key(provider)), NOW, None).unwrap();
        let keys = replay::keys(provider).unwrap();
        // A webhook's flow stands in its path.
        let target = if provider == Provider::Webhook { "/webhook/flow-1" } else { "/" };
        Self {
            provider,
            method: Method::POST,
            target: target.to_owned(),
            keys,
            headers: signed.headers,
            body: signed.body,
            now: NOW,
            options: BTreeMap::new(),
        }
    }

    /// The provider's sample.
    pub(crate) fn sample(provider: Provider) -> Self {
        Self::with(provider, sign::sample(provider).as_bytes())
    }

    /// A header in the place of what was there.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// A header beside what was there.
    pub(crate) fn more(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn option(self, key: &str, value: &str) -> Self {
        self.scalar(key, Scalar::Text(value.to_owned()))
    }

    pub(crate) fn scalar(mut self, key: &str, value: Scalar) -> Self {
        let place = Place {
            file: Arc::new("t.yaml".into()),
            line: 1,
            column: 1,
        };
        self.options.insert(key.to_owned(), OptionValue { value, place });
        self
    }

    pub(crate) fn at(mut self, now: i64) -> Self {
        self.now = UnixTime(now);
        self
    }

    pub(crate) fn keys(mut self, keys: &[(&str, Option<i64>)]) -> Self {
        self.keys.signing = keys
            .iter()
            .map(|(text, end)| Key::new((*text).into(), end.map(UnixTime)).unwrap())
            .collect();
        self
    }

    /// The endpoint's provider with its options.
    pub(crate) fn scheme(&self) -> Scheme {
        if self.options.is_empty() {
            Scheme::example(self.provider)
        } else {
            Scheme::new(self.provider, &self.options).unwrap()
        }
    }

    pub(crate) fn open(&self) -> Result<Opened, Refusal> {
        let scheme = self.scheme();
        let body = self.body.clone().into();
        open(
            &scheme,
            &Request {
                method: &self.method,
                path_and_query: &self.target,
                headers: &self.headers,
                body: &body,
            },
            &self.keys,
            self.now,
        )
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.open().err().map(|refusal| refusal.reason)
    }

    /// The one event that it is.
    pub(crate) fn event(&self) -> Verified {
        match self.open() {
            Ok(Opened::Deliveries(Deliveries { mut events, .. })) if events.len() == 1 => events.remove(0),
            other => panic!("not one event: {other:?}"),
        }
    }

    /// Why the one thing that it is shall not run.
    pub(crate) fn dropped(&self) -> DropReason {
        match self.open() {
            Ok(Opened::Deliveries(Deliveries { events, dropped })) if events.is_empty() && dropped.len() == 1 => dropped[0].reason,
            other => panic!("not one thing dropped: {other:?}"),
        }
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text.into(), None).unwrap()
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// The activity as a worker reads it.
pub(crate) fn activity(event: &Verified) -> Value {
    serde_json::from_str(&serde_json::to_string(&event.activity(&tenant())).unwrap()).unwrap()
}

/// A file of the material that lies beside the workspace on some machines; `TOLLGATE_SHARED` names another place.
/// A test that does not find its own says that it is skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let found = std::env::var_os("TOLLGATE_SHARED").map_or_else(beside, PathBuf::from).join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {path} is not there; TOLLGATE_SHARED names the folder that holds it");
    None
}
