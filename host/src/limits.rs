//! What one call may use of memory and CPU.

use crate::limit::{Limit, Over};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};
use wasmtime::ResourceLimiter;

/// Bytes that one table element takes in the host.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// Sums all linear memories and tables of one call. wasmtime's own limits are for each memory, not for their sum.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: usize,
    limit: usize,
}

impl MemoryBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    /// Bytes that it has.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize, what: &str) -> wasmtime::Result<bool> {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        if after > self.limit {
            // An error here is a trap. A plain refusal would let a guest ask again for ever.
            return Err(over(
                Limit::Memory,
                format!("{what} would make {after} bytes of memory, the limit is {}", self.limit),
            ));
        }
        self.used = after;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired, "growing a memory")
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(
            current.saturating_mul(TABLE_ELEMENT),
            desired.saturating_mul(TABLE_ELEMENT),
            "growing a table",
        )
    }

    /// Past what the pool has for one table, or the table's own maximum: a trap too, so that no guest asks for ever.
    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(over(Limit::Table, format!("a table cannot grow: {error:#}")))
    }
}

fn over(limit: Limit, text: String) -> wasmtime::Error {
    wasmtime::Error::new(Over { limit, text })
}

/// CPU time that one call has used.
///
/// A call that ends between two ticks of the epoch costs one reading of the wall clock to watch. The first tick that
/// finds it running charges at most one tick (less, if its poll is younger). From then on it is a suspect, and every poll is
/// charged by the thread's CPU clock: on a node where others are busy, it never pays for time that it did not have.
#[derive(Debug)]
pub(crate) struct CpuBudget {
    used: Duration,
    limit: Duration,
    tick: Duration,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    /// Not on a thread.
    Outside,
    /// No tick has found it yet.
    Unsuspected { began: Instant },
    /// Charged up to this reading of the thread's clock.
    Watched { charged: Duration },
}

/// The thread's CPU clock.
pub(crate) fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

impl CpuBudget {
    pub(crate) fn new(limit: Duration, tick: Duration) -> Self {
        Self {
            used: Duration::ZERO,
            limit,
            tick,
            poll: Poll::Outside,
        }
    }

    /// The guest is about to run on this thread.
    pub(crate) fn enter(&mut self) {
        self.poll = if self.used.is_zero() {
            Poll::Unsuspected { began: Instant::now() }
        } else {
            Poll::Watched { charged: thread_cpu() }
        };
    }

    /// The guest has left this thread.
    pub(crate) fn leave(&mut self) {
        if let Poll::Watched { charged } = self.poll {
            self.used += thread_cpu().saturating_sub(charged);
        }
        self.poll = Poll::Outside;
    }

    /// Whether it has used a whole tick: a hundred times what an ordinary call does.
    pub(crate) fn is_hog(&self) -> bool {
        self.used >= self.tick
    }

    /// A tick found the guest running; says whether it may go on.
    pub(crate) fn tick(&mut self) -> bool {
        let now = thread_cpu();
        self.used += match self.poll {
            Poll::Watched { charged } => now.saturating_sub(charged),
            Poll::Unsuspected { began } => began.elapsed().min(self.tick),
            Poll::Outside => Duration::ZERO,
        };
        self.poll = Poll::Watched { charged: now };
        self.used < self.limit
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 600, None).unwrap());
        assert!(budget.table_growing(0, 40, None).unwrap(), "320 more bytes fit");
        assert!(budget.memory_growing(600, 700, None).is_err(), "1020 bytes do not");
        assert!(budget.memory_growing(0, 80, None).unwrap(), "a second memory takes what is left");
        assert!(budget.table_growing(40, 41, None).is_err());
        let failed = budget.table_grow_failed(wasmtime::format_err!("no more")).unwrap_err();
        assert_eq!(Limit::of_trap(&failed), Some(Limit::Table));
    }

    #[test]
    fn a_call_that_no_tick_finds_is_not_charged() {
        let mut budget = CpuBudget::new(Duration::from_nanos(1), Duration::from_millis(5));
        for _ in 0..3 {
            budget.enter();
            budget.leave();
        }
        assert!(budget.used.is_zero());
    }

    #[test]
    fn the_first_tick_charges_at_most_one_tick_and_later_ones_what_the_thread_used() {
        let tick = Duration::from_nanos(10);
        let mut budget = CpuBudget::new(Duration::from_secs(3600), tick);
        budget.enter();
        assert!(budget.tick());
        assert!(budget.used <= tick);
        let before = budget.used;
        let spin = thread_cpu();
        while thread_cpu() - spin < Duration::from_micros(200) {}
        assert!(budget.tick());
        assert!(budget.used - before >= Duration::from_micros(200));
        budget.leave();
        let outside = budget.used;
        let spin = thread_cpu();
        while thread_cpu() - spin < Duration::from_micros(200) {}
        budget.enter();
        budget.leave();
        assert!(
            budget.used - outside < Duration::from_micros(200),
            "time off the thread is not the guest's"
        );
    }

    #[test]
    fn a_spent_budget_ends_the_call() {
        let mut budget = CpuBudget::new(Duration::from_nanos(1), Duration::from_millis(5));
        budget.enter();
        assert!(!budget.tick());
    }
}
