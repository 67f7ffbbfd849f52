//! One compiled worker, in memory or not.

use super::Residence;
use crate::{CallError, Job, LoadError, Profile, WarmUp};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout},
};

/// After a failure nothing is tried for so long: a component that kills its compiler takes minutes of CPU each time. Doubled by each further one.
const BACK_OFF: Duration = Duration::from_secs(5);
/// The longest that it is doubled to: what has been mended is tried again within it.
const MAX_BACK_OFF: Duration = Duration::from_secs(300);

/// Where a component's bytes come from when it has to be compiled again.
pub trait Components: Send + Sync {
    /// Reads them. What does not have the name that it was loaded by is refused, so this need not be trusted. Called on a blocking thread.
    ///
    /// # Errors
    /// In words, for the log.
    fn component(&self) -> Result<Bytes, String>;
}

impl Components for Bytes {
    fn component(&self) -> Result<Bytes, String> {
        Ok(self.clone())
    }
}

/// Brings what is called into memory.
pub(crate) trait Maker: Send + Sync + Sized + 'static {
    /// What is called.
    type Made: Send + Sync + 'static;

    /// From the cache, if it is there and whole.
    fn find(&self, name: blake3::Hash, engine: Profile) -> Option<Self::Made>;

    /// By the compiler.
    fn make(&self, job: &Job) -> Result<Self::Made, LoadError>;

    /// Its bytes, and whether the cache has it, as far as is known.
    fn weight(made: &Self::Made) -> (u64, bool);

    /// It has left memory: what is made of it and waits for its next use goes too.
    fn left(&self, engine: Profile, made: &Arc<Self::Made>);

    /// Looks whether the cache still has it, and notes there that it is in use. May wait for the disk.
    fn keeps(&self, name: blake3::Hash, made: &Self::Made) -> bool;
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Cache,
    Compiler,
}

/// What comes of it, for all who wait.
type Landing<T> = watch::Receiver<Option<Result<Arc<T>, CallError>>>;

/// One that is being brought into memory, or was in vain.
enum Flight<T> {
    None,
    Running(Landing<T>),
    Failed { times: u32, until: Instant, reason: String },
}

/// One component with its engine and its warm-up.
pub(crate) struct Unit<M: Maker> {
    name: blake3::Hash,
    engine: Profile,
    warm_up: WarmUp,
    again: Option<Arc<dyn Components>>,
    maker: Arc<M>,
    residence: Arc<Residence<M>>,
    here: ArcSwapOption<M::Made>,
    used: AtomicU64,
    /// The last one, which a call may still hold. Locked while another is made, so that it is made once.
    last: Mutex<Weak<M::Made>>,
    flight: Mutex<Flight<M::Made>>,
}

