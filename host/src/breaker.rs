//! A breaker for a revision that fails again and again: for a while its callers are told so at once, and nothing is instantiated.
//!
//! Closed: calls run, failures are counted. So many within a window open it: callers are refused until a time has passed. Then one call is let
//! through, the probe; its end closes the breaker or opens it again. A probe that waits for its own caller, who sends its body slowly, tells nothing meanwhile:
//! the next caller probes too, and the first of them to end decides.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tollgate_config::manifest::BreakerLimits;

/// What a breaker does with callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets all through.
    Closed,
    /// Lets one through, to see.
    HalfOpen,
    /// Lets none through.
    Open,
}

/// A revision's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    limits: BreakerLimits,
    /// Whether it is closed: all that a call asks while nothing is wrong.
    closed: AtomicBool,
    openings: AtomicU64,
    state: Mutex<State>,
    /// Probes that were let through: their numbers.
    probes: AtomicU64,
}

#[derive(Debug)]
enum State {
    /// When the last failures were, the oldest first; at most as many as open it.
    Closed(VecDeque<Instant>),
    Open {
        until: Instant,
    },
    Probing(Probe),
}

/// A call that tells whether the revision is well again.
#[derive(Debug, Clone)]
struct Probe {
    number: u64,
    /// Whether it waits for its caller now.
    waits: Arc<AtomicBool>,
}

/// A call that was let through. Dropped without [`Pass::end`], it says nothing: the next caller is the probe.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: Option<Probe>,
    since: Instant,
}

impl Breaker {
    pub(crate) fn new(limits: BreakerLimits) -> Self {
        Self {
            limits,
            closed: AtomicBool::new(true),
            openings: AtomicU64::new(0),
            state: Mutex::new(State::Closed(VecDeque::new())),
            probes: AtomicU64::new(0),
        }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// How long until the next one is let through.
    pub(crate) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let pass = |probe| Pass {
            breaker: self,
            probe,
            since: now,
        };
        if self.closed.load(Relaxed) {
            return Ok(pass(None));
        }
        let mut state = self.state();
        match &*state {
            State::Closed(_) => return Ok(pass(None)),
            State::Open { until } if *until > now => return Err(until.saturating_duration_since(now)),
            // The probe ends within the revision's wall time; a moment from now is soon enough to ask again.
            State::Probing(probe) if !probe.waits.load(Relaxed) => return Err(Duration::ZERO),
            State::Open { .. } | State::Probing(_) => {}
        }
        let probe = Probe {
            number: self.probes.fetch_add(1, Relaxed),
            waits: Arc::default(),
        };
        *state = State::Probing(probe.clone());
        Ok(pass(Some(probe)))
    }

