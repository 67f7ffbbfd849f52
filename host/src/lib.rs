//! The component host: takes verified bytes, runs them in a fresh sandbox for each request.
//!
//! Takes `{digest, component bytes, limits}` and knows nothing of where packs come from, nor of tenants' names on the wire: the
//! caller says who calls, the host enforces it.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};
use tollgate_config::{DeploymentId, RevisionId, TenantCtx, manifest::Limits};
use tollgate_store::SessionStore;

/// A body that failed on its way, either way.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than the deployment's `limits.body`.
    #[error("the request body is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// The client went away or broke the protocol.
    #[error("the client's body ended early: {0}")]
    Client(String),
    /// The client sent nothing for too long.
    #[error("the client's body was too slow")]
    Slow,
    /// The worker ended, trapped or ran out of time after the head.
    #[error("the worker ended before its body did: {0}")]
    Worker(CallError),
}

/// A request's body on its way to the worker.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;
/// A worker's body on its way out. Dropping it cancels the call.
pub type ResponseBody = UnsyncBoxBody<Bytes, BodyError>;

/// Sizes of the pool; each has a default with a reason.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Instances at once, over all deployments.
    pub instances: u32,
    /// Largest linear memory that any deployment may ask for, in bytes.
    pub max_memory: u64,
}

/// The host could not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// A component that cannot run here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// As many calls wait as may, or one waited too long, or the pool is full. 503.
    #[error("no free place: {0}")]
    Saturated(&'static str),
    /// Out of CPU time. 504.
    #[error("the worker used up its CPU time")]
    Cpu,
    /// Out of wall time. 504.
    #[error("the worker used up its wall time")]
    Wall,
    /// It trapped; growing memory past its limit is a trap. 502.
    #[error("the worker trapped: {0}")]
    Trap(String),
    /// It returned without an answer. 502.
    #[error("the worker returned without an answer")]
    NoAnswer,
    /// It answered with an error code of `wasi:http`. 502.
    #[error("the worker answered with the error {0}")]
    ErrorCode(String),
    /// More header fields, or more bytes of them, than an answer may have. 502.
    #[error("the worker's answer has too many headers: {0}")]
    Headers(String),
    /// The request's body was over the limit while the worker read it. 413.
    #[error("the request body is over the limit")]
    BodyTooLarge,
    /// The host's own fault. 503.
    #[error("the host failed: {0}")]
    Host(String),
}

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
    /// What a call may use.
    pub limits: Limits,
    /// What `wasi:config/store` answers.
    pub config: BTreeMap<String, String>,
}

/// What a revision has counted since it was loaded. Read by `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempted instantiations.
    pub calls: AtomicU64,
    /// Traps.
    pub traps: AtomicU64,
    /// Calls out of CPU time.
    pub cpu_exhausted: AtomicU64,
    /// Calls out of wall time.
    pub wall_exhausted: AtomicU64,
    /// Calls that found no place.
    pub saturated: AtomicU64,
    /// Bytes of guest logging that were dropped.
    pub log_bytes_dropped: AtomicU64,
}

/// A loaded revision.
pub struct Revision {
    counters: Counters,
}

impl Revision {
    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Runs one request in a fresh instance. The URI must be absolute: its scheme and authority are what the worker sees.
    /// Dropping the future, or the answer's body, cancels the call.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(self: &Arc<Self>, request: http::Request<RequestBody>) -> Result<http::Response<ResponseBody>, CallError> {
        let _ = request;
        todo!()
    }
}

/// The host: one engine and its pool. Cheap to clone.
#[derive(Clone)]
pub struct Host {}

impl Host {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved.
    pub fn new(config: HostConfig, store: Arc<dyn SessionStore>) -> Result<Self, HostError> {
        let _ = (config, store);
        todo!()
    }

    /// Compiles and links. Takes from milliseconds to minutes of CPU: call it from a blocking thread.
    ///
    /// # Errors
    /// When it is no component, needs what this host does not give, or asks for more than the pool has.
    pub fn load(&self, spec: RevisionSpec) -> Result<Arc<Revision>, LoadError> {
        let _ = spec;
        todo!()
    }

    /// Instances in use.
    pub fn instances_in_use(&self) -> u64 {
        todo!()
    }
}
