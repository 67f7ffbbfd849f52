//! The gateway as a whole: built from an environment, started, drained.

mod activate;
pub(crate) mod load;
mod running;

pub use running::{Bound, DrainReport, Running};

use crate::{
    admin::Admin,
    admit::dedupe::{Bounds, Dedupe, MAX_DONE},
    egress::{Client, Own},
    gate::Gate,
    identity::{
        self, Identity, TenantError,
        token::{KeyFileError, Tokens},
    },
    keys::{Keyring, KeyringError, Location},
    listen::{
        Terms,
        tcp::{self, Caps, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS},
        tls,
    },
    metrics::Metrics,
    roots::Roots,
    secrets::{self, SecretErrors},
    tasks::Tasks,
    timer,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tollgate_config::{
    Environment, ManifestError, ManifestErrors,
    manifest::{self, JwtKeys, Listener, Store},
    pattern::OutboundScheme,
};
use tollgate_host::{CacheConfig, Compiler, Host, HostConfig, ResidenceLimits};
use tollgate_ingress::{Scheme, provider::facts};
use tollgate_packs::TrustedKey;
use tollgate_store::{Journal, MemoryStore, SessionStore, SledStore};

/// What a manifest says and this build's providers refuse: option errors, with their places. Resolves nothing.
///
/// # Errors
/// Every option that is wrong.
pub fn validate(environment: &Environment) -> Result<(), ManifestErrors> {
    let idle = environment.endpoints.iter().enumerate().filter(|(_, endpoint)| {
        // A token that nothing asks for would be a check that never happens.
        endpoint.verify.is_some() && facts(endpoint.provider).verify.is_none()
    });
    let idle = idle.map(|(index, endpoint)| ManifestError {
        place: endpoint.place.clone(),
        path: format!("endpoints[{index}].secrets.verify"),
        message: format!("`{}` has no handshake token", endpoint.provider.as_str()),
        help: Some("leave it out".to_owned()),
    });
    let wrong: Vec<_> = environment
        .endpoints
        .iter()
        .enumerate()
        .filter_map(|(index, endpoint)| Some((index, endpoint, Scheme::new(endpoint.provider, &endpoint.options).err()?)))
        .flat_map(|(index, endpoint, errors)| {
            errors.into_iter().map(move |error| ManifestError {
                place: endpoint
                    .options
                    .get(&error.key)
                    .map_or(&endpoint.place, |option| &option.place)
                    .clone(),
                path: format!("endpoints[{index}].options.{}", error.key),
                message: error.message,
                help: None,
            })
        })
        .chain(idle)
        .chain(unreachable_keys(environment))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(ManifestErrors(wrong)) }
}

/// Where keys are published that this environment needs: which endpoint says so by its place among the others, or none for callers' tokens.
fn key_urls(environment: &Environment) -> Vec<(Option<usize>, String)> {
    let endpoints = environment.endpoints.iter().enumerate().filter_map(|(index, endpoint)| {
        let scheme = Scheme::new(endpoint.provider, &endpoint.options).ok()?;
        Some((Some(index), scheme.jwks_url()?.to_owned()))
    });
    let callers = environment.identity.jwt.as_ref().and_then(|jwt| match &jwt.keys {
        JwtKeys::Url(url) => Some((None, url.clone())),
        JwtKeys::Files(_) => None,
    });
    endpoints.chain(callers).collect()
}

