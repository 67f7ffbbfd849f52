//! What can go wrong between a component's bytes and its answer, and whose fault it is.

use std::time::Duration;

/// A component that cannot run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not a component, or one with features that are off here.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// The compiler died of it, or did not end.
    #[error("the component was not compiled within its limits: {0}")]
    Compiler(String),
    /// It imports interfaces that this host does not give.
    #[error("the component imports {}, which this host does not give; docs/workers.md lists what it does{advice}", .unknown.join(", "))]
    Imports {
        /// Which.
        unknown: Vec<String>,
        /// What to do, where something can be done.
        advice: &'static str,
    },
    /// It answers by an export that another engine calls.
    #[error(
        "the component exports {export}, which the engine `{engine}` does not call: say `engine: {other}` for it in pack.yaml, and build the pack again"
    )]
    Engine {
        /// The export.
        export: String,
        /// Where it was to run.
        engine: &'static str,
        /// Where it can.
        other: &'static str,
    },
    /// Its deployment wants its instances reused, and its engine reuses none.
    #[error(
        "limits.reuse is for workers of the engine `async`, and the pack says `engine: {engine}`: take `reuse` out of the deployment's limits, or make the worker one of wasi:http 0.3"
    )]
    Reuse {
        /// Where it runs.
        engine: &'static str,
    },
    /// It imports a known interface in another shape, or exports neither `wasi:http/incoming-handler` nor `wasi:http/handler`.
    #[error("the component does not fit the host: {0}")]
    Link(String),
    /// It has to be compiled again, and its bytes are not to be had.
    #[error("the component cannot be read again: {0}")]
    Source(String),
    /// It needs more than one place in the pool has.
    #[error("the component does not fit the pool: {0}")]
    Size(String),
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// As many calls wait as may, or this one waited too long, or the pool is full. Ours: 503, try again.
    #[error("no free place: {0}")]
    Saturated(&'static str),
    /// The worker was not in memory, and did not come there, or not in time. Ours: 503.
    #[error("the worker is not in memory: {reason}")]
    Cold {
        /// Why not.
        reason: String,
        /// When it is tried again.
        again_in: Duration,
    },
    /// The revision has failed so often that it rests; for how long. Ours: 503, try again then.
    #[error("the revision has failed again and again, and rests")]
    Resting(Duration),
    /// Out of CPU time. The worker's: 504.
    #[error("the worker used up its CPU time")]
    Cpu,
    /// Out of wall time. The worker's: 504.
    #[error("the worker used up its wall time")]
    Wall,
    /// No head of an answer in time. The worker's: 504.
    #[error("the worker did not begin its answer in time")]
    FirstByte,
    /// Its answer's body stood still for too long. The worker's: 504, where the head is not out.
    #[error("the worker's answer stood still for too long")]
    Stall,
    /// It trapped; growing memory past its limit is a trap. The worker's: 502.
    #[error("the worker trapped: {0}")]
    Trap(String),
    /// It returned without an answer. The worker's: 502.
    #[error("the worker returned without an answer")]
    NoAnswer,
    /// It answered with an error code of `wasi:http`. The worker's: 502.
    #[error("the worker answered with the error {0}")]
    ErrorCode(String),
    /// More header fields, or more bytes of them, than an answer may have. The worker's: 502.
    #[error("the worker's answer has too many headers: {0}")]
    Headers(String),
    /// The request's body was over its limit while the worker read it. The caller's: 413.
    #[error("the request body is over the limit")]
    BodyTooLarge,
    /// The request's body came too slowly while the worker read it. The caller's: 408.
    #[error("the request body was too slow")]
    BodyTooSlow,
    /// The host's own fault. 503.
    #[error("the host failed: {0}")]
    Host(String),
}

impl CallError {
    /// Whether it is the worker's fault: what a breaker counts.
    pub fn is_workers(&self) -> bool {
        match self {
            Self::Cpu
            | Self::Wall
            | Self::FirstByte
            | Self::Stall
            | Self::Trap(_)
            | Self::NoAnswer
            | Self::ErrorCode(_)
            | Self::Headers(_) => true,
            Self::Saturated(_) | Self::Cold { .. } | Self::Resting(_) | Self::BodyTooLarge | Self::BodyTooSlow | Self::Host(_) => false,
        }
    }
}
