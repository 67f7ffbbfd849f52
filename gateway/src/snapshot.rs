//! What the gateway serves, built whole and then never changed: endpoints, routes, deployments and their revisions.

use crate::{metrics::EndpointCounters, route::Table, timer::Timer, webchat::Desk};
use http::HeaderValue;
use std::{fmt, sync::Arc, time::Duration};
use tollgate_config::{
    DeploymentId, EndpointId, RevisionId, TenantCtx,
    manifest::{Access, Limits, Provider},
};
use tollgate_ingress::{Keys, Scheme};

/// One state of the world. Requests keep the one that they began with.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Host and path to where.
    pub(crate) routes: Table,
    /// All of them, in the manifest's order.
    pub(crate) deployments: Vec<Arc<Deployment>>,
    /// What ticks by itself.
    pub(crate) timers: Vec<Arc<Timer>>,
    /// Whether everything has been loaded, or has failed to.
    pub(crate) complete: bool,
}

impl Snapshot {
    /// Whether every weighted revision is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.complete
            && self
                .deployments
                .iter()
                .all(|deployment| matches!(deployment.state, State::Ready(_)))
    }
}

/// One tenant's use of a pack, as far as a request needs it.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// Its id.
    pub(crate) id: DeploymentId,
    /// Whose.
    pub(crate) tenant: TenantCtx,
    /// As `tollgate-tenant` shows it.
    pub(crate) tenant_header: HeaderValue,
    /// As `tollgate-environment` shows it.
    pub(crate) environment_header: HeaderValue,
    /// What a call may use.
    pub(crate) limits: Limits,
    /// Whether it runs.
    pub(crate) state: State,
}

/// Whether a deployment runs.
#[derive(Debug)]
pub(crate) enum State {
    /// It has a revision that takes all traffic.
    Ready(Loaded),
    /// Its revision does not load; the log has said why.
    Failed {
        /// Which revision, if there is one.
        revision: Option<RevisionId>,
    },
}

/// A revision that runs.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// Its id.
    pub(crate) id: RevisionId,
    /// Its pack's digest, for `/status`.
    pub(crate) digest: String,
    /// As `tollgate-revision` shows it.
    pub(crate) header: HeaderValue,
    /// What runs.
    pub(crate) revision: Arc<tollgate_host::Revision>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.digest)
    }
}

/// One provider instance at one host and path.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its id.
    pub(crate) id: EndpointId,
    /// Whose, with the team.
    pub(crate) tenant: TenantCtx,
    /// The provider.
    pub(crate) provider: Provider,
    /// The provider with its options.
    pub(crate) scheme: Scheme,
    /// What opens it.
    pub(crate) keys: Keys,
    /// Accounts of the tenant with this provider; `None`: every account.
    pub(crate) accounts: Option<Vec<String>>,
    /// `Allow` of a 405.
    pub(crate) allow: HeaderValue,
    /// The smaller of the provider's and the deployment's limit, in bytes.
    pub(crate) body_limit: u64,
    /// How long the provider retries, and so how long a mark lives.
    pub(crate) horizon: Duration,
    /// What runs.
    pub(crate) deployment: Arc<Deployment>,
    /// What it answers by itself, when it is web chat.
    pub(crate) webchat: Option<Desk>,
    /// Its metrics, looked up once.
    pub(crate) counters: EndpointCounters,
}

/// HTTP without a provider.
#[derive(Debug)]
pub(crate) struct Route {
    /// Who may call.
    pub(crate) access: Access,
    /// What runs.
    pub(crate) deployment: Arc<Deployment>,
}
