//! One request in one instance, by the export that its worker has: [`incoming`] or [`service`]. The instance is a fresh one, unless its deployment
//! has it [reused](crate::reuse).
//!
//! The guest runs in the request's own task until its head is out. Most have returned by then, and nothing was spawned. One
//! that has not goes on in a task of its own that the answer's body holds: dropping the body ends it. What bounds it in
//! every state: memory and CPU ([`crate::limits`]), wall time (here), its places (given back when its store is gone).

mod contained;
mod incoming;
mod sandbox;
mod service;
mod shared;

use crate::{
    CallError, RequestBody, ResponseBody, Revision, Session,
    body::{Collected, Incoming, Spliced, Streaming, Tie, Whole},
    entry::Entry,
    limit::Limit,
    limits::CpuBudget,
    outgoing::Exit,
    revision::{Places, Prepared},
};
use contained::Contained;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
pub(crate) use sandbox::Sandbox;
pub(crate) use shared::{Failed, Shared};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until, timeout},
};
use wasmtime_wasi_http::WasiBody;

/// Header fields of an answer, or of its trailers: twice what any real one has; hyper's own default for requests.
const MAX_FIELDS: usize = 100;
/// Bytes of header names and values of an answer: what peers and proxies take at most.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Turns that a guest of 0.3 gets to end when its head is out: an ordinary one takes two, since its bindings yield before they write the body.
const SERVICE_TURNS: u8 = 4;
/// How long an instance whose call is done waits until its answer is taken, to be kept; the call has its places until then. A caller that reads takes what
/// is left in the host much sooner; one that does not costs the instance.
const TAKEN: Duration = Duration::from_secs(1);

/// An answer without its body's end, or the guest's error code.
type Head = Result<http::Response<WasiBody>, String>;
type Outcome = Result<(), CallError>;
/// A guest that has returned, with its instance where that may be called again.
type Ended = Result<Option<Sandbox>, CallError>;

/// A guest that is running: its future owns the store, so dropping it frees everything.
struct Running {
    guest: Pin<Box<dyn Future<Output = Ended> + Send>>,
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
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Ended> {
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
    Ended(Ended),
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
    let is_head = request.method() == Method::HEAD;
    let mut journey = start(revision, prepared, request, places, waits)?;
    let mut pause = journey.advance(true).await;
    if let Pause::Hog = pause {
        let rest = revision.slow(async move {
            let pause = journey.advance(false).await;
            // In this order: when nobody waits for it any more the instance goes before its places.
            (pause, journey)
        });
        (pause, journey) = rest.await?;
    }
    let Journey { mut running, early, .. } = journey;
    let shared = Arc::clone(&running.shared);
    match pause {
        Pause::Ended(Err(error)) => Err(shared.judge(shared.failure().unwrap_or(error))),
        Pause::Ended(Ok(sandbox)) => {
            let Running { guest, places, wall, .. } = running;
            drop(guest);
            // After its places, to go before them.
            let sandbox = sandbox;
            let (parts, body) = head(&shared, early).map_err(|error| shared.judge(error))?;
            let collected = Whole::default().collect(body).await;
            match settled(revision, sandbox, &shared, collected).await {
                Collected::Whole(whole) => Ok(http::Response::from_parts(parts, whole.boxed_unsync())),
                Collected::Spliced(whole, rest) => {
                    shared.caller.lags.store(true, Relaxed);
                    let rest = Streaming::new(&parts, is_head, rest, shared, None, Arc::clone(revision));
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
            let (told, taken) = oneshot::channel();
            let task = tokio::spawn(async move {
                match finish(running, &owned).await {
                    Ok(ended) => linger(&owned, &judge, ended, taken).await,
                    Err(error) => owned.failed_late(&judge.judge(error)),
                }
            });
            let tie = Tie::new(task.abort_handle(), told);
            let body = Streaming::new(&parts, is_head, body, shared, Some(tie), Arc::clone(revision));
            Ok(http::Response::from_parts(parts, body.boxed_unsync()))
        }
    }
}

/// Keeps an instance whose answer is whole. Another one is let go, and then what is left of its answer is seen.
async fn settled(revision: &Revision, sandbox: Option<Sandbox>, shared: &Shared, collected: Collected) -> Collected {
    let Some(sandbox) = sandbox else { return collected };
    match collected {
        Collected::Spliced(whole, rest) => {
            drop(sandbox);
            whole.collect(rest).await
        }
        Collected::Whole(whole) => {
            revision.keep(sandbox, shared);
            Collected::Whole(whole)
        }
        failed @ Collected::Failed(_) => failed,
    }
}

/// Keeps an instance when its answer was taken; until then its call counts.
async fn linger(revision: &Revision, shared: &Shared, ended: (Option<Sandbox>, Places), taken: oneshot::Receiver<()>) {
    let (sandbox, _places) = ended;
    let Some(sandbox) = sandbox else { return };
    if timeout(TAKEN, taken).await.is_ok_and(|taken| taken.is_ok()) {
        revision.keep(sandbox, shared);
    }
}

/// Runs a guest whose head is out to its end.
async fn finish(mut running: Running, revision: &Revision) -> Result<(Option<Sandbox>, Places), CallError> {
    let ended = poll_fn(|cx| match running.poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if running.is_hog() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let ended = match ended.await {
        Some(ended) => ended,
        None => {
            let rest = revision.slow(async move {
                let ended = poll_fn(|cx| running.poll(cx)).await;
                // In this order, as above.
                (ended, running)
            });
            let ended;
            (ended, running) = rest.await?;
            ended
        }
    };
    let Running { guest, places, .. } = running;
    drop(guest);
    Ok((ended?, places))
}

/// Makes an instance, and drops it; see [`Revision::instantiate`].
pub(crate) async fn instantiate(revision: &Arc<Revision>, prepared: &Arc<Prepared>, places: Places) -> Outcome {
    let _places = places;
    let shared = Shared::new(revision, None);
    let mut sandbox = Sandbox::new(revision, prepared, &shared, Exit::closed(), None);
    let instance = prepared.entry.instance().instantiate_async(&mut *sandbox.store).await;
    instance.map(drop).map_err(|error| not_instantiated(revision, &error))
}

/// Finds or builds the store, and builds the guest's future. Nothing of this call has run yet.
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
    if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
        let scheme = request.uri().scheme_str();
        return Err(CallError::Host(format!(
            "a request must have an absolute URI, not the scheme {scheme:?}"
        )));
    }
    let request = request.map(|inner| Incoming::new(inner, &shared));
    let mut sandbox = match revision.take(&prepared) {
        Some(mut kept) => {
            kept.renew(&shared, exit, session);
            kept
        }
        None => Sandbox::new(revision, &prepared, &shared, exit, session),
    };
    let turns = match prepared.entry {
        Entry::Incoming(_) => 0,
        Entry::Service(_) => SERVICE_TURNS,
    };
    let (answer, heads) = oneshot::channel();
    let guest = Box::pin({
        let revision = Arc::clone(revision);
        let shared = Arc::clone(&shared);
        async move {
            let outcome = match &prepared.entry {
                Entry::Incoming(pre) => incoming::run(pre, &revision, &mut sandbox.store, request, answer).await,
                // Much larger, and not to be paid for by the other one.
                Entry::Service(pre) => Box::pin(service::run(pre, &revision, &mut sandbox, request, answer)).await,
            };
            if let Err(error) = &outcome {
                // Before the store goes: the body's end must find it.
                shared.fail(error.clone());
            }
            outcome.map(|()| revision.reuses().then_some(sandbox))
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
