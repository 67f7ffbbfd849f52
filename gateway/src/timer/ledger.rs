//! Which ticks are taken: marks in the journal, so that no tick runs twice over a restart, and that a missed one is told from a taken one.

use super::{Timer, plan::remembered_until};
use crate::{admit::dedupe::DedupeError, timer::Tick};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_store::{Journal, JournalError, Mark, MarkKind};

/// How long it is known that a timer was there before. A gateway that was away for longer begins anew.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Takes a tick: from here on it is this process's, and no other's. `false`: it was taken before. Synced before it returns.
///
/// # Errors
/// When the journal has no room or does not answer: the tick must not run then. Dropping the future may leave it taken.
pub(crate) async fn take(journal: &Journal, tick: &Tick, now: SystemTime) -> Result<bool, DedupeError> {
    let timer = tick.timer();
    if is_taken(journal, timer, tick.scheduled(), now)? {
        return Ok(false);
    }
    if !journal.has_room(1) {
        return Err(DedupeError::Full);
    }
    journal
        .mark_done(vec![mark(timer, tick.scheduled())], expiry(timer, tick.scheduled()))
        .synced()
        .await?;
    Ok(true)
}

/// Whether a tick is taken.
///
/// # Errors
/// When the journal does not answer.
pub(super) fn is_taken(journal: &Journal, timer: &Timer, scheduled: i64, now: SystemTime) -> Result<bool, JournalError> {
    journal.any_done(&[mark(timer, scheduled)], now)
}

/// Takes a tick that shall not run. Nobody waits for it: what a kill loses of it is at worst a tick that is made up for.
pub(super) fn pass(journal: &Journal, timer: &Timer, scheduled: i64, now: SystemTime) {
    let expires = expiry(timer, scheduled);
    if expires > now && journal.has_room(1) {
        drop(journal.mark_done(vec![mark(timer, scheduled)], expires));
    }
}

/// Says that this timer, with this schedule, is there; `true` when it was there before.
pub(super) fn know(journal: &Journal, timer: &Timer, now: SystemTime) -> bool {
    let schedule = &timer.schedule;
    let mark = marked(timer, &["known", schedule.cron(), schedule.timezone()]);
    let known = journal.any_done(std::slice::from_ref(&mark), now).unwrap_or(false);
    if journal.has_room(1) {
        drop(journal.mark_done(vec![mark], now + KNOWN_FOR));
    }
    known
}

fn mark(timer: &Timer, scheduled: i64) -> Mark {
    marked(timer, &["tick", &scheduled.to_string()])
}

fn marked(timer: &Timer, parts: &[&str]) -> Mark {
    let mut hash = Sha256::new_with_prefix(b"tollgate.timer");
    for part in parts {
        hash.update([0]);
        hash.update(part.as_bytes());
    }
    Mark {
        endpoint: timer.id.clone(),
        kind: MarkKind::Id,
        hash: hash.finalize().into(),
    }
}

fn expiry(timer: &Timer, scheduled: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(remembered_until(&timer.schedule, timer.grace, scheduled))
}
