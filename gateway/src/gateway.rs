//! The gateway as a whole: built from an environment, started, drained.

use crate::secrets::SecretErrors;
use std::{net::SocketAddr, time::Duration};
use tollgate_config::{Environment, ManifestErrors, manifest::Protocol};

/// What a manifest says and this build's providers refuse: option errors, with their places. Resolves nothing.
///
/// # Errors
/// Every option that is wrong.
pub fn validate(environment: &Environment) -> Result<(), ManifestErrors> {
    let _ = environment;
    todo!()
}

/// Why a gateway did not start. A revision that does not load is none of these: it fails its deployment alone.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The manifest's options.
    #[error("the manifest is wrong")]
    Manifest(#[source] ManifestErrors),
    /// Missing or blank secrets, all at once.
    #[error("secrets are missing")]
    Secrets(#[source] SecretErrors),
    /// A trust key that cannot be read.
    #[error("a trust key cannot be used")]
    Trust(#[source] tollgate_packs::KeyError),
    /// The session store.
    #[error("the session store does not open")]
    Store(#[source] tollgate_store::StoreError),
    /// The journal.
    #[error("the journal does not open")]
    Journal(#[source] tollgate_store::JournalError),
    /// The component host.
    #[error("the component host does not start")]
    Host(#[source] tollgate_host::HostError),
    /// An address.
    #[error("cannot listen on {address}")]
    Bind {
        /// As the manifest has it.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate or its key.
    #[error("{what}")]
    Certificate {
        /// Which, and what is wrong with it.
        what: String,
    },
}

/// One bound listener, as the ready line shows it.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Where it listens; never port 0.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// What it speaks.
    pub protocols: Vec<Protocol>,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {}

impl Gateway {
    /// Builds everything, waits until every weighted revision is ready or has failed, and serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing listens then.
    pub async fn start(environment: Environment) -> Result<Running, StartError> {
        let _ = environment;
        todo!()
    }
}

/// A gateway that serves. Dropping it stops it hard; [`Running::drain`] lets it finish.
#[derive(Debug)]
pub struct Running {
    /// Public listeners, in the manifest's order.
    pub listeners: Vec<Bound>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Whether everything in flight had ended before the deadline.
    pub clean: bool,
    /// Tasks that were cut off at the deadline.
    pub cut_off: usize,
}

impl Running {
    /// Stops accepting, lets what is in flight end until `deadline`, cuts off the rest, and puts state to disk.
    pub async fn drain(self, deadline: Duration) -> DrainReport {
        let _ = deadline;
        todo!()
    }
}