impl<M: Maker> Unit<M> {
    /// Not in memory yet. `again` gives the component's bytes back when the cache has lost what was compiled.
    pub(crate) fn new(
        name: blake3::Hash,
        engine: Profile,
        warm_up: WarmUp,
        again: Option<Arc<dyn Components>>,
        maker: Arc<M>,
        residence: Arc<Residence<M>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            engine,
            warm_up,
            again,
            maker,
            residence,
            here: ArcSwapOption::empty(),
            used: AtomicU64::new(0),
            last: Mutex::default(),
            flight: Mutex::new(Flight::None),
        })
    }

    /// Brings it into memory now; these are its bytes. For the start, on a blocking thread: a failure is not remembered.
    ///
    /// # Errors
    /// When it cannot be compiled, or does not fit.
    pub(crate) fn load(&self, component: &Bytes) -> Result<Arc<M::Made>, LoadError> {
        if let Some(made) = self.here.load_full() {
            return Ok(made);
        }
        let began = Instant::now();
        let mut last = self.last();
        let brought = match self.find(&mut last) {
            Some(found) => Ok(found),
            None => self.make(&mut last, component),
        };
        drop(last);
        self.count(began, &brought);
        brought.map(|(made, _)| made)
    }

    /// What is called. When it is not in memory, waits at most `patience` until it is. Dropping the future ends the wait, and nothing else: the next
    /// call finds it there.
    ///
    /// # Errors
    /// [`CallError::Cold`] when it could not be brought into memory, or not in time.
    pub(crate) async fn get(self: &Arc<Self>, patience: Duration) -> Result<Arc<M::Made>, CallError> {
        if let Some(made) = self.here() {
            return Ok(made);
        }
        let mut flight = self.board()?;
        let landed = timeout(patience, flight.wait_for(Option::is_some)).await;
        match landed {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(cold("nobody brought it", BACK_OFF))),
            Ok(Err(_)) => Err(cold("bringing it into memory was cut off", BACK_OFF)),
            Err(_) => {
                self.residence.counters.expired.fetch_add(1, Ordering::Relaxed);
                Err(cold("it took longer than a call may", Duration::ZERO))
            }
        }
    }

    /// What is called, if it is in memory; it counts as used.
    pub(crate) fn here(&self) -> Option<Arc<M::Made>> {
        let made = self.here.load_full()?;
        self.touch();
        Some(made)
    }

    /// Whether this is in memory.
    pub(crate) fn holds(&self, made: &Arc<M::Made>) -> bool {
        self.here.load().as_ref().is_some_and(|here| Arc::ptr_eq(here, made))
    }

    /// Whether it is in memory.
    pub(crate) fn is_here(&self) -> bool {
        self.here.load().is_some()
    }

    /// When it was last called, by the residence's clock.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Its bytes and whether it may leave; `None` when it is not in memory.
    pub(super) fn weight(&self) -> Option<(u64, bool)> {
        self.here.load().as_ref().map(|made| M::weight(made))
    }

    /// Its name, if it is in memory and the cache has it, as far as is known.
    pub(super) fn in_cache(&self) -> Option<blake3::Hash> {
        self.weight().filter(|(_, kept)| *kept).map(|_| self.name)
    }

    /// Notes that it is in use where the cache has it; says whether it does.
    pub(super) fn note(&self) -> bool {
        let made = self.here.load_full().filter(|made| M::weight(made).1);
        made.is_some_and(|made| self.maker.keeps(self.name, &made))
    }

    /// Leaves, if it may. Calls that hold it go on.
    pub(super) fn leave(&self) -> bool {
        if !self.note() {
            return false;
        }
        let left = self.here.swap(None);
        if let Some(made) = &left {
            self.maker.left(self.engine, made);
        }
        left.is_some()
    }

    fn touch(&self) {
        self.used.store(self.residence.now(), Ordering::Relaxed);
    }

    /// Joins those who wait, or is the first.
    fn board(self: &Arc<Self>) -> Result<Landing<M::Made>, CallError> {
        let mut flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before = match &*flight {
            // One whose sender is gone was cut off.
            Flight::Running(running) if running.has_changed().is_ok() => return Ok(running.clone()),
            Flight::Failed { until, reason, .. } if now < *until => {
                self.residence.counters.backed_off.fetch_add(1, Ordering::Relaxed);
                return Err(cold(reason, *until - now));
            }
            Flight::Failed { times, .. } => *times,
            _ => 0,
        };
        let (landing, waiting) = watch::channel(None);
        *flight = Flight::Running(waiting.clone());
        let unit = Arc::clone(self);
        tokio::spawn(async move {
            let began = Instant::now();
            let brought = unit.bring().await;
            unit.count(began, &brought);
            let (next, outcome) = match brought {
                Ok((made, _)) => (Flight::None, Ok(made)),
                Err(error) => {
                    let times = before.saturating_add(1);
                    let wait = BACK_OFF.saturating_mul(1 << before.min(8)).min(MAX_BACK_OFF);
                    let reason = error.to_string();
                    tracing::error!(target: "residence", reason, again_in = ?wait, "a worker could not be brought into memory");
                    let outcome = Err(cold(&reason, wait));
                    let until = Instant::now() + wait;
                    (Flight::Failed { times, until, reason }, outcome)
                }
            };
            *unit.flight.lock().unwrap_or_else(PoisonError::into_inner) = next;
            // Nobody may wait any more.
            let _ = landing.send(Some(outcome));
        });
        Ok(waiting)
    }

    /// From the cache, else by the compiler; each on a thread that may block, as many at once as is of use.
    async fn bring(self: &Arc<Self>) -> Result<(Arc<M::Made>, Source), LoadError> {
        let panicked = |_| LoadError::Compiler("bringing it into memory panicked".to_owned());
        let reading = self.residence.reads.acquire().await;
        let unit = Arc::clone(self);
        let found = spawn_blocking(move || unit.find(&mut unit.last())).await.map_err(panicked)?;
        drop(reading);
        if let Some(found) = found {
            return Ok(found);
        }
        let _compiling = self.residence.compilations.acquire().await;
        let unit = Arc::clone(self);
        spawn_blocking(move || {
            let lost = |why: String| LoadError::Source(why);
            let again = unit
                .again
                .as_ref()
                .ok_or_else(|| lost("nobody knows its bytes any more".to_owned()))?;
            let component = again.component().map_err(lost)?;
            unit.make(&mut unit.last(), &component)
        })
        .await
        .map_err(panicked)?
    }

    fn last(&self) -> MutexGuard<'_, Weak<M::Made>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, last: &mut Weak<M::Made>) -> Option<(Arc<M::Made>, Source)> {
        if let Some(made) = last.upgrade() {
            return Some((self.settle(last, made), Source::Memory));
        }
        let found = Arc::new(self.maker.find(self.name, self.engine)?);
        Some((self.settle(last, found), Source::Cache))
    }

    fn make(&self, last: &mut Weak<M::Made>, component: &Bytes) -> Result<(Arc<M::Made>, Source), LoadError> {
        // While this one waited for the lock.
        if let Some(made) = last.upgrade() {
            return Ok((self.settle(last, made), Source::Memory));
        }
        let job = Job {
            component: component.clone(),
            engine: self.engine,
            warm_up: self.warm_up.clone(),
        };
        if job.digest() != self.name {
            return Err(LoadError::Source("its bytes are not those that it was loaded from".to_owned()));
        }
        let made = Arc::new(self.maker.make(&job)?);
        Ok((self.settle(last, made), Source::Compiler))
    }

    fn settle(&self, last: &mut Weak<M::Made>, made: Arc<M::Made>) -> Arc<M::Made> {
        *last = Arc::downgrade(&made);
        self.residence.advance(Instant::now());
        self.touch();
        self.here.store(Some(Arc::clone(&made)));
        self.residence.make_room(self);
        made
    }

    fn count(&self, began: Instant, brought: &Result<(Arc<M::Made>, Source), LoadError>) {
        let counters = &self.residence.counters;
        let counter = match brought {
            Ok((_, Source::Memory)) => &counters.from_memory,
            Ok((_, Source::Cache)) => &counters.from_cache,
            Ok((_, Source::Compiler)) => &counters.compiled,
            Err(_) => &counters.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if brought.is_ok() {
            counters.took.observe(began.elapsed());
        }
    }
}

fn cold(reason: &str, again_in: Duration) -> CallError {
    CallError::Cold {
        reason: reason.to_owned(),
        again_in,
    }
}
