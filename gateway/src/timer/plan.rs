//! What a timer does when it wakes: which tick runs, and how many are skipped. The time is an argument; all in Unix seconds.
//!
//! Of several ticks that are due at once (a restart, a sleep of the machine, a jump of the clock) only the newest runs, and only within the grace.

use std::time::Duration;
use tollgate_config::Schedule;

/// Longest sleep between two looks at the clock: a clock that is set forward is noticed within it.
const LONGEST_NAP: Duration = Duration::from_secs(10);

/// A clock that goes back by less is being corrected, not set: no tick is planned anew for it.
const CORRECTION: u64 = 2;

/// Missed ticks that are counted one by one; more is as good as this many. Half a second of looking.
const MAX_COUNTED: u64 = 10_000;

/// Ticks that are remembered beyond the grace, so that what was missed can be counted after a restart.
const REMEMBERED: u64 = 1000;
/// For this long at most: then it no longer matters.
const LONGEST_MEMORY: u64 = 30 * 24 * 3600;
/// And beyond the grace for this long at least: a clock that is set back by an hour runs no tick again.
const SET_BACK: u64 = 3600;

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// This tick runs.
    pub(super) run: Option<i64>,
    /// This tick counts as taken without running.
    pub(super) passed: Option<i64>,
    /// So many are skipped.
    pub(super) missed: u64,
}

/// Up to where a timer has come.
#[derive(Debug)]
pub(super) struct Plan {
    handled: u64,
}

impl Plan {
    /// From this second on.
    pub(super) fn begin(now: u64) -> Self {
        Self { handled: now }
    }

    /// What is due by now.
    pub(super) fn wake(&mut self, schedule: &Schedule, grace: Duration, now: u64) -> Due {
        if self.handled > now.saturating_add(CORRECTION) {
            // The clock was set back. What comes again is known by the journal.
            self.handled = now;
        }
        let newest = schedule.last_until(signed(now)).filter(|newest| *newest > signed(self.handled));
        let Some(newest) = newest else { return Due::default() };
        let mut older = 0;
        let mut at = signed(self.handled);
        while let Some(next) = schedule.next_after(at).filter(|next| *next < newest && older < MAX_COUNTED) {
            (at, older) = (next, older + 1);
        }
        self.handled = unsigned(newest);
        due(newest, older, grace, now)
    }

    /// How long to sleep: until the next tick, or until the clock should be looked at again.
    pub(super) fn nap(&self, schedule: &Schedule, now: Duration) -> Duration {
        let from = self.handled.max(now.as_secs());
        match schedule.next_after(signed(from)) {
            Some(next) => Duration::from_secs(unsigned(next)).saturating_sub(now).min(LONGEST_NAP),
            None => LONGEST_NAP,
        }
    }
}

/// What is due at a start. `known`: an earlier start had this timer; what it missed before it was there at all is no loss. `taken`: whether an earlier process took
/// this tick.
pub(super) fn resume(schedule: &Schedule, grace: Duration, now: u64, known: bool, mut taken: impl FnMut(i64) -> bool) -> Due {
    let Some(newest) = schedule.last_until(signed(now)) else {
        return Due::default();
    };
    let mut missed = 0;
    let mut at = newest;
    while missed < MAX_COUNTED && remembered_until(schedule, grace, at) > now && !taken(at) {
        missed += 1;
        match schedule.last_until(at - 1) {
            Some(before) => at = before,
            None => break,
        }
    }
    match missed.checked_sub(1) {
        None => Due::default(),
        Some(older) if known => due(newest, older, grace, now),
        // The next start must not take it for missed.
        Some(_) => Due {
            passed: Some(newest),
            ..Due::default()
        },
    }
}

/// Until when, in Unix seconds, it is remembered that a tick was taken.
pub(super) fn remembered_until(schedule: &Schedule, grace: Duration, scheduled: i64) -> u64 {
    let apart = schedule
        .next_after(scheduled)
        .map_or(LONGEST_MEMORY, |next| unsigned(next - scheduled));
    let counted = apart.saturating_mul(REMEMBERED).min(LONGEST_MEMORY);
    unsigned(scheduled) + counted.max(grace.as_secs() + SET_BACK)
}

fn due(newest: i64, older: u64, grace: Duration, now: u64) -> Due {
    // A tick is on time in its own second, whatever the grace.
    let late = now.saturating_sub(unsigned(newest));
    if late <= grace.as_secs().max(ON_TIME) {
        Due {
            run: Some(newest),
            passed: None,
            missed: older,
        }
    } else {
        Due {
            run: None,
            passed: Some(newest),
            missed: older + 1,
        }
    }
}

/// Seconds after which a tick is late: a busy machine wakes a task some hundred milliseconds late, and that may be the next second.
pub(super) const ON_TIME: u64 = 1;

fn signed(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

fn unsigned(unix: i64) -> u64 {
    u64::try_from(unix).unwrap_or(0)
}

#[cfg(test)]
mod tests;
