//! One issuer's keys, and when they are fetched. Time is an argument: what is decided here is tested without a clock.

use super::fetch::Location;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tollgate_ingress::jwt::KeySet;

/// Keys older than this are renewed. Issuers publish a key days before they sign with it.
const RENEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys older than this are not used: their issuer may have withdrawn one. What Microsoft's own clients have kept them for.
const DEAD: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Between two fetches for keys that are not in the set: who invents key names must not make us call the issuer for each.
const UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// Between a failed fetch and the next one that a request may ask for.
const FAILED: Duration = Duration::from_secs(10);

/// Keys and when they came.
#[derive(Debug, Clone)]
pub(super) struct Held {
    keys: Arc<KeySet>,
    since: Instant,
}

impl Held {
    pub(super) fn new(keys: KeySet, since: Instant) -> Self {
        Self {
            keys: Arc::new(keys),
            since,
        }
    }
}

/// One issuer's keys.
#[derive(Debug)]
pub(super) struct Slot {
    location: Location,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// When the last fetch failed, if the last one did.
    failed: Option<Instant>,
    /// When the last fetch for a key that is not in the set was begun.
    unknown: Option<Instant>,
    flight: Option<watch::Receiver<()>>,
}

/// What can be done for a token whose key is not among those that were seen.
#[derive(Debug)]
pub(super) enum Unnamed {
    /// There are other keys by now.
    Newer(Arc<KeySet>),
    /// These are all: the hour for another look has not come.
    Known,
    /// The last fetch failed a moment ago.
    Failed,
    /// Fetch.
    Fetch,
    /// Somebody else fetches.
    Wait,
}

impl Slot {
    pub(super) fn new(location: Location) -> Self {
        Self {
            location,
            state: Mutex::default(),
        }
    }

    /// Where the keys are.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// The keys, unless they are too old.
    pub(super) fn held(&self, now: Instant) -> Option<Arc<KeySet>> {
        self.state().fresh(now).map(|held| held.keys.clone())
    }

    /// How old the keys are.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.state().held.as_ref()?.since))
    }

    /// Whether there are no keys, or old ones.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.age(now).is_none_or(|age| age >= RENEW)
    }

    /// What to do about a token whose key is not in `seen`. Saying `Fetch` uses up the hour's one look, so the caller must.
    pub(super) fn unnamed(&self, seen: Option<&Arc<KeySet>>, now: Instant) -> Unnamed {
        let mut state = self.state();
        let held = state.fresh(now).map(|held| held.keys.clone());
        let newer = held.filter(|held| seen.is_none_or(|seen| !Arc::ptr_eq(held, seen)));
        if let Some(keys) = newer {
            return Unnamed::Newer(keys);
        }
        if state.flight.is_some() {
            return Unnamed::Wait;
        }
        let within = |since: Option<Instant>, span| since.is_some_and(|since| now.saturating_duration_since(since) < span);
        if within(state.failed, FAILED) {
            return Unnamed::Failed;
        }
        // A look that failed has shown nothing, so it does not count.
        if seen.is_some() && state.failed.is_none() && within(state.unknown, UNKNOWN) {
            return Unnamed::Known;
        }
        if seen.is_some() {
            state.unknown = Some(now);
        }
        Unnamed::Fetch
    }

    /// The fetch that is under way.
    pub(super) fn flight(&self) -> Option<watch::Receiver<()>> {
        self.state().flight.clone()
    }

    /// Begins a fetch, if none is under way.
    pub(super) fn depart(self: &Arc<Self>) -> Option<Landing> {
        let mut state = self.state();
        if state.flight.is_some() {
            return None;
        }
        let (landed, flight) = watch::channel(());
        state.flight = Some(flight);
        Some(Landing {
            slot: self.clone(),
            _landed: landed,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment, so what a panic left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| now.saturating_duration_since(held.since) < DEAD)
    }
}

