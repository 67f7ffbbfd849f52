//! What is told of the workers in memory.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds in seconds: from a small worker in the cache to a large one that is compiled.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 180.0];

/// What has been counted since the host began.
#[derive(Debug, Default)]
pub struct Activations {
    /// Brought into memory from the cache.
    pub from_cache: AtomicU64,
    /// Brought into memory by the compiler.
    pub compiled: AtomicU64,
    /// They had left and were still there, because a call held them.
    pub from_memory: AtomicU64,
    /// Neither worked.
    pub failed: AtomicU64,
    /// Calls that waited for one as long as they may.
    pub expired: AtomicU64,
    /// Calls that were refused because it had failed a moment before.
    pub backed_off: AtomicU64,
    /// Left because nobody called them.
    pub left_idle: AtomicU64,
    /// Left because others needed the room.
    pub left_for_room: AtomicU64,
    /// How long bringing one into memory took, if it worked.
    pub took: Durations,
}

/// A histogram.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    pub(crate) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Upper bounds in seconds, each with how many took at most so long.
    pub fn at_most(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket.load(Ordering::Relaxed);
            Some(*sum)
        });
        BOUNDS.into_iter().zip(counts)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// How long all of them took.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

/// What is in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Compiled workers; revisions of one pack share one.
    pub units: u64,
    /// Their bytes, as large as they are in the cache.
    pub bytes: u64,
    /// How many of them may not leave: the cache does not have them.
    pub pinned: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let durations = Durations::default();
        for millis in [1, 2, 3, 400_000] {
            durations.observe(Duration::from_millis(millis));
        }
        let counted: Vec<_> = durations.at_most().map(|(_, count)| count).collect();
        assert_eq!(counted, [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!((durations.count(), durations.sum()), (4, Duration::from_millis(400_006)));
    }
}
