//! The component host: takes verified bytes, runs them in a fresh sandbox for each request.
//!
//! It takes `{component bytes, limits, who}` and knows nothing of where packs come from. The caller says who calls; a guest
//! can name neither a tenant nor a deployment. There is no instance reuse: every request gets memory that no other has seen.
//!
//! In reading order: [`engine`] (wasmtime's settings, the pool, the ticker), [`revision`] (from bytes to something that can be called), [`admission`] (who
//! may run now), [`call`] (one request in one instance), [`body`] (bytes on their way in and out), [`limits`] (memory and CPU), [`lane`] (where CPU hogs go on), then what
//! a guest can reach: [`guest`] (its side of a call), [`keyvalue`], [`settings`], [`secrets`], [`outgoing`], [`log`]. [`error`] says what can go wrong.
#![forbid(unsafe_code)]

mod admission;
mod body;
mod call;
mod engine;
mod error;
mod guest;
mod keyvalue;
mod lane;
mod limits;
mod log;
mod outgoing;
mod revision;
mod secrets;
mod settings;

pub use body::{BodyError, RequestBody, ResponseBody};
pub use engine::{Host, HostConfig, HostError, PoolUse};
pub use error::{CallError, LoadError};
pub use outgoing::{MAX_AT_ONCE, Origin, Outbound, OutboundBody, OutboundError, Outgoing, Sent};
pub use revision::{Counters, Revision, RevisionSpec};
pub use secrets::Secrets;
