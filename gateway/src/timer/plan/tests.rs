#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use std::collections::BTreeSet;

/// 2026-11-21T00:00:00Z, a midnight.
const MIDNIGHT: u64 = 1_795_219_200;
const GRACE: Duration = Duration::from_secs(600);

fn schedule(cron: &str) -> Schedule {
    Schedule::parse(cron, "UTC").unwrap()
}

fn run(after: u64) -> Option<i64> {
    Some(signed(MIDNIGHT + after))
}

/// Sleeps and wakes as a timer does, in a world where nothing is ever late, and says what ran when.
fn live(schedule: &Schedule, plan: &mut Plan, from: u64, to: u64) -> Vec<u64> {
    let mut now = Duration::from_secs(from);
    let mut ran = Vec::new();
    loop {
        let nap = plan.nap(schedule, now);
        assert!(nap > Duration::ZERO && nap <= LONGEST_NAP, "{nap:?}");
        now += nap;
        if now > Duration::from_secs(to) {
            return ran;
        }
        let due = plan.wake(schedule, GRACE, now.as_secs());
        assert_eq!((due.missed, due.passed), (0, None));
        ran.extend(due.run.map(|tick| unsigned(tick) - MIDNIGHT));
    }
}

#[test]
fn each_tick_runs_once_in_its_second() {
    for (cron, wanted) in [
        ("* * * * * *", (1..=20).collect::<Vec<_>>()),
        ("*/7 * * * * *", vec![7, 14]),
        ("0 0 5 * * *", vec![]),
    ] {
        let schedule = schedule(cron);
        let mut plan = Plan::begin(MIDNIGHT);
        assert_eq!(live(&schedule, &mut plan, MIDNIGHT, MIDNIGHT + 20), wanted, "{cron}");
    }
    let nightly = schedule("0 0 5 * * *");
    let mut plan = Plan::begin(MIDNIGHT);
    assert_eq!(live(&nightly, &mut plan, MIDNIGHT, MIDNIGHT + 86_400), [5 * 3600]);
}

#[test]
fn a_wake_a_moment_too_early_waits_on() {
    let schedule = schedule("*/10 * * * * *");
    let mut plan = Plan::begin(MIDNIGHT);
    assert_eq!(plan.wake(&schedule, GRACE, MIDNIGHT + 9), Due::default());
    assert_eq!(
        plan.nap(&schedule, Duration::from_millis(MIDNIGHT * 1000 + 9_997)),
        Duration::from_millis(3)
    );
    assert_eq!(plan.wake(&schedule, GRACE, MIDNIGHT + 10).run, run(10));
}

#[test]
fn of_what_a_jump_forward_passes_the_newest_runs_within_the_grace() {
    for (cron, grace, jump, wanted) in [
        // A minute's worth of ticks, the newest just now.
        ("*/10 * * * * *", 600, 60, (run(60), None, 5)),
        // The newest is four minutes old.
        ("0 */5 * * * *", 600, 599, (run(300), None, 0)),
        // It is older than the grace.
        ("0 */20 * * * *", 600, 1801, (None, run(1200), 1)),
        ("0 */5 * * * *", 100, 3599, (None, run(3300), 11)),
        // On time is not late.
        ("0 */5 * * * *", 0, 300, (run(300), None, 0)),
        ("0 */5 * * * *", 0, 301, (run(300), None, 0)),
        ("0 */5 * * * *", 0, 302, (None, run(300), 1)),
        // Nothing was due.
        ("0 0 5 * * *", 600, 3600, (None, None, 0)),
    ] {
        let mut plan = Plan::begin(MIDNIGHT);
        let due = plan.wake(&schedule(cron), Duration::from_secs(grace), MIDNIGHT + jump);
        assert_eq!((due.run, due.passed, due.missed), wanted, "{cron} {jump}");
        assert_eq!(
            plan.wake(&schedule(cron), Duration::from_secs(grace), MIDNIGHT + jump),
            Due::default(),
            "{cron}: once"
        );
    }
}

