//! A loaded revision: what is called, with what it has counted.

use crate::{
    CallError, Outbound, Profile, Refusal, RequestBody, ResponseBody, Secrets, WarmUp,
    admission::{
        Gate, Place,
        pool::{self, Pool, Share},
    },
    breaker::{Breaker, BreakerState, Pass},
    call::{self, Failed, Sandbox, Shared},
    engine::Inner,
    entry::Entry,
    kept::Shelf,
    lane::Lane,
    limit::{Hits, Limit},
    quota::Rate,
    residence::Unit,
    reuse::{End, Keeper, Kept, Reuse, Reused},
    settings,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::Semaphore;
use tollgate_config::{DeploymentId, RevisionId, Setting, TenantCtx, manifest::Limits};
use tollgate_store::Usage;

/// What a revision is made of.
pub struct RevisionSpec {
    /// Whose; set by the gateway, never by a guest.
    pub tenant: TenantCtx,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The revision.
    pub revision: RevisionId,
    /// Scope of its stored state: the revision's id unless revisions share one on purpose.
    pub state_version: String,
    /// A component, verified by the caller.
    pub component: Bytes,
    /// The engine that runs it.
    pub engine: Profile,
    /// What it is asked before it is snapshot.
    pub warm_up: WarmUp,
    /// What a call may use.
    pub limits: Limits,
    /// What `wasi:config/store` answers.
    pub config: BTreeMap<String, Setting>,
    /// What `tollgate:host/secrets` answers.
    pub secrets: Arc<Secrets>,
    /// Sends what its workers may send; `None`: nothing.
    pub outbound: Option<Arc<dyn Outbound>>,
}

/// A component, compiled and linked. Revisions that were made from the same bytes share it.
pub(crate) struct Prepared {
    pub(crate) entry: Entry,
    /// The most that one of its memories has at the beginning, in bytes.
    pub(crate) memory: u64,
    /// Whether instances begin where the warm-up ended, and if not, why.
    pub(crate) snapshot: Result<(), Refusal>,
    /// Its bytes, as large as it is in the cache.
    pub(crate) bytes: u64,
    /// Whether the cache has it, as far as is known: another gateway may empty it too.
    pub(crate) kept: AtomicBool,
}

/// What a revision has counted since it was loaded. Read by `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that came to an instance: attempted instantiations, and calls of a kept one.
    pub calls: AtomicU64,
    /// Traps, growing memory past its limit among them.
    pub traps: AtomicU64,
    /// Calls out of CPU time.
    pub cpu_exhausted: AtomicU64,
    /// Calls out of wall time.
    pub wall_exhausted: AtomicU64,
    /// Calls that used a whole tick of CPU and went on in the slow lane.
    pub slowed: AtomicU64,
    /// Calls that found no place.
    pub saturated: AtomicU64,
    /// Bytes of guest logging that were dropped.
    pub log_bytes_dropped: AtomicU64,
    /// Limits that calls have hit, one by one.
    pub limits: Hits,
}

impl Counters {
    pub(crate) fn count(&self, error: &CallError) {
        let counter = match error {
            CallError::Saturated(_) => &self.saturated,
            CallError::Cpu => &self.cpu_exhausted,
            CallError::Wall => &self.wall_exhausted,
            CallError::Trap(_) => &self.traps,
            _ => {
                self.hit(error);
                return;
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.hit(error);
    }

    /// The limit that an error stands for. That of a trap was counted where it was one.
    fn hit(&self, error: &CallError) {
        self.limits.add(match error {
            CallError::Saturated(_) => Limit::Instances,
            CallError::Cpu => Limit::Cpu,
            CallError::Wall => Limit::Wall,
            CallError::FirstByte => Limit::FirstByte,
            CallError::Stall => Limit::Stall,
            CallError::Resting(_) => Limit::Breaker,
            CallError::Headers(_) => Limit::Fields,
            CallError::BodyTooLarge => Limit::Body,
            CallError::BodyTooSlow => Limit::BodyStall,
            CallError::Cold { .. } | CallError::Trap(_) | CallError::NoAnswer | CallError::ErrorCode(_) | CallError::Host(_) => return,
        });
    }
}

/// A loaded revision.
pub struct Revision {
    pub(crate) tenant: TenantCtx,
    pub(crate) deployment: DeploymentId,
    pub(crate) id: RevisionId,
    pub(crate) state_version: String,
    pub(crate) limits: Limits,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) outbound: Option<Arc<dyn Outbound>>,
    unit: Arc<Unit<Inner>>,
    /// Who may wait until it is in memory: as many as may run or wait for a place.
    cold: Semaphore,
    snapshot: Result<(), Refusal>,
    pub(crate) shelf: Arc<Shelf>,
    /// How often all calls of the deployment may ask the store.
    pub(crate) rate: Arc<Rate>,
    pub(crate) counters: Counters,
    /// Its tenant's part of the pool.
    pool: Arc<Share>,
    own: Gate,
    breaker: Option<Breaker>,
    lane: Lane,
    reuse: Option<Reuse>,
}

/// Where the instances of a revision have their places.
pub(crate) struct Rooms<'a> {
    /// While they are called.
    pub(crate) calls: &'a Pool,
    /// Between two calls.
    pub(crate) kept: &'a Arc<Keeper>,
}

