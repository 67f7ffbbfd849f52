//! What stays, what leaves, and what happens when one does not come.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::{Maker, Residence, ResidenceLimits, Unit, unit::Components};
use crate::{CallError, Job, LoadError, Profile, WarmUp};
use bytes::Bytes;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, advance};

const PATIENCE: Duration = Duration::from_secs(1);

/// Makes numbers of bytes.
#[derive(Default)]
struct Workshop {
    cached: Mutex<HashSet<blake3::Hash>>,
    found: AtomicUsize,
    made: AtomicUsize,
    noted: AtomicUsize,
    left: AtomicUsize,
    /// Nothing comes of a job.
    broken: AtomicBool,
    /// Nothing is put into the cache.
    full: AtomicBool,
    /// Whoever works waits here.
    busy: Mutex<()>,
}

struct Made {
    bytes: u64,
    kept: AtomicBool,
}

impl Maker for Workshop {
    type Made = Made;

    fn find(&self, name: blake3::Hash, _: Profile) -> Option<Made> {
        let _busy = self.busy.lock();
        let there = self.cached.lock().unwrap().contains(&name);
        self.found.fetch_add(usize::from(there), Relaxed);
        there.then(|| Made {
            bytes: 10,
            kept: true.into(),
        })
    }

    fn make(&self, job: &Job) -> Result<Made, LoadError> {
        self.made.fetch_add(1, Relaxed);
        if self.broken.load(Relaxed) {
            return Err(LoadError::Compile("it is poisonous".to_owned()));
        }
        let kept = !self.full.load(Relaxed);
        if kept {
            self.cached.lock().unwrap().insert(job.digest());
        }
        Ok(Made {
            bytes: 10,
            kept: kept.into(),
        })
    }

    fn left(&self, _: Profile, _: &Arc<Made>) {
        self.left.fetch_add(1, Relaxed);
    }

    fn weight(made: &Made) -> (u64, bool) {
        (made.bytes, made.kept.load(Relaxed))
    }

    fn keeps(&self, name: blake3::Hash, made: &Made) -> bool {
        self.noted.fetch_add(1, Relaxed);
        let there = self.cached.lock().unwrap().contains(&name);
        made.kept.store(there, Relaxed);
        there
    }
}

struct House {
    workshop: Arc<Workshop>,
    residence: Arc<Residence<Workshop>>,
}

impl House {
    /// With room for `units` of them.
    fn new(units: u64) -> Self {
        Self::with(units, Duration::from_secs(60))
    }

    fn with(units: u64, idle: Duration) -> Self {
        Self {
            workshop: Arc::default(),
            residence: Residence::new(ResidenceLimits { bytes: units * 10, idle }),
        }
    }

    fn unit(&self, component: &'static str, again: &'static str) -> Arc<Unit<Workshop>> {
        let name = Job::name(&Bytes::from_static(component.as_bytes()), Profile::Default, &WarmUp::none());
        let again: Arc<dyn Components> = Arc::new(Bytes::from_static(again.as_bytes()));
        self.residence.unit(name, || {
            Unit::new(
                name,
                Profile::Default,
                WarmUp::none(),
                Some(again),
                self.workshop.clone(),
                self.residence.clone(),
            )
        })
    }

    /// In memory, as after a start.
    fn loaded(&self, component: &'static str) -> Arc<Unit<Workshop>> {
        let unit = self.unit(component, component);
        unit.load(&Bytes::from_static(component.as_bytes())).unwrap();
        unit
    }

    fn found_and_made(&self) -> (usize, usize) {
        (self.workshop.found.load(Relaxed), self.workshop.made.load(Relaxed))
    }
}