/// The end of a fetch. Dropped without landing, the fetch was cut off, and the next one may begin.
#[derive(Debug)]
pub(super) struct Landing {
    slot: Arc<Slot>,
    /// Wakes who waits when it is dropped, which is after the state has changed.
    _landed: watch::Sender<()>,
}

impl Landing {
    /// Brings keys, or none.
    pub(super) fn land(self, keys: Option<Held>, now: Instant) {
        let mut state = self.slot.state();
        state.failed = keys.is_none().then_some(now);
        state.held = keys.or_else(|| state.held.take());
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.slot.state().flight = None;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn slot() -> Arc<Slot> {
        Arc::new(Slot::new(Location::parse("https://keys.example/jwks").unwrap()))
    }

    fn land(slot: &Arc<Slot>, found: bool, at: Instant) {
        let keys = found.then(|| Held::new(KeySet::default(), at));
        slot.depart().unwrap().land(keys, at);
    }

    fn look(slot: &Slot, seen: Option<&Arc<KeySet>>, now: Instant) -> &'static str {
        match slot.unnamed(seen, now) {
            Unnamed::Newer(_) => "newer",
            Unnamed::Known => "known",
            Unnamed::Failed => "failed",
            Unnamed::Fetch => "fetch",
            Unnamed::Wait => "wait",
        }
    }

    #[test]
    fn keys_are_renewed_after_a_day_and_used_for_five() {
        let (slot, start) = (slot(), Instant::now());
        assert!(slot.is_due(start) && slot.held(start).is_none());
        land(&slot, true, start);
        for (age, due, held) in [
            (Duration::ZERO, false, true),
            (RENEW - Duration::from_secs(1), false, true),
            (RENEW, true, true),
            (DEAD - Duration::from_secs(1), true, true),
            (DEAD, true, false),
        ] {
            let now = start + age;
            assert_eq!((slot.is_due(now), slot.held(now).is_some()), (due, held), "{age:?}");
        }
        // A fetch that fails changes nothing of that.
        land(&slot, false, start + RENEW);
        assert!(slot.held(start + RENEW).is_some() && slot.is_due(start + RENEW));
    }

    #[test]
    fn a_key_that_is_not_there_is_looked_for_once_an_hour() {
        let (slot, start) = (slot(), Instant::now());
        land(&slot, true, start);
        let seen = slot.held(start).unwrap();
        assert_eq!(look(&slot, Some(&seen), start), "fetch");
        let landing = slot.depart().unwrap();
        assert_eq!(look(&slot, Some(&seen), start), "wait");
        assert!(slot.depart().is_none(), "one at a time");
        landing.land(Some(Held::new(KeySet::default(), start)), start);
        assert_eq!(look(&slot, Some(&seen), start), "newer");
        let seen = slot.held(start).unwrap();
        assert_eq!(look(&slot, Some(&seen), start), "known");
        assert_eq!(look(&slot, Some(&seen), start + UNKNOWN - Duration::from_secs(1)), "known");
        assert_eq!(look(&slot, Some(&seen), start + UNKNOWN), "fetch");
    }

    #[test]
    fn a_fetch_that_fails_is_tried_again_after_a_pause() {
        let (slot, start) = (slot(), Instant::now());
        assert_eq!(look(&slot, None, start), "fetch");
        land(&slot, false, start);
        assert_eq!(look(&slot, None, start), "failed");
        assert_eq!(look(&slot, None, start + FAILED), "fetch");
        land(&slot, true, start + FAILED);
        let seen = slot.held(start + FAILED).unwrap();
        // A look that fails says nothing of the key, and so is no look.
        assert_eq!(look(&slot, Some(&seen), start + FAILED), "fetch");
        land(&slot, false, start + FAILED);
        assert_eq!(look(&slot, Some(&seen), start + FAILED), "failed");
        assert_eq!(look(&slot, Some(&seen), start + FAILED + FAILED), "fetch");
    }

    #[test]
    fn a_fetch_that_is_cut_off_lets_the_next_one_begin() {
        let slot = slot();
        drop(slot.depart().unwrap());
        assert!(slot.flight().is_none() && slot.depart().is_some());
    }
}