/// A place of this revision's concurrency and one of the pool.
#[derive(Debug)]
pub(crate) struct Places {
    _own: Place,
    _pool: pool::Place,
}

impl Revision {
    pub(crate) fn new(
        spec: RevisionSpec,
        unit: Arc<Unit<Inner>>,
        snapshot: Result<(), Refusal>,
        rooms: Rooms<'_>,
        lane: Lane,
        shelf: Arc<Shelf>,
        rate: Arc<Rate>,
    ) -> Arc<Self> {
        let config = settings::resolved(&spec);
        let reuse = spec
            .limits
            .reuse
            .and_then(|limits| Reuse::new(limits, rooms.kept, &spec.tenant.tenant_id));
        let revision = Arc::new(Self {
            pool: rooms.calls.share(&spec.tenant.tenant_id),
            breaker: spec.limits.breaker.map(Breaker::new),
            own: Gate::new(spec.limits.concurrency, spec.limits.queue),
            tenant: spec.tenant,
            deployment: spec.deployment,
            id: spec.revision,
            state_version: spec.state_version,
            limits: spec.limits,
            config,
            secrets: spec.secrets,
            outbound: spec.outbound,
            unit,
            cold: Semaphore::new(
                spec.limits
                    .concurrency
                    .saturating_add(spec.limits.queue)
                    .min(Semaphore::MAX_PERMITS),
            ),
            snapshot,
            shelf,
            rate,
            counters: Counters::default(),
            lane,
            reuse,
        });
        if revision.reuses() {
            rooms.kept.enlist(&revision);
        }
        revision
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether its instances begin where its warm-up ended, and if not, why.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn snapshot(&self) -> Result<(), &Refusal> {
        self.snapshot.as_ref().copied()
    }

    /// What one of its calls may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What its deployment keeps in the store, over all its revisions; nothing before it is counted, with the first write after a start.
    pub fn usage(&self) -> Option<Usage> {
        self.shelf.store.usage(&self.tenant, &self.deployment)
    }

    /// Runs one request in an instance: a fresh one, unless `limits.reuse` lets it be one that this revision has kept. The URI must be absolute: its scheme and authority are what the worker sees. The conversation that it belongs
    /// to travels as a [`Session`](crate::Session) in its extensions.
    /// Dropping the future, or the answer's body before its end, cancels the call and frees its place.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(self: &Arc<Self>, request: http::Request<RequestBody>) -> Result<http::Response<ResponseBody>, CallError> {
        let pass = self.breaker.as_ref().map(|breaker| breaker.enter(Instant::now())).transpose();
        let pass = pass.map_err(|rest| self.counted(CallError::Resting(rest)))?;
        let waits = pass.as_ref().and_then(Pass::waits);
        let answer = async {
            // Before it takes a place: a worker that has to be compiled must not hold places that others need.
            let prepared = self.prepared().await?;
            let places = self.admit().await?;
            call::run(self, prepared, request, places, waits).await
        };
        let answer: Result<_, Failed> = answer.await;
        if let Some(pass) = pass {
            // What is not the worker's fault says nothing about it.
            match &answer {
                Ok(_) => pass.end(false, Instant::now()),
                Err(failed) if failed.is_workers => pass.end(true, Instant::now()),
                Err(_) => {}
            }
        }
        answer.map_err(|failed| self.counted(failed.error))
    }

    fn counted(&self, error: CallError) -> CallError {
        self.counters.count(&error);
        error
    }

