//! The words of Tollgate: the environment manifest (`tollgate.yaml`), tenants, ids, units and references.
//!
//! This crate parses and validates. It resolves nothing: a secret stays a reference, a pack stays an address, a key stays a
//! path. It reads the one file that it is given and never asks for the time.
//!
//! In reading order: [`id`] (who is who), [`mod@unit`] (sizes, durations, basis points), [`mod@reference`] (where a secret lies),
//! [`pattern`] (hosts, path prefixes, networks), [`schedule`] (when a timer ticks), [`setting`] (what a worker reads as its configuration), [`manifest`] (what an operator declares), [`place`] and [`error`] (what is wrong, and where).
#![forbid(unsafe_code)]

pub mod error;
pub mod id;
pub mod manifest;
pub mod pattern;
pub mod place;
pub mod reference;
mod report;
pub mod schedule;
pub mod setting;
mod tree;
pub mod unit;

pub use error::{ManifestError, ManifestErrors};
pub use id::{DeploymentId, EndpointId, EnvId, RevisionId, SecretName, TeamId, TenantCtx, TenantId};
pub use manifest::Environment;
pub use place::Place;
pub use reference::SecretRef;
pub use schedule::Schedule;
pub use setting::Setting;
pub use unit::{BasisPoints, ByteSize};
