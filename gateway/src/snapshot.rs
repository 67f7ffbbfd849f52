//! What the gateway serves, built whole and then never changed: endpoints, routes, deployments and their revisions.

use crate::{identity::token::Tokens, metrics::EndpointCounters, rate::Limiter, route::Table, timer::Timer, webchat::Desk};
use http::HeaderValue;
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use tollgate_config::{
    DeploymentId, EndpointId, RevisionId, TenantCtx,
    manifest::{Access, Limits, Provider},
    pattern::IpNet,
};
use tollgate_ingress::{Keys, Scheme};

/// One state of the world. Requests keep the one that they began with.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Host and path to where.
    pub(crate) routes: Table,
    /// Who verifies callers' tokens, where the manifest has them.
    pub(crate) tokens: Option<Tokens>,
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
    /// How often its tenant may be called, over all that the tenant has.
    pub(crate) rate: Option<Arc<Limiter>>,
    /// Whether it runs.
    pub(crate) state: State,
}

impl Deployment {
    /// It gets no more traffic: instances that wait for a call end. Calls go on.
    pub(crate) fn retire(&self) {
        if let State::Ready(loaded) = &self.state {
            loaded.revision.retire();
        }
    }
}

/// No request has it any more.
impl Drop for Deployment {
    fn drop(&mut self) {
        self.retire();
    }
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
    /// Whose deliveries, and what runs.
    pub(crate) owners: Owners,
    /// The provider.
    pub(crate) provider: Provider,
    /// The provider with its options.
    pub(crate) scheme: Scheme,
    /// What opens it.
    pub(crate) keys: Keys,
    /// Whether each event is a delivery of its own, with an answer for all of them.
    pub(crate) batches: bool,
    /// How often it may be called.
    pub(crate) rate: Option<Arc<Limiter>>,
    /// Networks that may call it; empty: everyone.
    pub(crate) allow_from: Vec<IpNet>,
    /// `Allow` of a 405.
    pub(crate) allow: HeaderValue,
    /// The smaller of the provider's and the deployment's limit, in bytes; of several deployments the largest counts, for one request may hold
    /// deliveries of each, and every delivery is then held to its own.
    pub(crate) body_limit: u64,
    /// How long the provider retries, and so how long a mark lives.
    pub(crate) horizon: Duration,
    /// What it answers by itself, when it is web chat.
    pub(crate) webchat: Option<Desk>,
    /// Its metrics, looked up once.
    pub(crate) counters: EndpointCounters,
}

/// Whose a delivery is, and what runs.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    /// Whose, with the team.
    pub(crate) tenant: TenantCtx,
    /// What runs.
    pub(crate) deployment: Arc<Deployment>,
}

impl Owner {
    /// A deployment's own tenant.
    pub(crate) fn of(deployment: &Arc<Deployment>) -> Self {
        Self {
            tenant: deployment.tenant.clone(),
            deployment: deployment.clone(),
        }
    }
}

/// Whose deliveries an endpoint takes.
#[derive(Debug)]
pub(crate) struct Owners {
    all: Vec<Owner>,
    /// Which of them an account is; `None`: every account is the only one's.
    by_account: Option<HashMap<String, usize>>,
}

impl Owners {
    /// One, with its accounts where it lists some.
    pub(crate) fn one(owner: Owner, accounts: Option<&[String]>) -> Self {
        Self {
            all: vec![owner],
            by_account: accounts.map(|accounts| accounts.iter().map(|account| (account.clone(), 0)).collect()),
        }
    }

    /// Several, each with its accounts; the first to have one keeps it (the manifest refuses a second).
    pub(crate) fn shared<'a>(owners: impl IntoIterator<Item = (Owner, &'a [String])>) -> Self {
        let (mut all, mut by_account) = (Vec::new(), HashMap::new());
        for (owner, accounts) in owners {
            for account in accounts {
                by_account.entry(account.clone()).or_insert(all.len());
            }
            all.push(owner);
        }
        Self {
            all,
            by_account: Some(by_account),
        }
    }

    /// Whose a delivery of this account is.
    pub(crate) fn of(&self, account: Option<&str>) -> Option<&Owner> {
        match &self.by_account {
            None => self.all.first(),
            Some(known) => self.all.get(*known.get(account?)?),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Owner] {
        &self.all
    }
}

/// HTTP without a provider.
#[derive(Debug)]
pub(crate) struct Route {
    /// Who may call.
    pub(crate) access: Access,
    /// What runs.
    pub(crate) deployment: Arc<Deployment>,
}
