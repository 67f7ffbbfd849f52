//! The environment manifest as domain types: what an operator declares, checked and with every default filled in.
//!
//! `Environment::read` and `Environment::parse` are the only ways to make one; nothing downstream sees a raw string where a type says more.

mod context;
mod deployment;
mod endpoint;
mod identity;
pub mod keys;
mod limits;
mod links;
mod listener;
mod provider;
mod rate;
mod read;
mod reuse;
mod storage;
mod tenant;
mod timer;
mod value;

pub use identity::{Identity, IdentityBy, Jwt, JwtAlgorithm, JwtKeys, TENANT_CLAIM, TENANT_VARIABLE};
pub use limits::{BreakerLimits, Limits, StoreLimits};
pub use listener::ADMIN_ADDRESS;
pub use provider::Provider;
pub use rate::Rate;
pub use read::{MAX_FILE_LEN, SCHEMA};
pub use reuse::ReuseLimits;
pub use storage::{CACHE_IDLE, CACHE_LOADED, CACHE_NAME, JOURNAL_NAME, STORE_PATH};
pub use timer::GRACE;

use crate::{
    BasisPoints, ByteSize, DeploymentId, EndpointId, EnvId, Place, RevisionId, Schedule, SecretRef, Setting, TeamId, TenantId,
    id::SecretName,
    pattern::{HostPattern, IpNet, OutboundRule, PathPrefix},
};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

/// Everything that one gateway serves.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `environment`.
    pub id: EnvId,
    /// The manifest's folder, absolute; relative paths in the manifest have been joined to it.
    pub root: PathBuf,
    /// `listeners`, at least one.
    pub listeners: Vec<Listener>,
    /// `admin`; a free loopback port when the manifest has none.
    pub admin: Admin,
    /// `store`.
    pub store: Store,
    /// `journal`.
    pub journal: Journal,
    /// `cache`; `None`: nothing is kept on disk, and everything stays in memory.
    pub cache: Option<Cache>,
    /// `trust`.
    pub trust: Trust,
    /// `identity`.
    pub identity: Identity,
    /// `tenants`, by id.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// `endpoints` of providers, in the manifest's order.
    pub endpoints: Vec<Endpoint>,
    /// `endpoints` with `provider: timer`, in the manifest's order.
    pub timers: Vec<Timer>,
    /// `deployments`, in the manifest's order.
    pub deployments: Vec<Deployment>,
}

/// `cache`: compiled workers on disk, and how many of them are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The folder.
    pub path: PathBuf,
    /// Most bytes of compiled workers in memory.
    pub loaded: ByteSize,
    /// How long one stays there without a call.
    pub idle: Duration,
}

/// One public address.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Address; port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS, or plaintext when absent.
    pub tls: Option<Tls>,
    /// What is spoken; both when the manifest does not say.
    pub protocols: Vec<Protocol>,
    /// Peers that may set `Forwarded`, `X-Forwarded-*`; from all others these are removed.
    pub trusted_proxies: Vec<IpNet>,
    /// Every connection begins with a PROXY header, and comes from one of `trusted_proxies`.
    pub proxy_protocol: bool,
    /// Refuse a TLS client that names no host or an unknown one.
    pub strict_sni: bool,
    /// Where the listener stands in the manifest.
    pub place: Place,
}

/// Where a listener's certificates come from.
#[derive(Debug, Clone)]
pub enum Tls {
    /// A certificate made at start for these names; only in environment `local`.
    SelfSigned(Vec<String>),
    /// Certificate chains and keys, PEM. The first one answers unknown or absent SNI.
    Certificates(Vec<Certificate>),
}

/// One certificate chain and its key, as files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM private key (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

impl Protocol {
    /// As the manifest and the ready line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
        }
    }
}

/// The operator's own listener.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Address.
    pub address: SocketAddr,
    /// Bearer token; without one the listener must be on a loopback address.
    pub token: Option<SecretRef>,
}

/// Where sessions live.
#[derive(Debug, Clone)]
pub enum Store {
    /// In memory: gone with the process.
    Memory,
    /// In an embedded sled database in this folder.
    Sled(PathBuf),
}

/// Where promises are kept.
#[derive(Debug, Clone)]
pub enum Journal {
    /// In memory: gone with the process. Only beside a memory store.
    Memory,
    /// A redb file in this folder.
    Folder(PathBuf),
}

/// Whose packs may run.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// SPKI PEM files of Ed25519 public keys.
    pub keys: Vec<PathBuf>,
    /// `unsigned: allow`; the parser refuses it outside environment `local`.
    pub allow_unsigned: bool,
}

