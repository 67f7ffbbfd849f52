//! A gateway that has started: where it listens, and how it ends.

use crate::gate::Gate;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::timeout;
use tollgate_config::manifest::Protocol;
use tollgate_store::{Journal, SessionStore};

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

/// A gateway that serves. Dropping it stops it hard; [`Running::drain`] lets it finish.
pub struct Running {
    /// Public listeners, in the manifest's order.
    pub listeners: Vec<Bound>,
    /// The admin listener.
    pub admin: SocketAddr,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) journal: Journal,
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
        let tasks = &self.gate.tasks;
        let metrics = &self.gate.metrics;
        tracing::info!(
            requests = metrics.requests.get(),
            connections = metrics.connections.get(),
            ?deadline,
            "draining"
        );
        tasks.stop();
        for deployment in &self.gate.snapshot().deployments {
            deployment.retire();
        }
        let clean = timeout(deadline, tasks.ended()).await.is_ok();
        let cut_off = if clean { 0 } else { tasks.len() };
        tasks.kill();
        // Whoever starts on the same folder and ports next must find them free.
        if timeout(LET_GO, tasks.gone()).await.is_err() {
            tracing::warn!("tasks are left that do not let go");
        }
        self.persist().await;
        DrainReport { clean, cut_off }
    }

    /// Waits until what the journal and the store were given is on the disk.
    async fn persist(&self) {
        // An empty write joins the commit that all earlier ones are in.
        match timeout(PERSIST, self.journal.mark_done(Vec::new(), SystemTime::now()).synced()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the journal's last marks are not on the disk"),
            Err(_) => tracing::error!("the journal's last marks are not on the disk: it took too long"),
        }
        match timeout(PERSIST, self.store.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the last sessions are not on the disk"),
            Err(_) => tracing::error!("the last sessions are not on the disk: it took too long"),
        }
    }
}

/// A task that was cut off is dropped at its next await; longer than any step between two.
const LET_GO: Duration = Duration::from_secs(1);

/// How long the disk may take at the end.
const PERSIST: Duration = Duration::from_secs(5);

impl Drop for Running {
    fn drop(&mut self) {
        self.gate.tasks.kill();
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("listeners", &self.listeners)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}
