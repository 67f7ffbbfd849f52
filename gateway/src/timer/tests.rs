#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
use super::*;
use crate::{
    admit::{
        Admission, Entrant, admit,
        dedupe::{Bounds, Dedupe},
    },
    dispatch::id_value,
    keys::Keyring,
    metrics::Metrics,
    rate::{Limiter, Rates, Scope},
    roots::Roots,
    snapshot::{Deployment, State},
    tasks::Tasks,
};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use tollgate_config::{
    DeploymentId, EnvId, TeamId, TenantCtx, TenantId,
    manifest::{Limits, Rate},
};
use tollgate_host::{Host, HostConfig};
use tollgate_store::{Journal, MemoryStore};

/// 2026-11-21T05:00:00Z.
const FIVE: i64 = 1_795_237_200;

fn at(unix: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap())
}

fn gate(journal: Journal) -> Arc<Gate> {
    let host = Host::new(HostConfig::default(), Arc::new(MemoryStore::default())).unwrap();
    let (metrics, tasks) = (Metrics::new().unwrap(), Tasks::new());
    let keys = Arc::new(Keyring::new([], Roots::default(), tasks.clone(), metrics.keys()).unwrap());
    let dedupe = Dedupe::new(journal, Bounds::of_tenants(1));
    Arc::new(Gate::new(metrics, dedupe, keys, tasks, host))
}

/// A timer whose revision did not load: its ticks get as far as the worker's door.
fn timer(gate: &Gate, cron: &str) -> Arc<Timer> {
    let tenant = TenantCtx {
        tenant_id: TenantId::new("acme").unwrap(),
        env_id: EnvId::new("local").unwrap(),
        team_id: Some(TeamId::new("night").unwrap()),
    };
    let deployment = Deployment {
        id: DeploymentId::new("d").unwrap(),
        tenant_header: id_value("acme"),
        environment_header: id_value("local"),
        tenant: tenant.clone(),
        limits: Limits::default(),
        rate: Some(used_up()),
        state: State::Failed { revision: None },
    };
    let id = EndpointId::new("nightly").unwrap();
    Arc::new(Timer {
        counters: gate.metrics.timer(&id).unwrap(),
        id,
        owner: Owner {
            tenant,
            deployment: Arc::new(deployment),
        },
        schedule: Schedule::parse(cron, "UTC").unwrap(),
        grace: Duration::from_secs(600),
    })
}

/// A tenant's rate of which nothing is left: no timer waits for it.
fn used_up() -> Arc<Limiter> {
    let one = NonZeroU32::MIN;
    let rate = Rate {
        requests: one,
        per: Duration::from_secs(3600),
        burst: one,
    };
    let limiter = Rates::default().of(Scope::Tenant(TenantId::new("acme").unwrap()), rate);
    limiter.take().unwrap();
    limiter
}

fn run_one(scheduled: i64) -> Due {
    Due {
        run: Some(scheduled),
        ..Due::default()
    }
}

async fn ended(gate: &Gate) {
    gate.tasks.stop();
    gate.tasks.ended().await;
}

#[tokio::test]
async fn a_tick_whose_revision_is_not_ready_fails_and_is_not_tried_again() {
    let gate = gate(Journal::in_memory(100).unwrap());
    let timer = timer(&gate, "0 0 5 * * *");
    let turn = Arc::new(Semaphore::new(1));
    act(&gate, &timer, run_one(FIVE), at(FIVE), &turn);
    ended(&gate).await;
    assert_eq!((timer.counters.failed.get(), timer.counters.duplicate.get()), (1, 0));
    assert_eq!(turn.available_permits(), 1);
    // The same tick again, as after a clock that was set back.
    act(&gate, &timer, run_one(FIVE), at(FIVE), &turn);
    gate.tasks.ended().await;
    assert_eq!((timer.counters.failed.get(), timer.counters.duplicate.get()), (1, 1));
}

#[tokio::test]
async fn the_tenants_rate_does_not_count_ticks() {
    let gate = gate(Journal::in_memory(100).unwrap());
    let timer = timer(&gate, "0 0 5 * * *");
    assert!(timer.owner.deployment.rate.as_ref().unwrap().take().is_err());
    let tick = Tick::new(timer.clone(), FIVE, at(FIVE));
    let admission = admit(&gate.dedupe, Entrant::Tick(Box::new(tick)), timer.owner.clone(), at(FIVE)).await;
    assert!(matches!(admission, Ok(Admission::Admitted(_))), "{admission:?}");
}