    /// Counts a failure, also of a call whose answer had begun.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        let State::Closed(failures) = &mut *state else { return };
        failures.push_back(now);
        while failures
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) > self.limits.window)
        {
            failures.pop_front();
        }
        if failures.len() >= self.limits.failures {
            self.open(&mut state, now);
        }
    }

    /// What it does with callers now.
    pub(crate) fn state_at(&self, now: Instant) -> BreakerState {
        match *self.state() {
            State::Closed(_) => BreakerState::Closed,
            State::Open { until } if until > now => BreakerState::Open,
            State::Open { .. } | State::Probing(_) => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Relaxed)
    }

    fn open(&self, state: &mut State, now: Instant) {
        *state = State::Open {
            until: now + self.limits.open,
        };
        self.closed.store(false, Relaxed);
        self.openings.fetch_add(1, Relaxed);
    }

    /// Every change is one assignment, so a poisoned lock guards a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Where a probe has to say whether it waits for its caller.
    pub(crate) fn waits(&self) -> Option<Arc<AtomicBool>> {
        self.probe.as_ref().map(|probe| Arc::clone(&probe.waits))
    }

    /// The call has ended, at this time; says whether it failed.
    pub(crate) fn end(mut self, failed: bool, now: Instant) {
        // Also a probe whose place another one has taken: if all callers were slow, none would ever decide. Once one has, it is as any other call.
        let probed = self.probe.take().map(|_| self.breaker.state());
        let Some(mut state) = probed.filter(|state| matches!(**state, State::Probing(_))) else {
            if failed {
                self.breaker.failed(now);
            }
            return;
        };
        if failed {
            self.breaker.open(&mut state, now);
        } else {
            *state = State::Closed(VecDeque::new());
            self.breaker.closed.store(true, Relaxed);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let Some(gone) = &self.probe else { return };
        let mut state = self.breaker.state();
        if matches!(&*state, State::Probing(probe) if probe.number == gone.number) {
            *state = State::Open { until: self.since };
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    const LIMITS: BreakerLimits = BreakerLimits {
        failures: 3,
        window: Duration::from_secs(10),
        open: Duration::from_secs(5),
    };

    fn at(begun: Instant, seconds: u64) -> Instant {
        begun + Duration::from_secs(seconds)
    }

    fn opened(begun: Instant) -> Breaker {
        let breaker = Breaker::new(LIMITS);
        for second in 0..3 {
            breaker.enter(at(begun, second)).unwrap().end(true, at(begun, second));
        }
        breaker
    }

    #[test]
    fn failures_within_the_window_open_it_and_older_ones_do_not() {
        let (breaker, begun) = (Breaker::new(LIMITS), Instant::now());
        for second in [0, 6, 12, 18] {
            breaker.enter(at(begun, second)).unwrap().end(true, at(begun, second));
            assert_eq!(breaker.state_at(at(begun, second)), BreakerState::Closed, "at {second} s");
        }
        breaker.enter(at(begun, 19)).unwrap().end(false, at(begun, 19));
        breaker.failed(at(begun, 20));
        assert_eq!(breaker.state_at(at(begun, 20)), BreakerState::Open);
        assert_eq!(breaker.enter(at(begun, 22)).err(), Some(Duration::from_secs(3)));
        assert_eq!(breaker.openings(), 1);
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let begun = Instant::now();
        let breaker = opened(begun);
        assert_eq!(breaker.enter(at(begun, 6)).err(), Some(Duration::from_secs(1)));
        let probe = breaker.enter(at(begun, 7)).unwrap();
        assert_eq!(breaker.state_at(at(begun, 7)), BreakerState::HalfOpen);
        assert!(breaker.enter(at(begun, 7)).is_err(), "a second probe");
        probe.end(true, at(begun, 8));
        assert_eq!(breaker.enter(at(begun, 12)).err(), Some(Duration::from_secs(1)), "it rests anew");
        let probe = breaker.enter(at(begun, 13)).unwrap();
        probe.end(false, at(begun, 13));
        assert_eq!((breaker.state_at(at(begun, 13)), breaker.openings()), (BreakerState::Closed, 2));
        for second in [13, 14] {
            breaker.failed(at(begun, second));
        }
        assert_eq!(breaker.state_at(at(begun, 14)), BreakerState::Closed, "it counts from nothing");
    }

    #[test]
    fn a_probe_that_goes_away_leaves_its_place_to_the_next() {
        let begun = Instant::now();
        let breaker = opened(begun);
        drop(breaker.enter(at(begun, 7)).unwrap());
        assert!(breaker.enter(at(begun, 7)).is_ok());
    }

    #[test]
    fn a_probe_that_waits_for_its_caller_lets_the_next_one_probe() {
        let begun = Instant::now();
        let breaker = opened(begun);
        let second = at(begun, 7);
        let wait = |pass: &Pass<'_>, waits| pass.waits().unwrap().store(waits, Relaxed);
        let slow = breaker.enter(second).unwrap();
        wait(&slow, true);
        wait(&slow, false);
        assert!(breaker.enter(second).is_err(), "it goes on");
        wait(&slow, true);
        let next = breaker.enter(second).unwrap();
        assert!(breaker.enter(second).is_err(), "one at a time");
        drop(slow);
        assert!(breaker.enter(second).is_err(), "the place is not that of the one that went away");
        wait(&next, true);
        let last = breaker.enter(second).unwrap();
        next.end(true, second);
        assert_eq!(
            (breaker.state_at(second), breaker.openings()),
            (BreakerState::Open, 2),
            "the first to end decides"
        );
        last.end(false, second);
        assert_eq!(breaker.state_at(second), BreakerState::Open, "and nobody after it");
        let slow = breaker.enter(at(begun, 12)).unwrap();
        wait(&slow, true);
        let next = breaker.enter(at(begun, 12)).unwrap();
        slow.end(false, at(begun, 13));
        assert_eq!(breaker.state_at(at(begun, 13)), BreakerState::Closed, "slow callers decide too");
        next.end(true, at(begun, 13));
        assert_eq!((breaker.state_at(at(begun, 13)), breaker.openings()), (BreakerState::Closed, 2));
    }
}
