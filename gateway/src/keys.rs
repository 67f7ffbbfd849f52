//! Public keys of others: fetched by URL, kept, renewed. What a provider or an identity issuer publishes reaches `ingress` from here.
//!
//! A minute's tick renews what is older than a day, so that a request seldom waits. A request waits only when there are no keys yet, or
//! when a token names one that is not among them; never longer than [`PATIENCE`], and never twice. Keys whose server is gone are
//! served for five days. In reading order: [`slot`] (when to fetch), [`fetch`] (one GET with all its limits), [`chain`] (certificates).

mod certificates;
mod chain;
mod fetch;
mod slot;

use crate::{causes::WithCauses, metrics::KeyCounters, roots::Roots, tasks::Tasks};
use certificates::Certificates;
use fetch::Fetcher;
use slot::{Held, Slot, Unnamed};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tollgate_ingress::{Keys, Scheme, UnixTime, Wanted, jwt::KeySet};

pub(crate) use fetch::{Location, LocationError};

/// How long a request waits for a key. Teams waits 5 s for some answers and 15 s for others; a key server of the size of an issuer of tokens
/// answers in a tenth of a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Most URLs that keys come from. They stand in the manifest, and each is an issuer: a platform has a handful.
pub(crate) const MAX_ISSUERS: usize = 256;

/// Between two looks at how old keys are, and so between two tries at a server that does not answer.
const TICK: Duration = Duration::from_secs(60);

/// The keys of all issuers of a manifest, and certificates.
pub(crate) struct Keyring {
    slots: BTreeMap<String, Arc<Slot>>,
    certificates: Arc<Certificates>,
    fetcher: Arc<Fetcher>,
    tasks: Tasks,
    counters: KeyCounters,
}

/// There is no key because of us: the caller may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(&'static str);

/// Too many URLs, or one that keys do not come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// More than [`MAX_ISSUERS`].
    #[error("keys come from at most {MAX_ISSUERS} URLs")]
    TooMany,
    /// A URL that keys do not come from.
    #[error("{url}: {source}")]
    Url {
        /// As configured.
        url: String,
        /// Why.
        source: LocationError,
    },
}

impl Keyring {
    /// For keys from these URLs, of servers that these roots vouch for. Nothing is fetched yet.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub(crate) fn new(
        urls: impl IntoIterator<Item = String>,
        roots: Roots,
        tasks: Tasks,
        counters: KeyCounters,
    ) -> Result<Self, KeyringError> {
        let mut slots = BTreeMap::new();
        for url in urls {
            let location = Location::parse(&url).map_err(|source| KeyringError::Url { url: url.clone(), source })?;
            slots.entry(url).or_insert_with(|| Arc::new(Slot::new(location)));
        }
        if slots.len() > MAX_ISSUERS {
            return Err(KeyringError::TooMany);
        }
        Ok(Self {
            slots,
            certificates: Arc::default(),
            fetcher: Arc::new(Fetcher::new(roots)),
            tasks,
            counters,
        })
    }

    /// Fetches what there is not, at once, and renews what grows old, for ever.
    pub(crate) async fn tend(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for slot in self.slots.values() {
                if slot.is_due(Instant::now()) {
                    self.start(slot);
                }
            }
        }
    }

    /// Seconds since each issuer's keys were fetched, where they have been.
    pub(crate) fn ages(&self) -> impl Iterator<Item = (&str, u64)> {
        let now = Instant::now();
        self.slots
            .iter()
            .filter_map(move |(url, slot)| Some((url.as_str(), slot.age(now)?.as_secs())))
    }

    /// What opens an endpoint now: its own keys, with those of its provider's issuer of tokens.
    pub(crate) fn of<'a>(&self, scheme: &Scheme, own: &'a Keys) -> Cow<'a, Keys> {
        match scheme.jwks_url() {
            None => Cow::Borrowed(own),
            Some(url) => Cow::Owned(Keys {
                issued: self.held(url),
                ..own.clone()
            }),
        }
    }

    /// Gets what a request wants, if that can be had: then the keys to try once more with.
    ///
    /// # Errors
    /// [`Unavailable`] when it was tried and failed, or takes too long. `None`: it is not to be had, whoever asks.
    pub(crate) async fn get(&self, scheme: &Scheme, keys: &Keys, wanted: &Wanted, now: UnixTime) -> Result<Option<Keys>, Unavailable> {
        match wanted {
            Wanted::Key { .. } => {
                let Some(url) = scheme.jwks_url() else { return Ok(None) };
                let issued = self.renewed(url, keys.issued.as_ref()).await?;
                Ok(issued.map(|issued| Keys {
                    issued: Some(issued),
                    ..keys.clone()
                }))
            }
            Wanted::Certificate { url } => {
                let had = self
                    .certificates
                    .fetch(url, now, &self.fetcher, &self.tasks, &self.counters)
                    .await?;
                Ok(had.then(|| Keys {
                    certificates: self.certificates.known(),
                    ..keys.clone()
                }))
            }
        }
    }

    /// An issuer's keys.
    pub(crate) fn held(&self, url: &str) -> Option<Arc<KeySet>> {
        self.slots.get(url)?.held(Instant::now())
    }

    /// Other keys than those that were `seen`, for a token whose key is not among them.
    ///
    /// # Errors
    /// [`Unavailable`]. `None`: there are no others.
    pub(crate) async fn renewed(&self, url: &str, seen: Option<&Arc<KeySet>>) -> Result<Option<Arc<KeySet>>, Unavailable> {
        let Some(slot) = self.slots.get(url) else { return Ok(None) };
        match slot.unnamed(seen, Instant::now()) {
            Unnamed::Newer(keys) => return Ok(Some(keys)),
            Unnamed::Known => return Ok(None),
            Unnamed::Failed => return Err(Unavailable("the issuer's keys could not be fetched")),
            Unnamed::Fetch => self.start(slot),
            Unnamed::Wait => {}
        }
        // It may have landed in between. The sender is dropped when the flight ends, however it does.
        if let Some(mut flight) = slot.flight()
            && timeout(PATIENCE, flight.changed()).await.is_err()
        {
            return Err(Unavailable("the issuer's keys take too long"));
        }
        match slot.unnamed(seen, Instant::now()) {
            Unnamed::Newer(keys) => Ok(Some(keys)),
            Unnamed::Known => Ok(None),
            Unnamed::Failed | Unnamed::Fetch | Unnamed::Wait => Err(Unavailable("the issuer's keys could not be fetched")),
        }
    }

    /// Starts one fetch, if none is under way. It is a task of its own: a caller that goes away does not end it.
    fn start(&self, slot: &Arc<Slot>) {
        let Some(landing) = slot.depart() else { return };
        let (slot, fetcher, counters) = (slot.clone(), self.fetcher.clone(), self.counters.clone());
        self.tasks.serve_aside("keys", async move {
            let fetched = fetcher.keys(slot.location()).await;
            counters.count(fetched.is_ok());
            match &fetched {
                Ok(keys) => {
                    tracing::info!(url = %slot.location(), keys = keys.keys().len(), skipped = keys.skipped(), "keys fetched");
                }
                Err(error) => {
                    let held = slot.age(Instant::now()).map(|age| age.as_secs());
                    tracing::warn!(url = %slot.location(), error = %WithCauses(error), age_of_held_keys = held, "keys cannot be fetched");
                }
            }
            landing.land(fetched.ok().map(|keys| Held::new(keys, Instant::now())), Instant::now());
        });
    }
}