/// URLs that keys do not come from.
fn unreachable_keys(environment: &Environment) -> impl Iterator<Item = ManifestError> {
    key_urls(environment).into_iter().filter_map(|(index, url)| {
        let error = Location::parse(&url).err()?;
        let (place, path) = match index.and_then(|index| Some((index, environment.endpoints.get(index)?))) {
            Some((index, endpoint)) => {
                let option = endpoint.options.get("jwks_url").map(|option| &option.place);
                (option.unwrap_or(&endpoint.place), format!("endpoints[{index}].options.jwks_url"))
            }
            None => (&environment.identity.jwt.as_ref()?.place, "identity.jwt.jwks".to_owned()),
        };
        Some(ManifestError {
            place: place.clone(),
            path,
            message: error.to_string(),
            help: None,
        })
    })
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
    /// Where others' public keys come from.
    #[error("the issuers' keys cannot be set up")]
    Keys(#[source] KeyringError),
    /// A public key of the issuer of callers' tokens.
    #[error("the issuer's public key cannot be used")]
    Tokens(#[source] KeyFileError),
    /// The tenant that the gateway's own environment must name.
    #[error("the tenant is not known")]
    Tenant(#[source] TenantError),
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
    /// Two metrics clash, which a test rules out.
    #[error("the metrics cannot be made")]
    Metrics(#[source] prometheus::Error),
    /// A panic while loading.
    #[error("loading failed: {0}")]
    Load(String),
    /// A certificate or its key.
    #[error("{what}")]
    Certificate {
        /// Which, and what is wrong with it.
        what: String,
    },
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Builds everything, waits until every weighted revision is ready or has failed, and serves. Needs a tokio runtime. Workers are compiled
    /// where `compiler` says.
    ///
    /// # Errors
    /// See [`StartError`]; nothing listens then.
    pub async fn start(environment: Environment, compiler: Compiler) -> Result<Running, StartError> {
        validate(&environment).map_err(StartError::Manifest)?;
        let mut secrets = secrets::resolve(&environment).map_err(StartError::Secrets)?;
        let tenant = identity::fixed(&environment).map_err(StartError::Tenant)?;
        let tokens = environment
            .identity
            .jwt
            .as_ref()
            .map(Tokens::new)
            .transpose()
            .map_err(StartError::Tokens)?;
        let keys = environment
            .trust
            .keys
            .iter()
            .map(|path| TrustedKey::read(path))
            .collect::<Result<Arc<[_]>, _>>()
            .map_err(StartError::Trust)?;
        raise_descriptors();

        // Addresses first: a second gateway on the same ports must not touch the first one's state.
        let listeners = environment.listeners.iter().map(listener).collect::<Result<Vec<_>, _>>()?;
        let admin = bind(environment.admin.address)?;
        let admin_address = admin.local_addr().map_err(|source| StartError::Bind {
            address: environment.admin.address,
            source,
        })?;

        let (store, journal) = (open_store(&environment).await?, open_journal(&environment).await?);
        let host = HostConfig {
            compiler,
            residence: environment
                .cache
                .as_ref()
                .map_or_else(ResidenceLimits::default, |cache| ResidenceLimits {
                    bytes: cache.loaded.get(),
                    idle: cache.idle,
                }),
            cache: environment.cache.as_ref().map(|cache| CacheConfig::new(cache.path.clone())),
            ..HostConfig::default()
        };
        let host = Host::new(host, store.clone()).map_err(StartError::Host)?;
        let metrics = Metrics::new().map_err(StartError::Metrics)?;
        let dedupe = Dedupe::new(journal.clone(), Bounds::of_tenants(environment.tenants.len()));
        let tasks = Tasks::new();
        let roots = Roots::default();
        let urls = key_urls(&environment).into_iter().map(|(_, url)| url);
        let issuers = Arc::new(Keyring::new(urls, roots.clone(), tasks.clone(), metrics.keys()).map_err(StartError::Keys)?);
        let gate = Arc::new(Gate::new(metrics, dedupe, issuers.clone(), tasks, host.clone()));
        // Before components compile: the first request should find the keys there.
        gate.tasks.serve_aside("keys", issuers.tend());
        let running = Running {
            listeners: listeners.iter().map(|(_, bound, _)| bound.clone()).collect(),
            admin: admin_address,
            gate: gate.clone(),
            store: store.clone(),
            journal: journal.clone(),
        };

        // Probes are answered while components compile.
        let token = secrets.admin.take();
        gate.tasks
            .serve_aside("admin", Admin::new(gate.clone(), environment.id.clone(), token).serve(admin));
        let loading = gate.clone();
        let identity = (Identity::new(&environment, tenant), tokens);
        let own = running.listeners.iter().map(|bound| bound.address).chain([admin_address]);
        let own = Own::new(own.collect());
        let loaded = tokio::task::spawn_blocking(move || {
            let mut rules = environment.deployments.iter().flat_map(|deployment| &deployment.allow_outbound);
            let tls = rules.any(|rule| rule.scheme() == OutboundScheme::Https);
            let client = Client::new(own, loading.tasks.clone(), &loading.metrics, tls.then_some(&roots));
            load::snapshot(&environment, secrets, identity, keys, &host, &loading, &client)
        });
        let snapshot = loaded
            .await
            .map_err(|error| StartError::Load(error.to_string()))?
            .map_err(StartError::Metrics)?;
        gate.swap(snapshot);

        let caps = Caps::new(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS);
        for (socket, _, terms) in listeners {
            gate.tasks
                .spawn("listener", tcp::accept(socket, Arc::new(terms), gate.clone(), caps.clone()));
        }
        for timer in &gate.snapshot().timers {
            gate.tasks.spawn("timer", timer::run(gate.clone(), timer.clone(), SystemTime::now));
        }
        gate.tasks.serve_aside("sweep", sweep(store, journal));
        gate.tasks.serve_aside("residence", activate::rest(gate.host.clone()));
        Ok(running)
    }
}

fn listener(plan: &Listener) -> Result<(TcpListener, Bound, Terms), StartError> {
    let tls = plan
        .tls
        .as_ref()
        .map(|tls| tls::config(tls, &plan.protocols, plan.strict_sni))
        .transpose()?;
    let socket = bind(plan.address)?;
    let address = socket.local_addr().map_err(|source| StartError::Bind {
        address: plan.address,
        source,
    })?;
    let bound = Bound {
        address,
        tls: tls.is_some(),
        protocols: plan.protocols.clone(),
    };
    Ok((
        socket,
        bound,
        Terms {
            tls,
            protocols: plan.protocols.clone(),
            trusted_proxies: plan.trusted_proxies.clone(),
            proxied: plan.proxy_protocol,
        },
    ))
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    tcp::bind(address).map_err(|source| StartError::Bind { address, source })
}

async fn open_store(environment: &Environment) -> Result<Arc<dyn SessionStore>, StartError> {
    match environment.store.clone() {
        Store::Memory => Ok(Arc::new(MemoryStore::default())),
        Store::Sled(folder) => Ok(Arc::new(
            blocking(move || SledStore::open(&folder)).await?.map_err(StartError::Store)?,
        )),
    }
}

async fn open_journal(environment: &Environment) -> Result<Journal, StartError> {
    match environment.journal.clone() {
        manifest::Journal::Memory => Journal::in_memory(MAX_DONE).map_err(StartError::Journal),
        manifest::Journal::Folder(folder) => blocking(move || Journal::open(&folder, MAX_DONE))
            .await?
            .map_err(StartError::Journal),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StartError::Load(error.to_string()))
}

/// Every connection is a descriptor, and many systems begin with 1,024 of them. What cannot be raised shows in the accept loop's log.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Between two sweeps of what has expired.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Entries that one step of a sweep removes, so that it never holds the store for long.
const SWEEP_BUDGET: usize = 1000;

async fn sweep(store: Arc<dyn SessionStore>, journal: Journal) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            let now = SystemTime::now();
            let (marks, sessions) = (journal.sweep(now, SWEEP_BUDGET).await, store.sweep(now, SWEEP_BUDGET).await);
            if let Err(error) = &marks {
                tracing::warn!(%error, "expired marks cannot be removed");
            }
            if let Err(error) = &sessions {
                tracing::warn!(%error, "expired sessions cannot be removed");
            }
            if marks.unwrap_or_default() < SWEEP_BUDGET && !sessions.is_ok_and(|swept| swept.more) {
                break;
            }
        }
    }
}
