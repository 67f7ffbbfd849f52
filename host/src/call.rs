//! One request in one fresh instance, by the export that its worker has: [`incoming`] or [`service`].
//!
//! The guest runs in the request's own task until its head is out. Most have returned by then, and nothing was spawned. One
//! that has not goes on in a task of its own that the answer's body holds: dropping the body ends it. What bounds it in
//! every state: memory and CPU ([`crate::limits`]), wall time (here), its places (given back when its store is gone).

mod incoming;
mod service;
mod shared;

use crate::{
    CallError, RequestBody, ResponseBody, Revision, Session,
    body::{Collected, DropEmpty, Incoming, Spliced, Streaming, Whole},
    entry::Entry,
    guest::Guest,
    limit::Limit,
    limits::CpuBudget,
    outgoing::Exit,
    revision::{Places, Prepared},
};
use http::HeaderMap;
use http_body_util::BodyExt;
pub(crate) use shared::{Failed, Shared};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::WasiBody;

/// Header fields of an answer, or of its trailers: twice what any real one has; hyper's own default for requests.
const MAX_FIELDS: usize = 100;
/// Bytes of header names and values of an answer: what peers and proxies take at most.
const MAX_FIELD_BYTES: usize = 64 << 10;
/// Bytes that one call of a host function may make the host copy: four of the largest body chunks and some.
const HOSTCALL_FUEL: usize = 4 << 20;
/// Handles that one call may hold: a hundred times what a real worker does, and fewer than the host keeps resources for.
const MAX_HANDLES: usize = 4_000;

/// Turns that a guest of 0.3 gets to end when its head is out: an ordinary one takes two, since its bindings yield before they write the body.
const SERVICE_TURNS: u8 = 4;

/// An answer without its body's end, or the guest's error code.
type Head = Result<http::Response<WasiBody>, String>;
type Outcome = Result<(), CallError>;

/// A guest that is running: its future owns the store, so dropping it frees everything.
struct Running {
    guest: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    shared: Arc<Shared>,
    /// When its head must be out, then [`Self::wall`].
    deadline: Instant,
    wall: Instant,
    /// Made only for a guest that did not return at once.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Given back after the store, whatever ends the guest.
    places: Places,
}

impl Running {
    /// Whether it has used more CPU than an ordinary call.
    fn is_hog(&self) -> bool {
        self.shared.cpu(|cpu| cpu.is_hog())
    }

