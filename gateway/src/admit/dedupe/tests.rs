#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use super::*;
use tollgate_config::EndpointId;
use tollgate_store::MarkKind;

const HORIZON: Duration = Duration::from_secs(3600);
const WALL: Duration = Duration::from_secs(2);

fn mark(endpoint: &str, kind: MarkKind, hash: u8) -> Mark {
    Mark {
        endpoint: EndpointId::new(endpoint).unwrap(),
        kind,
        hash: [hash; 32],
    }
}

fn id(hash: u8) -> Mark {
    mark("e", MarkKind::Id, hash)
}

fn body(hash: u8) -> Mark {
    mark("e", MarkKind::Body, hash)
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn bounds(in_flight: usize) -> Bounds {
    Bounds {
        in_flight,
        in_flight_each: in_flight,
        done_each: u64::MAX,
    }
}

fn table(capacity: usize) -> Dedupe {
    Dedupe::new(Journal::in_memory(100).unwrap(), bounds(capacity))
}

fn first(table: &Dedupe, marks: Vec<Mark>) -> Ticket {
    match table.enter(&acme(), marks, start(), HORIZON) {
        Ok(Seen::First(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn running(table: &Dedupe, marks: Vec<Mark>) -> Flight {
    match table.enter(&acme(), marks, start(), HORIZON) {
        Ok(Seen::Running(flight)) => flight,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_comes_while_the_first_runs_gets_its_status() {
    for status in [
        StatusCode::OK,
        StatusCode::ACCEPTED,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::GATEWAY_TIMEOUT,
    ] {
        let table = table(10);
        let ticket = first(&table, vec![id(1)]);
        let (second, third) = (running(&table, vec![id(1)]), running(&table, vec![id(1)]));
        ticket.settle(status);
        for waiting in [second, third] {
            assert_eq!(outcome(waiting, WALL).await, Some(Ended::Answered(status)));
        }
        assert_eq!(table.in_flight(), 0);
    }
}

#[tokio::test]
async fn what_is_done_never_runs_again_until_its_marks_expire() {
    let table = table(10);
    first(&table, vec![id(1)]).settle(StatusCode::OK);
    assert!(matches!(table.enter(&acme(), vec![id(1)], start(), HORIZON), Ok(Seen::Done)));
    assert!(matches!(
        table.enter(&acme(), vec![id(1)], start() + HORIZON * 2, HORIZON),
        Ok(Seen::First(_))
    ));
    assert_eq!(table.in_flight(), 0);
}

#[tokio::test]
async fn what_failed_runs_again() {
    let table = table(10);
    first(&table, vec![id(1)]).settle(StatusCode::BAD_GATEWAY);
    first(&table, vec![id(1)]).settle(StatusCode::FOUND);
    first(&table, vec![id(1)]).settle(StatusCode::OK);
}

#[tokio::test]
async fn a_caller_that_goes_away_fails_those_who_wait_and_the_retry_runs() {
    let table = table(10);
    let ticket = first(&table, vec![id(1)]);
    let waiting = running(&table, vec![id(1)]);
    drop(ticket);
    assert_eq!(outcome(waiting, WALL).await, Some(Ended::Abandoned));
    first(&table, vec![id(1)]).settle(StatusCode::OK);
}

#[tokio::test]
async fn a_hit_on_either_mark_is_a_repeat_and_endpoints_share_none() {
    let table = table(10);
    let ticket = first(&table, vec![id(1), body(2)]);
    running(&table, vec![id(1), body(9)]);
    running(&table, vec![id(9), body(2)]);
    // The same bytes under the other kind, and at another endpoint, are something else.
    drop(first(&table, vec![id(2), body(1)]));
    drop(first(&table, vec![mark("other", MarkKind::Id, 1)]));
    ticket.settle(StatusCode::OK);
    for marks in [vec![id(1), body(9)], vec![id(9), body(2)]] {
        assert!(matches!(table.enter(&acme(), marks, start(), HORIZON), Ok(Seen::Done)));
    }
    assert_eq!(table.in_flight(), 0);
}

#[tokio::test]
async fn without_marks_everything_is_a_first() {
    let table = table(0);
    let (one, two) = (first(&table, Vec::new()), first(&table, Vec::new()));
    one.settle(StatusCode::OK);
    two.settle(StatusCode::OK);
}

#[tokio::test]
async fn a_full_table_takes_no_more_and_forgets_nothing() {
    let table = table(2);
    let held = first(&table, vec![id(1), body(1)]);
    assert!(matches!(
        table.enter(&acme(), vec![id(2)], start(), HORIZON),
        Err(DedupeError::Full)
    ));
    running(&table, vec![id(1)]);
    held.settle(StatusCode::OK);
    first(&table, vec![id(2)]).settle(StatusCode::OK);
}

#[tokio::test]
async fn a_full_journal_takes_no_more_and_evicts_nothing() {
    let table = Dedupe::new(Journal::in_memory(1).unwrap(), bounds(10));
    first(&table, vec![id(1)]).settle(StatusCode::OK);
    assert!(matches!(
        table.enter(&acme(), vec![id(2)], start(), HORIZON),
        Err(DedupeError::Full)
    ));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_a_call_may_take() {
    let table = table(10);
    let ticket = first(&table, vec![id(1)]);
    let waiting = running(&table, vec![id(1)]);
    let begun = tokio::time::Instant::now();
    assert_eq!(outcome(waiting, WALL).await, None);
    assert_eq!(begun.elapsed().as_secs(), WALL.as_secs());
    ticket.settle(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_at_once_one_runs() {
    let table = table(10);
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let all: Vec<_> = (0..200)
        .map(|_| {
            let (table, runs) = (table.clone(), runs.clone());
            tokio::spawn(async move {
                match table.enter(&acme(), vec![id(1), body(1)], start(), HORIZON).unwrap() {
                    Seen::First(ticket) => {
                        runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        ticket.settle(StatusCode::OK);
                        StatusCode::OK
                    }
                    Seen::Running(flight) => match outcome(flight, WALL).await {
                        Some(Ended::Answered(status)) => status,
                        other => panic!("{other:?}"),
                    },
                    Seen::Done => StatusCode::OK,
                }
            })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(table.in_flight(), 0);
}

#[tokio::test]
async fn one_tenant_leaves_room_for_the_others() {
    let share = Bounds {
        in_flight: 4,
        in_flight_each: 2,
        done_each: 3,
    };
    let table = Dedupe::new(Journal::in_memory(100).unwrap(), share);
    let beta = TenantId::new("beta").unwrap();
    let held = [first(&table, vec![id(1)]), first(&table, vec![id(2)])];
    let entered = |tenant: &TenantId, mark: Mark, now| table.enter(tenant, vec![mark], now, HORIZON);
    assert!(matches!(entered(&acme(), id(3), start()), Err(DedupeError::ShareFull)));
    assert!(
        matches!(entered(&acme(), id(1), start()), Ok(Seen::Running(_))),
        "a repeat needs no room"
    );
    assert!(matches!(entered(&beta, id(4), start()), Ok(Seen::First(_))));
    for ticket in held {
        ticket.settle(StatusCode::OK);
    }
    first(&table, vec![id(3)]).settle(StatusCode::OK);
    assert!(matches!(entered(&acme(), id(5), start()), Err(DedupeError::ShareFull)));
    assert!(matches!(entered(&beta, id(5), start()), Ok(Seen::First(_))));
    // When its marks have expired, the share is free again.
    assert!(matches!(entered(&acme(), id(5), start() + HORIZON * 3), Ok(Seen::First(_))));
    assert_eq!(table.in_flight(), 0);
}

#[test]
fn a_tenant_alone_has_it_all_and_one_of_several_a_half() {
    let (alone, many) = (Bounds::of_tenants(1), Bounds::of_tenants(50));
    assert_eq!((alone.in_flight_each, alone.done_each), (MAX_IN_FLIGHT, MAX_DONE));
    assert_eq!((many.in_flight_each, many.done_each), (MAX_IN_FLIGHT / 2, MAX_DONE / 2));
}