fn again_in(outcome: Result<Arc<Made>, CallError>) -> Duration {
    match outcome.map(|_| ()) {
        Err(CallError::Cold { again_in, .. }) => again_in,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_not_called_for_longest_makes_room_and_comes_back() {
    let house = House::new(2);
    let [a, b] = ["a", "b"].map(|component| house.loaded(component));
    advance(Duration::from_secs(1)).await;
    house.residence.sweep(Instant::now());
    assert!(a.get(PATIENCE).await.is_ok());
    let c = house.loaded("c");
    assert_eq!([a.is_here(), b.is_here(), c.is_here()], [true, false, true]);
    assert_eq!(house.residence.counters.left_for_room.load(Relaxed), 1);
    assert_eq!(house.workshop.left.load(Relaxed), 1, "what is made of it is let go too");
    assert_eq!(house.found_and_made(), (0, 3));
    assert!(b.get(PATIENCE).await.is_ok());
    assert_eq!([a.is_here(), b.is_here(), c.is_here()].map(u8::from).iter().sum::<u8>(), 2);
    assert_eq!(house.found_and_made(), (1, 3), "it was read, not compiled");
    assert_eq!(house.residence.loaded().units, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_calls_leaves_and_one_that_is_called_stays() {
    let house = House::new(9);
    let [a, b] = ["a", "b"].map(|component| house.loaded(component));
    for _ in 0..3 {
        advance(Duration::from_secs(30)).await;
        house.residence.sweep(Instant::now());
        assert!(a.get(PATIENCE).await.is_ok());
    }
    assert_eq!([a.is_here(), b.is_here()], [true, false]);
    assert_eq!(house.residence.counters.left_idle.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_called_between_two_sweeps_is_not_idle_however_short_that_may_be() {
    let house = House::with(9, Duration::from_millis(1));
    let [a, b] = ["a", "b"].map(|component| house.loaded(component));
    for _ in 0..3 {
        advance(Duration::from_millis(900)).await;
        assert!(a.here().is_some());
        advance(Duration::from_millis(100)).await;
        house.residence.sweep(Instant::now());
        assert!(a.is_here());
    }
    assert!(!b.is_here());
    for _ in 0..2 {
        advance(Duration::from_secs(1)).await;
        house.residence.sweep(Instant::now());
    }
    assert!(!a.is_here(), "nobody called it between the two");
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_does_not_have_stays() {
    let house = House::new(1);
    house.workshop.full.store(true, Relaxed);
    let [a, b] = ["a", "b"].map(|component| house.loaded(component));
    advance(Duration::from_secs(1000)).await;
    house.residence.sweep(Instant::now());
    assert_eq!([a.is_here(), b.is_here()], [true, true]);
    let loaded = house.residence.loaded();
    assert_eq!((loaded.units, loaded.bytes, loaded.pinned), (2, 20, 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_the_cache_has_lost_stays_and_is_asked_for_no_more() {
    let house = House::new(1);
    let a = house.loaded("a");
    house.workshop.cached.lock().unwrap().clear();
    let b = house.loaded("b");
    assert_eq!([a.is_here(), b.is_here()], [true, true], "there was room for one");
    assert_eq!(house.residence.loaded().pinned, 1);
    for _ in 0..3 {
        advance(Duration::from_secs(100)).await;
        house.residence.sweep(Instant::now());
    }
    assert_eq!([a.is_here(), b.is_here()], [true, false]);
    assert_eq!(house.workshop.noted.load(Relaxed), 2, "each once, when it was to leave");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_memory_is_noted_as_used_now_and_then() {
    let house = House::with(9, Duration::from_secs(100_000));
    let units = ["a", "b"].map(|component| house.loaded(component));
    for noted in [0, 2, 2, 4] {
        advance(Duration::from_secs(1_800)).await;
        house.residence.sweep(Instant::now());
        assert_eq!(house.workshop.noted.load(Relaxed), noted);
    }
    assert_eq!(house.residence.in_cache().len(), units.len());
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "what waits for it runs on threads of its own")]
async fn many_calls_at_once_bring_it_once() {
    let house = House::new(9);
    let unit = house.loaded("a");
    assert!(unit.leave());
    let held = house.workshop.busy.lock().unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let unit = unit.clone();
            tokio::spawn(async move { unit.get(Duration::from_secs(600)).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(held);
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(house.found_and_made(), (1, 1));
}

#[tokio::test]
async fn one_that_a_call_still_holds_is_not_read_again() {
    let house = House::new(9);
    let unit = house.loaded("a");
    let call = unit.get(PATIENCE).await.unwrap();
    assert!(unit.leave());
    let next = unit.get(PATIENCE).await.unwrap();
    assert!(Arc::ptr_eq(&call, &next));
    assert_eq!(house.found_and_made(), (0, 1));
    assert_eq!(house.residence.counters.from_memory.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_and_tried_again_later_and_later() {
    let house = House::new(9);
    let unit = house.loaded("a");
    assert!(unit.leave());
    house.workshop.cached.lock().unwrap().clear();
    house.workshop.broken.store(true, Relaxed);
    let mut made = 1;
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        made += 1;
        let wait = Duration::from_secs(seconds);
        assert_eq!(again_in(unit.get(PATIENCE).await), wait);
        assert_eq!(again_in(unit.get(PATIENCE).await), wait, "nothing was tried");
        assert_eq!(house.found_and_made(), (0, made));
        advance(wait).await;
    }
    assert_eq!(house.residence.counters.backed_off.load(Relaxed), 8);
    house.workshop.broken.store(false, Relaxed);
    assert!(unit.get(PATIENCE).await.is_ok());
    assert!(unit.leave());
    assert!(unit.get(PATIENCE).await.is_ok(), "the failures are forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_it_may_and_what_it_waited_for_still_comes() {
    let house = House::new(9);
    let unit = house.loaded("a");
    assert!(unit.leave());
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(1);
    let workshop = house.workshop.clone();
    let (taken, is_taken) = std::sync::mpsc::sync_channel(1);
    let holder = std::thread::spawn(move || {
        let _busy = workshop.busy.lock().unwrap();
        taken.send(()).unwrap();
        held.recv().unwrap();
    });
    is_taken.recv().unwrap();
    let gone = tokio::spawn({
        let unit = unit.clone();
        async move { unit.get(PATIENCE).await.map(drop) }
    });
    let call = tokio::spawn({
        let unit = unit.clone();
        async move { again_in(unit.get(PATIENCE).await) }
    });
    tokio::task::yield_now().await;
    gone.abort();
    advance(PATIENCE).await;
    assert_eq!(call.await.unwrap(), Duration::ZERO);
    assert_eq!(house.residence.counters.expired.load(Relaxed), 1);
    hold.send(()).unwrap();
    holder.join().unwrap();
    assert!(unit.get(PATIENCE).await.is_ok());
    assert_eq!(house.found_and_made(), (1, 1));
}

#[tokio::test]
async fn other_bytes_than_those_it_was_loaded_from_are_not_compiled() {
    let house = House::new(9);
    let unit = house.unit("a", "other");
    unit.load(&Bytes::from_static(b"a")).unwrap();
    assert!(unit.leave());
    house.workshop.cached.lock().unwrap().clear();
    let refused = unit.get(PATIENCE).await.map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("not those that it was loaded from"), "{refused}");
    assert_eq!(house.found_and_made(), (0, 1));
}
