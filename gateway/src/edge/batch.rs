//! Several events in one request: in which order they run, and what became of them.

use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{HashMap, HashSet},
    future::poll_fn,
    hash::Hash,
    mem,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::yield_now;

/// Conversations of one request that run at once: a sixteenth of a deployment's usual 256 places, so that no request fills them, and enough to get
/// through the largest batch that is documented (1,000 events) in a second at 10 ms a call.
pub(crate) const LANES: usize = 16;

/// How long a batch keeps its thread from others before it begins no more events: some forty of a usual worker. One that has begun may use it for a tick
/// more.
const TURN: Duration = Duration::from_millis(1);

/// Items with the same key, in their order; the groups in the order of their first items.
pub(crate) fn lanes<T, K: Hash + Eq>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut lanes: Vec<Vec<T>> = Vec::new();
    let mut known: HashMap<K, usize> = HashMap::new();
    for item in items {
        let lane = *known.entry(key(&item)).or_insert(lanes.len());
        match lanes.get_mut(lane) {
            Some(lane) => lane.push(item),
            None => lanes.push(vec![item]),
        }
    }
    lanes
}

/// Those that share no mark with one before them, and how many do. A repeat within one request is told here: it must not wait for the first,
/// which may stand behind it in line.
pub(crate) fn firsts<T, M: Hash + Eq>(items: Vec<T>, marks: impl Fn(&T) -> Vec<M>) -> (Vec<T>, usize) {
    let all = items.len();
    let mut seen = HashSet::new();
    let firsts: Vec<T> = items
        .into_iter()
        .filter(|item| {
            let own = marks(item);
            let known = own.iter().any(|mark| seen.contains(mark));
            seen.extend(own);
            !known
        })
        .collect();
    let repeats = all - firsts.len();
    (firsts, repeats)
}

/// Runs all of them: those of one lane one after the other, at most [`LANES`] lanes at once. One that fails does not hold up those behind it: an
/// event that always fails would otherwise bury its conversation until the provider gives up. Dropping the future drops what runs, and begins
/// nothing more. Events that never wait would run to the last one without a pause, so after each [`TURN`] the thread is others'.
pub(crate) async fn run<T, F>(lanes: Vec<Vec<T>>, each: impl Fn(T) -> F) -> Vec<F::Output>
where
    F: Future,
{
    let turn = Turn::new();
    let line = |lane: Vec<T>| async {
        let mut ended = Vec::with_capacity(lane.len());
        for item in lane {
            while !turn.has_room() {
                yield_now().await;
            }
            ended.push(each(item).await);
        }
        ended
    };
    let mut waiting = lanes.into_iter().map(line);
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(LANES).collect();
    let mut all = pin!(async {
        let mut ended = Vec::new();
        while let Some(lane) = running.next().await {
            ended.extend(lane);
            running.extend(waiting.next());
        }
        ended
    });
    poll_fn(|cx| {
        turn.begin();
        all.as_mut().poll(cx)
    })
    .await
}

/// One poll of a batch.
struct Turn(Mutex<Begun>);

struct Begun {
    at: Instant,
    /// Whether an event has begun in it: each turn has one at least, however late the thread comes to it.
    is_used: bool,
}

impl Turn {
    fn new() -> Self {
        Self(Mutex::new(Begun::now()))
    }

    fn begin(&self) {
        *self.begun() = Begun::now();
    }

    /// Whether one more event may begin, which it then does.
    fn has_room(&self) -> bool {
        let mut turn = self.begun();
        !mem::replace(&mut turn.is_used, true) || turn.at.elapsed() < TURN
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        // It is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            is_used: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::{Cell, RefCell},
        time::Duration,
    };

    #[test]
    fn one_conversation_is_one_lane_in_its_order() {
        let lanes = lanes(["a1", "b1", "a2", "c1", "b2", "a3"], |item| item.chars().next());
        assert_eq!(lanes, [vec!["a1", "a2", "a3"], vec!["b1", "b2"], vec!["c1"]]);
    }

    #[test]
    fn a_repeat_by_any_mark_is_told_and_the_first_stays() {
        let items = vec![
            ("first", vec![1, 2]),
            ("by id", vec![1]),
            ("by body", vec![9, 2]),
            ("other", vec![3]),
            ("third", vec![9]),
        ];
        let (firsts, repeats) = firsts(items, |(_, marks)| marks.clone());
        let names: Vec<_> = firsts.iter().map(|(name, _)| *name).collect();
        // The last one repeats what was itself a repeat: it is the same event all the same.
        assert_eq!((names, repeats), (vec!["first", "other"], 3));
        let unmarked = vec![((), Vec::<u8>::new()), ((), Vec::new())];
        assert_eq!(
            super::firsts(unmarked, |(_, marks)| marks.clone()).1,
            0,
            "without marks everything is a first"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_run_side_by_side_within_the_bound_and_each_in_order() {
        let all: Vec<Vec<(usize, usize)>> = (0..LANES * 3).map(|lane| (0..3).map(|step| (lane, step)).collect()).collect();
        let (at_once, most) = (Cell::new(0), Cell::new(0));
        let order = RefCell::new(vec![0; all.len()]);
        let ended = run(all, |(lane, step)| {
            let (at_once, most, order) = (&at_once, &most, &order);
            async move {
                at_once.set(at_once.get() + 1);
                most.set(most.get().max(at_once.get()));
                tokio::time::sleep(Duration::from_millis(1 + (lane % 5) as u64)).await;
                at_once.set(at_once.get() - 1);
                let mut order = order.borrow_mut();
                let own = order.get_mut(lane);
                assert_eq!(own.as_deref(), Some(&step), "lane {lane}");
                own.into_iter().for_each(|own| *own += 1);
                lane
            }
        })
        .await;
        assert_eq!((ended.len(), most.get(), at_once.get()), (LANES * 9, LANES, 0));
    }

    #[test]
    fn events_that_never_wait_leave_the_thread_to_others() {
        let begun = Cell::new(0);
        // In one lane and in many; each takes longer than a turn.
        let lanes = [vec![(); 3]].into_iter().chain((0..LANES * 2).map(|_| vec![()])).collect();
        let mut running = pin!(run(lanes, |()| {
            begun.set(begun.get() + 1);
            std::thread::sleep(TURN);
            std::future::ready(())
        }));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut polls = 0;
        while running.as_mut().poll(&mut cx).is_pending() {
            polls += 1;
            assert_eq!(begun.get(), polls, "one for each turn");
        }
        assert_eq!((begun.get(), polls), (3 + LANES * 2, 3 + LANES * 2 - 1));
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_in_the_middle_nothing_more_begins() {
        let begun = Cell::new(0);
        let running = run(vec![vec![1, 2, 3]], |_| {
            begun.set(begun.get() + 1);
            tokio::time::sleep(Duration::from_secs(1))
        });
        let cut = tokio::time::timeout(Duration::from_millis(1500), running).await;
        assert!(cut.is_err());
        assert_eq!(begun.get(), 2);
    }
}
