//! Certificates that a request names by URL. The URL is the caller's text, so what it may cost is bounded here: the provider's code has
//! checked its host, and only a chain that leads to a public root, for the host's own signing name, is kept.

use super::{
    Unavailable, chain,
    fetch::{FetchError, Fetcher, Location},
};
use crate::{causes::WithCauses, metrics::KeyCounters, tasks::Tasks};
use arc_swap::ArcSwap;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tollgate_ingress::{UnixTime, certificate::Certificate};

/// Most certificates that are kept. A provider signs with one or two at a time; only what is truly its own is kept at all.
const MAX_KEPT: usize = 64;

/// Most fetches in [`WINDOW`], whatever the URLs: who invents URLs must not make us call the provider for each.
const MAX_FETCHES: usize = 10;

/// See [`MAX_FETCHES`].
const WINDOW: Duration = Duration::from_secs(60);

/// How long a URL that had no good certificate is not asked again. It bounds what is remembered: [`MAX_FETCHES`] for each [`WINDOW`] of it.
const REFUSED: Duration = Duration::from_secs(60 * 60);

/// How long one is not asked again whose server did not answer: that says nothing of the certificate.
const FAILED: Duration = Duration::from_secs(10);

/// What the caller is told meanwhile.
const UNANSWERED: Unavailable = Unavailable("the certificate could not be fetched");

/// Certificates by URL.
#[derive(Default)]
pub(super) struct Certificates {
    known: ArcSwap<BTreeMap<String, Certificate>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flights: HashMap<String, watch::Receiver<()>>,
    refused: HashMap<String, No>,
    window: Option<Instant>,
    fetches: usize,
}

/// Why there is none.
struct No {
    until: Instant,
    /// Its server did not answer; else what came is none.
    passes: bool,
}

enum Next {
    Fetch(watch::Sender<()>, watch::Receiver<()>),
    Wait(watch::Receiver<()>),
    Refused,
    Failed,
    TooMany,
}

impl Certificates {
    /// All that are known.
    pub(super) fn known(&self) -> Arc<BTreeMap<String, Certificate>> {
        self.known.load_full()
    }