#[test]
fn a_year_of_missed_seconds_is_counted_up_to_the_limit() {
    let mut plan = Plan::begin(MIDNIGHT);
    let due = plan.wake(&schedule("* * * * * *"), GRACE, MIDNIGHT + 365 * 86_400);
    assert_eq!((due.run, due.missed), (run(365 * 86_400), MAX_COUNTED));
}

#[test]
fn a_clock_that_is_set_back_ticks_on_and_a_corrected_one_waits() {
    let schedule = schedule("*/10 * * * * *");
    // Corrected by less than two seconds: the tick that has been is not planned again.
    let mut plan = Plan::begin(MIDNIGHT + 30);
    assert_eq!(plan.wake(&schedule, GRACE, MIDNIGHT + 29), Due::default());
    assert_eq!(
        plan.nap(&schedule, Duration::from_secs(MIDNIGHT + 29)),
        LONGEST_NAP.min(Duration::from_secs(11))
    );
    assert_eq!(plan.wake(&schedule, GRACE, MIDNIGHT + 30), Due::default());
    // From a year ahead: it does not wait for that year.
    let mut plan = Plan::begin(MIDNIGHT + 365 * 86_400);
    assert_eq!(plan.wake(&schedule, GRACE, MIDNIGHT), Due::default());
    assert_eq!(live(&schedule, &mut plan, MIDNIGHT, MIDNIGHT + 20), [10, 20]);
}

#[test]
fn a_restart_makes_up_for_the_newest_missed_tick_within_the_grace() {
    let hour = 3600;
    // Ticks that an earlier process took, as seconds after midnight.
    for (name, cron, now, taken, known, wanted) in [
        (
            "nothing missed",
            "0 0 5 * * *",
            5 * hour + 30,
            vec![5 * hour],
            true,
            (None, None, 0),
        ),
        ("one missed", "0 0 5 * * *", 5 * hour + 30, vec![], true, (run(5 * hour), None, 29)),
        (
            "one missed, the day before was not",
            "0 0 * * * *",
            5 * hour + 30,
            vec![4 * hour],
            true,
            (run(5 * hour), None, 0),
        ),
        (
            "three missed",
            "0 0 * * * *",
            5 * hour + 30,
            vec![2 * hour],
            true,
            (run(5 * hour), None, 2),
        ),
        (
            "too late",
            "0 0 * * * *",
            5 * hour + 601,
            vec![3 * hour],
            true,
            (None, run(5 * hour), 2),
        ),
        (
            "at the grace's end",
            "0 0 * * * *",
            5 * hour + 600,
            vec![4 * hour],
            true,
            (run(5 * hour), None, 0),
        ),
        (
            "not there before",
            "0 0 * * * *",
            5 * hour + 30,
            vec![],
            false,
            (None, run(5 * hour), 0),
        ),
    ] {
        let taken: BTreeSet<_> = taken.into_iter().map(|at| signed(MIDNIGHT + at)).collect();
        let due = resume(&schedule(cron), GRACE, MIDNIGHT + now, known, |tick| taken.contains(&tick));
        assert_eq!((due.run, due.passed, due.missed), wanted, "{name}");
    }
}

#[test]
fn a_restart_looks_no_further_than_ticks_are_remembered() {
    let every_second = schedule("* * * * * *");
    let mut looked = 0;
    let due = resume(&every_second, GRACE, MIDNIGHT, true, |_| {
        looked += 1;
        false
    });
    // Ten minutes and an hour.
    assert_eq!((due.run, due.missed, looked), (run(0), 4199, 4200));
    let due = resume(&every_second, Duration::from_secs(86_400), MIDNIGHT, true, |_| false);
    assert_eq!(due.missed, MAX_COUNTED - 1);
}

#[test]
fn a_tick_is_remembered_beyond_its_grace() {
    let until = |cron: &str, grace: u64| remembered_until(&schedule(cron), Duration::from_secs(grace), signed(MIDNIGHT)) - MIDNIGHT;
    assert_eq!(until("* * * * * *", 600), 4200);
    assert_eq!(until("0 */5 * * * *", 600), 300_000);
    assert_eq!(until("0 0 0 * * *", 600), LONGEST_MEMORY);
    assert_eq!(until("* * * * * *", 86_400), 90_000);
}