    /// Counts a failure of a call whose head is out.
    pub(crate) fn failed_late(&self, Failed { error, is_workers }: &Failed) {
        self.counters.count(error);
        if let Some(breaker) = self.breaker.as_ref().filter(|_| *is_workers) {
            breaker.failed(Instant::now());
        }
        tracing::warn!(target: "worker", revision = ?self, %error, "a worker failed after its head");
    }

    /// What its breaker does with callers now, and how often it has opened; nothing where it has none.
    pub fn breaker(&self) -> Option<(BreakerState, u64)> {
        let breaker = self.breaker.as_ref()?;
        Some((breaker.state_at(Instant::now()), breaker.openings()))
    }

    /// Makes an instance and drops it, without calling it: what a call pays before anything of it runs. For benches.
    ///
    /// # Errors
    /// See [`CallError`].
    #[doc(hidden)]
    pub async fn instantiate(self: &Arc<Self>) -> Result<(), CallError> {
        let prepared = self.prepared().await?;
        call::instantiate(self, &prepared, self.admit().await?).await
    }

    /// Goes on in the slow lane.
    pub(crate) async fn slow<T: Send + 'static>(&self, rest: impl Future<Output = T> + Send + 'static) -> Result<T, CallError> {
        self.counters.slowed.fetch_add(1, Ordering::Relaxed);
        let done = self.lane.run(rest).await;
        done.ok_or_else(|| CallError::Host("a call panicked in the slow lane".to_owned()))
    }

    /// Whether its worker is in memory. If not, the next call brings it there.
    pub fn is_loaded(&self) -> bool {
        self.unit.is_here()
    }

    /// What is called, brought into memory if need be; waits for that as long as a call may take.
    async fn prepared(&self) -> Result<Arc<Prepared>, CallError> {
        if let Some(prepared) = self.unit.here() {
            return Ok(prepared);
        }
        let waiting = self.cold.try_acquire();
        let _waiting = waiting.map_err(|_| CallError::Saturated("too many wait for the worker to be in memory"))?;
        self.unit.get(self.limits.wall).await
    }

    /// One deadline for both gates; a clock is read only where one of them has to wait.
    async fn admit(&self) -> Result<Places, CallError> {
        let mut patience = self.limits.queue_wait;
        let own = match self.own.take() {
            Some(own) => own,
            None => {
                let began = Instant::now();
                let own = self.own.enter(patience).await?;
                patience = patience.saturating_sub(began.elapsed());
                own
            }
        };
        let pool = self.pool.enter(patience).await?;
        Ok(Places { _own: own, _pool: pool })
    }
}

impl Revision {
    /// Whether an instance may be called more than once.
    pub(crate) fn reuses(&self) -> bool {
        self.reuse.is_some()
    }

    /// A kept instance, if there is one that was made of this.
    pub(crate) fn take(&self, prepared: &Arc<Prepared>) -> Option<Sandbox> {
        self.reuse.as_ref()?.take(prepared, tokio::time::Instant::now())
    }

    /// Keeps an instance for the next call, if its last one ended well.
    pub(crate) fn keep(&self, mut sandbox: Sandbox, shared: &Shared) {
        let Some(reuse) = &self.reuse else { return };
        if shared.ended_well() && sandbox.is_modest() {
            reuse.keep(sandbox, |prepared| self.unit.holds(prepared), tokio::time::Instant::now());
        }
    }

    /// Whether it keeps any instance.
    pub(crate) fn keeps(&self) -> bool {
        self.reuse.as_ref().is_some_and(Reuse::keeps)
    }

    /// Lets go of kept instances for which this holds.
    pub(crate) fn let_go(&self, why: End, holds: impl Fn(&Kept) -> bool) {
        if let Some(reuse) = &self.reuse {
            reuse.let_go(why, holds);
        }
    }

    pub(crate) fn instance_ended(&self, why: End) {
        if let Some(reuse) = &self.reuse {
            reuse.ended(why);
        }
    }

    /// Lets go of all kept instances, and keeps none from now on. For a revision that gets no more traffic: its calls go on. Without it, what is
    /// kept lives until it was idle for too long, and the revision with it.
    pub fn retire(&self) {
        if let Some(reuse) = &self.reuse {
            reuse.retire();
        }
    }

    /// What became of its instances, where they may be called more than once.
    pub fn reused(&self) -> Option<Reused> {
        self.reuse.as_ref().map(Reuse::reused)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant.tenant_id, self.deployment, self.id)
    }
}