#[tokio::test]
async fn a_tick_while_the_one_before_it_runs_is_skipped_counted_and_never_made_up_for() {
    let gate = gate(Journal::in_memory(100).unwrap());
    let timer = timer(&gate, "* * * * * *");
    let turn = Arc::new(Semaphore::new(1));
    let running = turn.clone().try_acquire_owned().unwrap();
    act(&gate, &timer, run_one(FIVE), at(FIVE), &turn);
    drop(running);
    ended(&gate).await;
    assert_eq!((timer.counters.overlap.get(), timer.counters.failed.get()), (1, 0));
    assert!(ledger::is_taken(gate.dedupe.journal(), &timer, FIVE, at(FIVE)).unwrap());
}

#[tokio::test]
async fn without_a_place_in_the_journal_a_tick_does_not_run() {
    let gate = gate(Journal::in_memory(0).unwrap());
    let timer = timer(&gate, "0 0 5 * * *");
    act(&gate, &timer, run_one(FIVE), at(FIVE), &Arc::new(Semaphore::new(1)));
    ended(&gate).await;
    assert_eq!(timer.counters.failed.get(), 1);
    assert!(!ledger::is_taken(gate.dedupe.journal(), &timer, FIVE, at(FIVE)).unwrap());
}

#[tokio::test]
async fn a_restart_runs_what_was_missed_once_and_a_new_timer_begins_with_the_next_tick() {
    let folder = tempfile::tempdir().unwrap();
    // Each line is one process: when it starts, and what of the hourly tick at five it does.
    for (name, cron, start, failed, missed) in [
        ("new: what was before it is no loss", "0 0 * * * *", FIVE - 1800, 0, 0),
        ("back after the tick: made up for", "0 0 * * * *", FIVE + 30, 1, 0),
        ("back again: it ran", "0 0 * * * *", FIVE + 40, 0, 0),
        (
            "hours later: too late, and two more were missed",
            "0 0 * * * *",
            FIVE + 3 * 3600 + 700,
            0,
            3,
        ),
        ("back again: that has been said", "0 0 * * * *", FIVE + 3 * 3600 + 800, 0, 0),
        ("another schedule: new", "0 5 * * * *", FIVE + 3 * 3600 + 800, 0, 0),
    ] {
        let gate = gate(Journal::open(folder.path(), 100).unwrap());
        let timer = timer(&gate, cron);
        // Stopped at once: what it does is what it does at its start.
        gate.tasks.stop();
        run(gate.clone(), timer.clone(), || at(start)).await;
        gate.tasks.ended().await;
        assert_eq!(
            (timer.counters.failed.get(), timer.counters.missed.get()),
            (failed, missed),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_activity_is_one_and_its_ids_are_the_schedules() {
    let gate = gate(Journal::in_memory(100).unwrap());
    let tick = Tick::new(timer(&gate, "0 0 5 * * *"), FIVE, at(FIVE + 30));
    assert_eq!(tick.event_id(), "nightly@2026-11-21T05:00:00Z");
    let acme = TenantId::new("acme").unwrap();
    assert_eq!(tick.session_key(&acme), "acme:timer:nightly:user");
    let activity: Value = serde_json::from_slice(&tick.activity(&acme).unwrap()).unwrap();
    assert_eq!(
        activity["provider_ids"],
        json!({ "conversation_id": "nightly", "channel_id": "nightly", "event_id": tick.event_id() })
    );
    assert_eq!(activity["raw"], json!({ "now": "2026-11-21T05:00:00Z", "schedule_id": "nightly" }));
    assert_eq!(
        activity["channel_data"],
        json!({ "cron": "0 0 5 * * *", "timezone": "UTC", "late_seconds": 30 })
    );
    assert_eq!(activity["timestamp"], "2026-11-21T05:00:00Z");

    let schema: Value = serde_json::from_str(include_str!("../../../docs/schema/activity.json")).unwrap();
    let mut wanted: Vec<_> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut found: Vec<_> = activity.as_object().unwrap().keys().map(String::as_str).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);
    assert!(
        schema["properties"]["provider"]["enum"]
            .as_array()
            .unwrap()
            .contains(&json!(PROVIDER))
    );
    // On time is not late.
    let on_time = Tick::new(timer(&gate, "0 0 5 * * *"), FIVE, at(FIVE + 1));
    assert_eq!(on_time.late(), 0);
}
