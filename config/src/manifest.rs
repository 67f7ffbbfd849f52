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
mod rate;
mod read;
mod storage;
mod tenant;
mod timer;
mod value;

pub use identity::{TENANT_CLAIM, TENANT_VARIABLE};
pub use limits::{BreakerLimits, Limits, StoreLimits};
pub use listener::ADMIN_ADDRESS;
pub use rate::Rate;
pub use read::{MAX_FILE_LEN, SCHEMA};
pub use storage::{CACHE_NAME, JOURNAL_NAME, STORE_PATH};
pub use timer::GRACE;

use crate::{
    BasisPoints, DeploymentId, EndpointId, EnvId, Place, RevisionId, Schedule, SecretRef, TeamId, TenantId,
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
    /// `cache`: the folder of packs and compiled workers; `None`: nothing is kept.
    pub cache: Option<PathBuf>,
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

/// How the tenant is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Asked in this order, each at most once; the first that finds a tenant wins. `Env` always finds one, so it is the last.
    pub by: Vec<IdentityBy>,
    /// The environment variable that [`IdentityBy::Env`] reads.
    pub variable: String,
    /// Callers' tokens, for [`IdentityBy::Jwt`] and [`Access::Jwt`]; the parser demands them where either stands.
    pub jwt: Option<Jwt>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            by: vec![IdentityBy::Host],
            variable: TENANT_VARIABLE.to_owned(),
            jwt: None,
        }
    }
}

/// One way to find the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityBy {
    /// By the request's host, from `tenants.*.hosts`.
    Host,
    /// By the header `X-Greentic-Tenant` of a trusted proxy.
    Header,
    /// One tenant for all requests, named by the gateway's own environment.
    Env,
    /// By a claim of the caller's bearer token.
    Jwt,
}

impl IdentityBy {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Header => "header",
            Self::Env => "env",
            Self::Jwt => "jwt",
        }
    }
}

/// Callers' bearer tokens: whose, and by what they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// What the signatures are verified with.
    pub keys: JwtKeys,
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud` is, or has in it, one of these, exactly. At least one.
    pub audience: Vec<String>,
    /// `alg` is one of these. At least one.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that names the tenant.
    pub claim: String,
    /// Where it stands.
    pub place: Place,
}

/// Where the keys of an issuer of tokens are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeys {
    /// A JWKS, or the issuer's metadata that names one, at this URL as written.
    Url(String),
    /// Public keys, SPKI PEM files of one key each. At least one.
    Files(Vec<PathBuf>),
}

/// How a token may be signed. There is none without a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// The name, as `alg` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
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

/// A provider that this build can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Slack: events, interactive payloads, slash commands.
    Slack,
    /// Telegram's Bot API.
    Telegram,
    /// Microsoft's Bot Framework: Teams and its other channels.
    Teams,
    /// Microsoft Teams: outgoing webhooks.
    TeamsOutgoing,
    /// Cisco Webex.
    Webex,
    /// WhatsApp's Cloud API.
    Whatsapp,
    /// Facebook Messenger.
    Messenger,
    /// Instagram messaging.
    Instagram,
    /// GitHub webhooks.
    Github,
    /// GitLab: its token, or its signing key.
    Gitlab,
    /// Gitea, Gogs and Forgejo.
    Gitea,
    /// Bitbucket, Server and Cloud.
    Bitbucket,
    /// Stripe.
    Stripe,
    /// PayPal.
    Paypal,
    /// Shopify.
    Shopify,
    /// Twilio: messages, calls, status callbacks.
    Twilio,
    /// Discord: interactions and webhook events.
    Discord,
    /// LINE.
    Line,
    /// Standard Webhooks 1.0, Svix's headers too.
    StandardWebhooks,
    /// Zoom.
    Zoom,
    /// Linear.
    Linear,
    /// SendGrid's event webhook.
    Sendgrid,
    /// Anyone who signs with an HMAC, as the options say.
    Hmac,
    /// Anyone who signs HTTP messages (RFC 9421), as the options say.
    HttpSignature,
    /// Any sender's webhook for a flow, with the check that the options say.
    Webhook,
    /// Web chat: browsers, with tokens of the gateway's own.
    Webchat,
}

impl Provider {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 26] = [
        Self::Slack,
        Self::Telegram,
        Self::Teams,
        Self::TeamsOutgoing,
        Self::Webex,
        Self::Whatsapp,
        Self::Messenger,
        Self::Instagram,
        Self::Github,
        Self::Gitlab,
        Self::Gitea,
        Self::Bitbucket,
        Self::Stripe,
        Self::Paypal,
        Self::Shopify,
        Self::Twilio,
        Self::Discord,
        Self::Line,
        Self::StandardWebhooks,
        Self::Zoom,
        Self::Linear,
        Self::Sendgrid,
        Self::Hmac,
        Self::HttpSignature,
        Self::Webhook,
        Self::Webchat,
    ];

    /// The name in manifests, metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Teams => "teams",
            Self::TeamsOutgoing => "teams-outgoing",
            Self::Webex => "webex",
            Self::Whatsapp => "whatsapp",
            Self::Messenger => "messenger",
            Self::Instagram => "instagram",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Shopify => "shopify",
            Self::Twilio => "twilio",
            Self::Discord => "discord",
            Self::Line => "line",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Zoom => "zoom",
            Self::Linear => "linear",
            Self::Sendgrid => "sendgrid",
            Self::Hmac => "hmac",
            Self::HttpSignature => "http-signature",
            Self::Webhook => "webhook",
            Self::Webchat => "webchat",
        }
    }

    /// Whether an endpoint needs a signing secret of its own; without one, the provider publishes the keys that verify.
    pub fn needs_signing(self) -> bool {
        !matches!(self, Self::Teams | Self::Paypal)
    }

    /// The provider of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
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
    pub config: BTreeMap<String, String>,
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
