#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed unwrap fails the test")]
use super::*;

const NOT_AT_ALL: Duration = Duration::ZERO;
const PATIENCE: Duration = Duration::from_millis(500);
/// Longer than any test takes: who waits for so long was forgotten.
const EVER: Duration = Duration::from_secs(600);

fn share(pool: &Pool, tenant: &str) -> Arc<Share> {
    pool.share(&TenantId::new(tenant).unwrap())
}

/// Takes places until there are none for this tenant.
async fn flood(share: &Arc<Share>) -> Vec<Place> {
    let mut places = Vec::new();
    while let Ok(place) = share.enter(NOT_AT_ALL).await {
        places.push(place);
    }
    places
}

fn waiting(share: &Arc<Share>) -> tokio::task::JoinHandle<Result<Place, CallError>> {
    let share = Arc::clone(share);
    tokio::spawn(async move { share.enter(EVER).await })
}

fn free(pool: &Pool) -> usize {
    pool.0.free.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_tenant_alone_has_all_and_the_next_caller_waits_its_time() {
    let pool = Pool::new(8);
    let acme = share(&pool, "acme");
    let places = flood(&acme).await;
    assert_eq!((places.len(), free(&pool)), (8, 0));
    assert_eq!(acme.enter(PATIENCE).await.err(), Some(CallError::Saturated("waited too long")));
    drop(places);
    assert_eq!(free(&pool), 8);
    let used = pool.tenants_use();
    assert_eq!((used.len(), used[0].held, used[0].waiting, used[0].waited), (1, 0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_flood_leaves_room_for_others_and_for_one_more() {
    let pool = Pool::new(16);
    let (acme, beta, gamma) = (share(&pool, "acme"), share(&pool, "beta"), share(&pool, "gamma"));
    let mut first = flood(&acme).await;
    let mut second = flood(&beta).await;
    assert_eq!((first.len(), second.len(), free(&pool)), (12, 3, 1));
    assert!(gamma.enter(NOT_AT_ALL).await.is_ok());
    // The flood's places go to who holds fewer, though the flood waited first.
    for _ in 0..3 {
        let (greedy, modest) = (waiting(&acme), waiting(&beta));
        tokio::task::yield_now().await;
        drop(first.pop());
        second.push(modest.await.unwrap().unwrap());
        greedy.abort();
        assert!(greedy.await.is_err());
    }
    assert_eq!((first.len(), second.len()), (9, 6));
}

#[tokio::test(start_paused = true)]
async fn while_one_tenant_floods_another_ones_calls_get_places_at_once() {
    let pool = Pool::new(16);
    let (acme, beta) = (share(&pool, "acme"), share(&pool, "beta"));
    let _held = flood(&acme).await;
    let queue: Vec<_> = (0..16).map(|_| waiting(&acme)).collect();
    tokio::task::yield_now().await;
    assert_eq!(
        acme.enter(EVER).await.err(),
        Some(CallError::Saturated("too many of the tenant wait for the pool"))
    );
    for call in 0..100 {
        assert!(beta.enter(NOT_AT_ALL).await.is_ok(), "call {call}");
    }
    assert_eq!((acme.waiting.load(SeqCst), beta.waiting.load(SeqCst)), (16, 0));
    for waiting in queue {
        waiting.abort();
        assert!(waiting.await.is_err());
    }
    assert_eq!((acme.waiting.load(SeqCst), pool.0.waiting.load(SeqCst)), (0, 0));
    assert!(pool.0.queues().is_empty());
}

#[tokio::test(start_paused = true)]
async fn within_a_tenant_the_first_to_wait_is_the_first_to_go() {
    let pool = Pool::new(3);
    let acme = share(&pool, "acme");
    let mut held = flood(&acme).await;
    let (first, second) = (waiting(&acme), waiting(&acme));
    tokio::task::yield_now().await;
    drop(held.pop());
    // The place is promised to the first, who has not run yet: nobody may take it.
    assert!(acme.enter(NOT_AT_ALL).await.is_err());
    let place = first.await.unwrap().unwrap();
    assert!(!second.is_finished());
    drop(place);
    drop(second.await.unwrap().unwrap());
    assert_eq!(free(&pool), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_given_to_one_who_has_just_gone_is_free_again() {
    let pool = Pool::new(1);
    let acme = share(&pool, "acme");
    let held = acme.enter(NOT_AT_ALL).await.unwrap();
    let gone = waiting(&acme);
    tokio::task::yield_now().await;
    drop(held);
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!((free(&pool), acme.held.load(SeqCst)), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_and_nobody_is_forgotten() {
    // As many of a tenant may wait as there are places: here, all of them.
    let pool = Pool::new(16);
    let mut callers = Vec::new();
    for caller in 0..64 {
        let share = share(&pool, ["acme", "beta", "gamma", "delta"][caller % 4]);
        callers.push(tokio::spawn(async move {
            for turn in 0..200 {
                if turn % 7 == caller % 7 {
                    // One that goes away while it waits, or just after.
                    let impatient = tokio::time::timeout(Duration::from_micros(10), share.enter(EVER));
                    drop(impatient.await);
                    continue;
                }
                let place = share.enter(EVER).await;
                tokio::task::yield_now().await;
                assert!(place.is_ok(), "{place:?}");
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!((free(&pool), pool.0.waiting.load(SeqCst)), (16, 0));
    assert!(pool.tenants_use().is_empty(), "a tenant without a revision is forgotten");
}
