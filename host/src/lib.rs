//! The component host: takes verified bytes, runs them in a fresh sandbox for each request.
//!
//! It takes `{component bytes, limits, who}` and knows nothing of where packs come from. The caller says who calls; a guest
//! can name neither a tenant nor a deployment. Every request gets memory that no other has seen, unless its deployment asks for [`reuse`].
//!
//! In reading order: [`engine`] (the engines with their settings and pools, the ticker), [`compile`] (from a component to machine code, by way of [`warm_up`] and
//! [`snapshot`]), [`compiler`] (where that happens; [`wire`] is how it gets there), [`cache`]
//! (what is kept on disk), [`residence`] (what is in memory), [`revision`] (something that can be called), [`breaker`] (whether it may run at all), [`admission`] (who
//! may run now), [`entry`] (by which export a worker answers), [`call`] (one request in one instance), [`body`] (bytes on their way in and out), [`limits`] (memory and CPU), [`limit`] (every limit by its name), [`lane`] (where CPU hogs go on), then what
//! a guest can reach: [`guest`] (its side of a call), [`imports`] (all of it, by name), [`keyvalue`], [`session`] (both by way of [`kept`], bounded by [`quota`]), [`settings`], [`secrets`],
//! [`outgoing`], [`sockets`] (which deny), [`log`], [`greentic`] (the same once more, as the platform spells it). [`error`] says what can go wrong.
// One function that loads machine code is the exception ([`compile`]).
#![deny(unsafe_code)]

mod admission;
mod body;
mod breaker;
mod cache;
mod call;
mod compile;
mod compiler;
mod engine;
mod entry;
mod error;
mod greentic;
mod guest;
mod imports;
mod kept;
mod keyvalue;
mod lane;
mod limit;
mod limits;
mod log;
mod outgoing;
mod own;
mod quota;
mod residence;
mod reuse;
mod revision;
mod secrets;
mod session;
mod settings;
mod shim;
mod snapshot;
mod sockets;
mod warm_up;
mod wire;

pub use admission::pool::TenantUse;
pub use body::{BodyError, RequestBody, ResponseBody};
pub use breaker::BreakerState;
pub use cache::{CacheConfig, CacheCounters, CacheError};
pub use compile::{Compiled, Job};
pub use compiler::{ChildLimits, Compiler, serve_child};
pub use engine::{Host, HostConfig, HostError, PoolUse, Profile};
pub use error::{CallError, LoadError};
pub use imports::{Grant, Import, imports};
pub use limit::{Hits, Limit};
pub use outgoing::{MAX_AT_ONCE, Origin, Outbound, OutboundBody, OutboundError, Outgoing, Sent};
pub use residence::{Activations, Components, Durations, Loaded, ResidenceLimits};
pub use reuse::{End, Reused};
pub use revision::{Counters, Revision, RevisionSpec};
pub use secrets::Secrets;
pub use session::{MAX_SESSION, SESSION_LIFE, Session};
pub use snapshot::Refusal;
pub use warm_up::{WarmUp, WarmUpRequest};
