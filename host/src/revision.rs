//! A loaded revision: what is called, with what it has counted.

use crate::{
    CallError, Outbound, Refusal, RequestBody, ResponseBody, Secrets, WarmUp,
    admission::{Gate, Place},
    call,
    guest::Guest,
    lane::Lane,
    settings,
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tollgate_config::{DeploymentId, RevisionId, Setting, TenantCtx, manifest::Limits};
use tollgate_store::SessionStore;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

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
    pub(crate) pre: ProxyPre<Guest>,
    /// The most that one of its memories has at the beginning, in bytes.
    pub(crate) memory: u64,
    /// Whether instances begin where the warm-up ended, and if not, why.
    pub(crate) snapshot: Result<(), Refusal>,
}

/// What a revision has counted since it was loaded. Read by `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempted instantiations.
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
}

impl Counters {
    pub(crate) fn count(&self, error: &CallError) {
        let counter = match error {
            CallError::Saturated(_) => &self.saturated,
            CallError::Cpu => &self.cpu_exhausted,
            CallError::Wall => &self.wall_exhausted,
            CallError::Trap(_) => &self.traps,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
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
    pub(crate) prepared: Arc<Prepared>,
    snapshot: Result<(), Refusal>,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) counters: Counters,
    pool: Gate,
    own: Gate,
    lane: Lane,
}

/// A place of this revision's concurrency and one of the pool.
#[derive(Debug)]
pub(crate) struct Places {
    _own: Place,
    _pool: Place,
}

impl Revision {
    pub(crate) fn new(
        spec: RevisionSpec,
        prepared: Arc<Prepared>,
        snapshot: Result<(), Refusal>,
        pool: Gate,
        lane: Lane,
        store: Arc<dyn SessionStore>,
    ) -> Arc<Self> {
        let config = settings::resolved(&spec);
        Arc::new(Self {
            own: Gate::new(spec.limits.concurrency, spec.limits.queue),
            tenant: spec.tenant,
            deployment: spec.deployment,
            id: spec.revision,
            state_version: spec.state_version,
            limits: spec.limits,
            config,
            secrets: spec.secrets,
            outbound: spec.outbound,
            prepared,
            snapshot,
            store,
            counters: Counters::default(),
            pool,
            lane,
        })
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

    /// Runs one request in a fresh instance. The URI must be absolute: its scheme and authority are what the worker sees. The conversation that it belongs
    /// to travels as a [`Session`](crate::Session) in its extensions.
    /// Dropping the future, or the answer's body before its end, cancels the call and frees its place.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(self: &Arc<Self>, request: http::Request<RequestBody>) -> Result<http::Response<ResponseBody>, CallError> {
        let answer = match self.admit().await {
            Ok(places) => call::run(self, request, places).await,
            Err(error) => Err(error),
        };
        answer.inspect_err(|error| self.counters.count(error))
    }

    /// Goes on in the slow lane.
    pub(crate) async fn slow<T: Send + 'static>(&self, rest: impl Future<Output = T> + Send + 'static) -> Result<T, CallError> {
        self.counters.slowed.fetch_add(1, Ordering::Relaxed);
        let done = self.lane.run(rest).await;
        done.ok_or_else(|| CallError::Host("a call panicked in the slow lane".to_owned()))
    }

    /// One deadline for both gates.
    async fn admit(&self) -> Result<Places, CallError> {
        let patience = self.limits.queue_wait;
        let began = Instant::now();
        let own = self.own.enter(patience).await?;
        let pool = self.pool.enter(patience.saturating_sub(began.elapsed())).await?;
        Ok(Places { _own: own, _pool: pool })
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant.tenant_id, self.deployment, self.id)
    }
}
