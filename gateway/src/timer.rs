//! Timers: endpoints that nobody calls. Each has a task that sleeps until its next tick and then takes it the way of a delivery.
//!
//! In reading order: this page (one timer's life), `plan` (what runs and what is skipped: a pure function of the time), `tick` (what enters, made only
//! here), `ledger` (which ticks are taken, in the journal), `way` (one tick's way through the rooms).
//!
//! A tick is taken in the journal, synced, before it runs, and never runs again: at most once, over restarts and kills too. A tick that failed is not tried again; the next one comes.

pub(crate) mod ledger;
mod plan;
mod tick;
mod way;

pub(crate) use tick::{PROVIDER, Tick};

use crate::{gate::Gate, metrics::TickCounters, snapshot::Owner};
use plan::{Due, Plan};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Semaphore, time::sleep};
use tollgate_config::{EndpointId, Schedule};

/// One timer, as far as its ticks need it.
#[derive(Debug)]
pub(crate) struct Timer {
    /// Its id.
    pub(crate) id: EndpointId,
    /// Whose, with the team, and what runs.
    pub(crate) owner: Owner,
    /// When it ticks.
    pub(crate) schedule: Schedule,
    /// How late the newest missed tick still runs.
    pub(crate) grace: Duration,
    /// Its metrics, looked up once.
    pub(crate) counters: TickCounters,
}

/// Ticks until the gateway stops; what runs then ends in the drain. `clock` is asked after each sleep, so that a step of it is noticed.
pub(crate) async fn run(gate: Arc<Gate>, timer: Arc<Timer>, clock: impl Fn() -> SystemTime + Send) {
    let stopping = gate.tasks.stopping();
    // One tick at a time.
    let turn = Arc::new(Semaphore::new(1));
    let start = clock();
    let mut plan = Plan::begin(since_1970(start).as_secs());
    let known = ledger::know(gate.dedupe.journal(), &timer, start);
    let due = plan::resume(&timer.schedule, timer.grace, since_1970(start).as_secs(), known, |scheduled| {
        // A journal that does not answer is one that must not be contradicted.
        ledger::is_taken(gate.dedupe.journal(), &timer, scheduled, start).unwrap_or(true)
    });
    act(&gate, &timer, due, start, &turn);
    loop {
        let nap = plan.nap(&timer.schedule, since_1970(clock()));
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = sleep(nap) => {}
        }
        let now = clock();
        act(
            &gate,
            &timer,
            plan.wake(&timer.schedule, timer.grace, since_1970(now).as_secs()),
            now,
            &turn,
        );
    }
}

/// Starts what is due, and writes down what is not run.
fn act(gate: &Arc<Gate>, timer: &Arc<Timer>, due: Due, now: SystemTime, turn: &Arc<Semaphore>) {
    if due.missed > 0 {
        timer.counters.missed.inc_by(due.missed);
        tracing::warn!(endpoint = %timer.id, ticks = due.missed, "ticks were missed and are not made up for");
    }
    if let Some(scheduled) = due.passed {
        ledger::pass(gate.dedupe.journal(), timer, scheduled, now);
    }
    let Some(scheduled) = due.run else { return };
    let tick = Tick::new(timer.clone(), scheduled, now);
    let Ok(mine) = turn.clone().try_acquire_owned() else {
        timer.counters.overlap.inc();
        tracing::warn!(endpoint = %timer.id, tick = tick.event_id(), "the tick is skipped: the one before it still runs");
        ledger::pass(gate.dedupe.journal(), timer, scheduled, now);
        return;
    };
    let taking = gate.clone();
    gate.tasks.spawn("tick", async move {
        way::take(&taking, tick, now).await;
        drop(mine);
    });
}

/// A clock before 1970 is no clock: it is 1970 then, and ticks begin anew when it is set.
fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
