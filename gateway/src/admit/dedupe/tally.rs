//! How many marks one tenant has.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Marks are counted by the hour in which they expire: the longest horizon of eight days is 193 numbers for a tenant, and a share
/// is freed an hour late at most.
const STEP: Duration = Duration::from_secs(3600);

/// One tenant's marks. Those of an earlier process are not in it: the journal keeps them under the whole table's bound alone.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// In flight.
    pub(super) in_flight: usize,
    /// Done, by the hour after which they have expired.
    done: BTreeMap<u64, u64>,
}

impl Tally {
    /// Marks that are done and live.
    pub(super) fn done(&mut self, now: SystemTime) -> u64 {
        let now = steps(now);
        self.done = self.done.split_off(&now);
        self.done.values().sum()
    }

    /// Adds marks that live until then.
    pub(super) fn add(&mut self, marks: usize, expires: SystemTime) {
        *self.done.entry(steps(expires)).or_default() += marks as u64;
    }
}

fn steps(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / STEP.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_expired_is_forgotten_within_an_hour() {
        let hour = |hours: u64| UNIX_EPOCH + STEP * u32::try_from(hours).unwrap_or_default();
        let mut tally = Tally::default();
        tally.add(2, hour(5));
        tally.add(3, hour(7));
        for (now, live) in [(1, 5), (5, 5), (6, 3), (7, 3), (8, 0)] {
            assert_eq!(tally.done(hour(now)), live, "hour {now}");
        }
    }
}