    /// Polls the guest, then its deadline; a guest that fails leaves the reason in `shared` before its store is dropped.
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Outcome> {
        self.shared.cpu(CpuBudget::enter);
        let polled = self.guest.as_mut().poll(cx);
        self.shared.cpu(CpuBudget::leave);
        if polled.is_ready() {
            return polled;
        }
        let deadline = self.deadline;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.as_mut().poll(cx).is_ready() {
            let error = if deadline < self.wall {
                CallError::FirstByte
            } else {
                CallError::Wall
            };
            self.shared.fail(error.clone());
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }
}

impl Running {
    /// Its head is out: what is left is its wall time.
    fn headed(&mut self) {
        if self.deadline < self.wall {
            self.deadline = self.wall;
            self.alarm = None;
        }
    }
}

/// Why a guest's future was left alone.
enum Pause {
    /// It returned, or was ended.
    Ended(Outcome),
    /// Its head is out and it goes on.
    Head,
    /// It has used more CPU than an ordinary call, and goes on in the slow lane.
    Hog,
}

/// A guest on its way to its head.
struct Journey {
    running: Running,
    heads: oneshot::Receiver<Head>,
    early: Option<Head>,
    /// How often more it is polled when its head is out, before its body is taken for one that goes on.
    turns: u8,
}

impl Journey {
    /// Runs until the head is out or the guest has ended; on the fast lane only until it turns out to be a hog.
    async fn advance(&mut self, fast: bool) -> Pause {
        poll_fn(|cx| {
            loop {
                let polled = self.running.poll(cx);
                if self.early.is_none() {
                    self.early = self.heads.try_recv().ok();
                }
                return Poll::Ready(match polled {
                    Poll::Ready(outcome) => Pause::Ended(outcome),
                    Poll::Pending if self.early.is_some() && self.turns > 0 => {
                        self.turns -= 1;
                        continue;
                    }
                    Poll::Pending if self.early.is_some() => Pause::Head,
                    Poll::Pending if fast && self.running.is_hog() => Pause::Hog,
                    Poll::Pending => return Poll::Pending,
                });
            }
        })
        .await
    }
}

/// Runs a request to its answer's head; see [`Revision::call`]. `waits` is where it says that it waits for its caller.
pub(crate) async fn run(
    revision: &Arc<Revision>,
    prepared: Arc<Prepared>,
    request: http::Request<RequestBody>,
    places: Places,
    waits: Option<Arc<AtomicBool>>,
) -> Result<http::Response<ResponseBody>, Failed> {
    let mut journey = start(revision, prepared, request, places, waits)?;
    let mut pause = journey.advance(true).await;
    if let Pause::Hog = pause {
        let rest = revision.slow(async move {
            let pause = journey.advance(false).await;
            (journey, pause)
        });
        (journey, pause) = rest.await?;
    }
    let Journey { mut running, early, .. } = journey;
    let shared = Arc::clone(&running.shared);
    match pause {
        Pause::Ended(Err(error)) => Err(shared.judge(shared.failure().unwrap_or(error))),
        Pause::Ended(Ok(())) => {
            let Running { guest, places, wall, .. } = running;
            drop(guest);
            let (parts, body) = head(&shared, early).map_err(|error| shared.judge(error))?;
            match Whole::collect(body).await {
                Collected::Whole(whole) => Ok(http::Response::from_parts(parts, whole.boxed_unsync())),
                Collected::Spliced(whole, rest) => {
                    shared.caller.lags.store(true, Relaxed);
                    let rest = Streaming::new(DropEmpty(rest), shared, None, Arc::clone(revision));
                    let body = Spliced::new(whole, rest, wall, places);
                    Ok(http::Response::from_parts(parts, body.boxed_unsync()))
                }
                Collected::Failed(error) => {
                    let what = format!("the answer's body is not what its head promised: {error}");
                    Err(shared.judge(shared.failure().unwrap_or(CallError::Trap(what))))
                }
            }
        }
        Pause::Head | Pause::Hog => {
            let (parts, body) = head(&shared, early).map_err(|error| shared.judge(error))?;
            running.headed();
            shared.caller.lags.store(true, Relaxed);
            let judge = Arc::clone(&shared);
            let owned = Arc::clone(revision);
            let task = tokio::spawn(async move {
                if let Err(error) = finish(running, &owned).await {
                    owned.failed_late(&judge.judge(error));
                }
            });
            let body = Streaming::new(DropEmpty(body), shared, Some(task.abort_handle()), Arc::clone(revision));
            Ok(http::Response::from_parts(parts, body.boxed_unsync()))
        }
    }
}

/// Runs a guest whose head is out to its end.
async fn finish(mut running: Running, revision: &Revision) -> Outcome {
    let ended = poll_fn(|cx| match running.poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if running.is_hog() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    if let Some(outcome) = ended.await {
        return outcome;
    }
    let rest = revision.slow(async move { poll_fn(|cx| running.poll(cx)).await });
    rest.await.unwrap_or_else(Err)
}

/// A store with all of its limits, for one call.
fn store(revision: &Arc<Revision>, prepared: &Prepared, shared: &Arc<Shared>, exit: Exit, session: Option<Session>) -> Store<Guest> {
    let mut store = Store::new(prepared.entry.engine(), Guest::new(Arc::clone(revision), exit, session));
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(HOSTCALL_FUEL);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    let watched = Arc::clone(shared);
    store.epoch_deadline_callback(move |_| {
        if watched.cpu(CpuBudget::tick) {
            // Not wasmtime's own yield: that one wakes itself at once and can starve what else runs on the thread.
            return Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())));
        }
        watched.fail(CallError::Cpu);
        Ok(UpdateDeadline::Interrupt)
    });
    store
}