/// One tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Hosts that belong to it.
    pub hosts: Vec<HostPattern>,
    /// Provider accounts that belong to it, by provider.
    pub accounts: BTreeMap<Provider, Vec<String>>,
    /// How often it may call and be called; `None`: without a limit.
    pub rate: Option<Rate>,
    /// Where it stands.
    pub place: Place,
}

/// One provider instance at one host and path.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose deliveries, and what runs.
    pub serves: Serves,
    /// The team, if one is named.
    pub team: Option<TeamId>,
    /// Which scheme verifies.
    pub provider: Provider,
    /// A host of its own; without one it answers on its tenant's hosts.
    pub host: Option<HostPattern>,
    /// Prefix by whole segments.
    pub path: PathPrefix,
    /// Verification keys, newest first; the parser demands at least one, and none where the provider publishes them.
    pub signing: Vec<LiveSecret>,
    /// The token that the provider's handshake must show, where it has one.
    pub verify: Option<SecretRef>,
    /// What is not secret, as written: checked by the provider.
    pub options: BTreeMap<String, OptionValue>,
    /// When an accepted delivery is answered.
    pub deliver: Deliver,
    /// How often it may be called; `None`: without a limit.
    pub rate: Option<Rate>,
    /// Networks that may call it; empty: everyone.
    pub allow_from: Vec<IpNet>,
    /// Where it stands.
    pub place: Place,
}

/// An endpoint that nobody calls: it ticks by itself.
#[derive(Debug, Clone)]
pub struct Timer {
    /// Its id, once among the endpoints.
    pub id: EndpointId,
    /// Whose.
    pub tenant: TenantId,
    /// The team, if one is named.
    pub team: Option<TeamId>,
    /// What runs.
    pub deployment: DeploymentId,
    /// `options.cron` and `options.timezone`.
    pub schedule: Schedule,
    /// `options.grace`: how late a tick that was missed still runs.
    pub grace: Duration,
    /// Where it stands.
    pub place: Place,
}

/// Whose deliveries an endpoint takes, and what runs for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serves {
    /// One tenant.
    One {
        /// Whose.
        tenant: TenantId,
        /// What runs.
        deployment: DeploymentId,
    },
    /// Several tenants, whose accounts with the provider choose; the parser demands that each has some.
    Shared(BTreeMap<TenantId, DeploymentId>),
}

impl Serves {
    /// Each tenant with what runs for it.
    pub fn each(&self) -> impl Iterator<Item = (&TenantId, &DeploymentId)> {
        let (one, shared) = match self {
            Self::One { tenant, deployment } => (Some((tenant, deployment)), None),
            Self::Shared(all) => (None, Some(all)),
        };
        one.into_iter().chain(shared.into_iter().flatten())
    }
}

/// A secret's reference and how long it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSecret {
    /// Where it lies.
    pub reference: SecretRef,
    /// Unix seconds after which it no longer opens; `None`: for ever.
    pub not_after: Option<i64>,
}

/// One value under an endpoint's `options`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionValue {
    /// As written.
    pub value: Scalar,
    /// Where it stands.
    pub place: Place,
}

/// A scalar of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Anything else.
    Text(String),
}

/// When an accepted delivery is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliver {
    /// With the worker's answer.
    Respond,
}

/// One tenant's use of a pack.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Whose.
    pub tenant: TenantId,
    /// HTTP without a provider.
    pub routes: Vec<Route>,
    /// At least one.
    pub revisions: Vec<Revision>,
    /// Weights that sum to exactly 10000. In this build one revision has them all.
    pub traffic: BTreeMap<RevisionId, BasisPoints>,
    /// What a call may use.
    pub limits: Limits,
    /// What `wasi:config/store` answers.
    pub config: BTreeMap<String, Setting>,
    /// Where its workers may call out to; empty: nowhere.
    pub allow_outbound: Vec<OutboundRule>,
    /// Secrets that its workers may use, by the name that they say.
    pub secrets: BTreeMap<SecretName, SecretRef>,
    /// Where it stands.
    pub place: Place,
}

/// HTTP without a provider.
#[derive(Debug, Clone)]
pub struct Route {
    /// Must lie within the tenant's hosts.
    pub host: HostPattern,
    /// Prefix by whole segments, not stripped.
    pub path: PathPrefix,
    /// Who may call. There is no default: it must be said.
    pub access: Access,
    /// Where it stands.
    pub place: Place,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Who has a token for the route's tenant, as [`Identity::jwt`] says.
    Jwt,
}

/// An immutable snapshot of a deployment.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its id.
    pub id: RevisionId,
    /// Where its pack is. In this build: a file.
    pub pack: PathBuf,
    /// Where it stands.
    pub place: Place,
}