    /// Gets a certificate; whether there is one now.
    ///
    /// # Errors
    /// [`Unavailable`] when it takes too long, or too many were asked for.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        url: &str,
        now: UnixTime,
        fetcher: &Arc<Fetcher>,
        tasks: &Tasks,
        counters: &KeyCounters,
    ) -> Result<bool, Unavailable> {
        if self.known.load().get(url).is_some_and(|certificate| certificate.is_valid(now)) {
            return Ok(true);
        }
        let Ok(location) = Location::parse(url) else { return Ok(false) };
        let mut flight = match self.next(url, Instant::now()) {
            Next::Refused => return Ok(false),
            Next::Failed => return Err(UNANSWERED),
            Next::TooMany => return Err(Unavailable("too many certificates were asked for")),
            Next::Wait(flight) => flight,
            Next::Fetch(landed, flight) => {
                let (this, fetcher, counters, url) = (self.clone(), fetcher.clone(), counters.clone(), url.to_owned());
                tasks.serve_aside("certificate", async move {
                    let fetched = this.bring(&url, &location, now, &fetcher).await;
                    counters.count(fetched.is_ok());
                    match &fetched {
                        Ok(()) => tracing::info!(url, "certificate fetched"),
                        Err(error) => tracing::warn!(url, error = %WithCauses(error), "a certificate is refused"),
                    }
                    this.land(&url, fetched.as_ref().err().map(FetchError::passes), Instant::now());
                    drop(landed);
                });
                flight
            }
        };
        // The sender is dropped when the flight ends, however it does.
        if timeout(super::PATIENCE, flight.changed()).await.is_err() {
            return Err(Unavailable("the certificate takes too long"));
        }
        if self.state().refused.get(url).is_some_and(|no| no.passes) {
            return Err(UNANSWERED);
        }
        Ok(self.known.load().contains_key(url))
    }

    async fn bring(&self, url: &str, location: &Location, now: UnixTime, fetcher: &Fetcher) -> Result<(), FetchError> {
        let text = fetcher.get(location).await?;
        let certificate = Certificate::from_pem(&text).map_err(|error| FetchError::Certificate(error.to_string()))?;
        chain::check(&certificate, location.host(), &*fetcher.roots().await?, now).map_err(FetchError::Certificate)?;
        self.known.rcu(|known| {
            let mut known: BTreeMap<_, _> = known
                .iter()
                .filter(|(_, certificate)| certificate.is_valid(now))
                .map(|(url, certificate)| (url.clone(), certificate.clone()))
                .collect();
            if known.len() < MAX_KEPT {
                known.insert(url.to_owned(), certificate.clone());
            }
            known
        });
        if self.known.load().contains_key(url) {
            Ok(())
        } else {
            Err(FetchError::Certificate(format!("{MAX_KEPT} certificates are kept already")))
        }
    }

    fn next(&self, url: &str, now: Instant) -> Next {
        let mut state = self.state();
        if let Some(flight) = state.flights.get(url) {
            return Next::Wait(flight.clone());
        }
        state.refused.retain(|_, no| now < no.until);
        if let Some(no) = state.refused.get(url) {
            return if no.passes { Next::Failed } else { Next::Refused };
        }
        if state.window.is_none_or(|begun| now.saturating_duration_since(begun) >= WINDOW) {
            (state.window, state.fetches) = (Some(now), 0);
        }
        if state.fetches >= MAX_FETCHES {
            return Next::TooMany;
        }
        state.fetches += 1;
        let (landed, flight) = watch::channel(());
        state.flights.insert(url.to_owned(), flight.clone());
        Next::Fetch(landed, flight)
    }

    /// Ends a fetch: well, or with a failure that passes or does not.
    fn land(&self, url: &str, failed: Option<bool>, now: Instant) {
        let mut state = self.state();
        state.flights.remove(url);
        if let Some(passes) = failed {
            let until = now + if passes { FAILED } else { REFUSED };
            state.refused.insert(url.to_owned(), No { until, passes });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(certificates: &Certificates, url: &str, now: Instant) -> &'static str {
        match certificates.next(url, now) {
            Next::Fetch(..) => "fetch",
            Next::Wait(_) => "wait",
            Next::Refused => "refused",
            Next::Failed => "failed",
            Next::TooMany => "too many",
        }
    }

    #[test]
    fn invented_urls_cost_ten_fetches_a_minute_and_each_one_an_hour() {
        let (certificates, start) = (Certificates::default(), Instant::now());
        for url in 0..MAX_FETCHES {
            assert_eq!(next(&certificates, &url.to_string(), start), "fetch");
        }
        assert_eq!(next(&certificates, "0", start), "wait");
        assert_eq!(next(&certificates, "more", start), "too many");
        for url in 0..MAX_FETCHES {
            certificates.land(&url.to_string(), (url != 1).then_some(false), start);
        }
        assert_eq!(next(&certificates, "0", start + WINDOW), "refused");
        assert_eq!(next(&certificates, "1", start + WINDOW), "fetch");
        assert_eq!(next(&certificates, "more", start + WINDOW), "fetch");
        assert_eq!(next(&certificates, "0", start + REFUSED), "fetch");
        let left = certificates.state().refused.len();
        assert_eq!(left, 0, "nothing is remembered for longer");
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_again_soon() {
        let (certificates, start) = (Certificates::default(), Instant::now());
        assert_eq!(next(&certificates, "a", start), "fetch");
        certificates.land("a", Some(true), start);
        assert_eq!(next(&certificates, "a", start), "failed");
        assert_eq!(next(&certificates, "a", start + FAILED), "fetch");
        certificates.land("a", Some(false), start + FAILED);
        assert_eq!(next(&certificates, "a", start + FAILED + FAILED), "refused");
    }
}