/// Makes an instance, and drops it; see [`Revision::instantiate`].
pub(crate) async fn instantiate(revision: &Arc<Revision>, prepared: &Prepared, places: Places) -> Outcome {
    let _places = places;
    let shared = Shared::new(revision, None);
    let exit = Exit::new(None, &HeaderMap::new(), Instant::now());
    let mut store = store(revision, prepared, &shared, exit, None);
    let instance = prepared.entry.instance().instantiate_async(&mut store).await;
    instance.map(drop).map_err(|error| not_instantiated(revision, &error))
}

/// Builds the store and the guest's future. Nothing of the guest has run yet.
fn start(
    revision: &Arc<Revision>,
    prepared: Arc<Prepared>,
    mut request: http::Request<RequestBody>,
    places: Places,
    waits: Option<Arc<AtomicBool>>,
) -> Result<Journey, CallError> {
    let shared = Shared::new(revision, waits);
    let (now, limits) = (Instant::now(), &revision.limits);
    let (wall, first_byte) = (now + limits.wall, now + limits.first_byte);
    let exit = Exit::new(revision.outbound.clone(), request.headers(), wall);
    let session = request.extensions_mut().remove::<Session>();
    let store = store(revision, &prepared, &shared, exit, session);

    if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
        let scheme = request.uri().scheme_str();
        return Err(CallError::Host(format!(
            "a request must have an absolute URI, not the scheme {scheme:?}"
        )));
    }
    let request = request.map(|inner| Incoming {
        inner: DropEmpty(inner),
        shared: Arc::clone(&shared),
    });
    let turns = match prepared.entry {
        Entry::Incoming(_) => 0,
        Entry::Service(_) => SERVICE_TURNS,
    };
    let (answer, heads) = oneshot::channel();
    let guest = Box::pin({
        let revision = Arc::clone(revision);
        let shared = Arc::clone(&shared);
        async move {
            let mut store = store;
            let outcome = match &prepared.entry {
                Entry::Incoming(pre) => incoming::run(pre, &revision, &mut store, request, answer).await,
                // Much larger, and not to be paid for by the other one.
                Entry::Service(pre) => Box::pin(service::run(pre, &revision, &mut store, request, answer)).await,
            };
            if let Err(error) = &outcome {
                // Before the store goes: the body's end must find it.
                shared.fail(error.clone());
            }
            outcome
        }
    });
    Ok(Journey {
        running: Running {
            guest,
            shared,
            deadline: first_byte.min(wall),
            wall,
            alarm: None,
            places,
        },
        heads,
        early: None,
        turns,
    })
}

/// The answer's head, within its limits.
fn head(shared: &Shared, early: Option<Head>) -> Result<(http::response::Parts, WasiBody), CallError> {
    let answer = early.ok_or(CallError::NoAnswer)?;
    // A worker that could not read its request says many things; the caller is told the reason.
    if let Some(error) = shared.failure() {
        return Err(error);
    }
    let (parts, body) = answer.map_err(CallError::ErrorCode)?.into_parts();
    if let Some(bytes) = over_fields(&parts.headers) {
        return Err(CallError::Headers(format!(
            "{} fields of {bytes} bytes; {MAX_FIELDS} and {MAX_FIELD_BYTES} are the most",
            parts.headers.len()
        )));
    }
    Ok((parts, body))
}

/// The bytes of fields that are more than a head, or its trailers, may have; nothing of those within the limits.
pub(crate) fn over_fields(fields: &HeaderMap) -> Option<usize> {
    let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (fields.len() > MAX_FIELDS || bytes > MAX_FIELD_BYTES).then_some(bytes)
}

/// An instantiation is attempted.
fn begins(revision: &Revision) {
    revision.counters.calls.fetch_add(1, Relaxed);
}

fn trapped(revision: &Revision, error: &wasmtime::Error) -> CallError {
    if let Some(limit) = Limit::of_trap(error) {
        revision.counters.limits.add(limit);
    }
    CallError::Trap(format!("{error:#}"))
}

fn not_instantiated(revision: &Revision, error: &wasmtime::Error) -> CallError {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Saturated("the pool is full");
    }
    trapped(revision, error)
}
