//! Which tenant: the ways of `identity.by`, in their order, the first that finds one wins.
//!
//! Whatever found it, the host must be one of the tenant's own: no header and no token leads to another tenant's places. An endpoint's
//! tenant is never looked for in a token: what a provider sends bears none of ours. After proof, a signed account may narrow whose its delivery is.

pub(crate) mod token;

use crate::{admit::Entrant, respond::Refused, snapshot};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::{BTreeSet, HashSet};
use tollgate_config::{
    Environment, TenantId,
    manifest::IdentityBy,
    pattern::{HostMap, HostPattern},
};

/// The platform's name for the header by which a proxy says whose a request is.
pub(crate) const X_GREENTIC_TENANT: HeaderName = HeaderName::from_static("x-greentic-tenant");

/// Which tenants own which host.
#[derive(Debug, Default)]
pub(crate) struct TenantHosts(HostMap<BTreeSet<TenantId>>);

impl TenantHosts {
    /// Gives a host pattern to a tenant. Several have the same one only where the manifest has another way than the host to tell them apart.
    pub(crate) fn add(&mut self, pattern: &HostPattern, tenant: &TenantId) {
        self.0.entry(pattern).insert(tenant.clone());
    }

    /// Whether the most specific pattern that covers this host is this tenant's, alone or with others.
    fn admits(&self, host: &str, tenant: &TenantId) -> bool {
        self.0.matching(host).next().is_some_and(|owners| owners.contains(tenant))
    }

    /// Whether it is anyone's.
    fn is_known(&self, host: &str) -> bool {
        self.0.matching(host).next().is_some()
    }

    /// The one tenant whose pattern covers this host most specifically; none where several share it.
    fn owner<'a>(&'a self, host: &'a str) -> Option<&'a TenantId> {
        let mut owners = self.0.matching(host).next()?.iter();
        owners.next().filter(|_| owners.next().is_none())
    }
}

/// Finds a request's tenant.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    ways: Vec<Way>,
    hosts: TenantHosts,
    tenants: HashSet<TenantId>,
}

#[derive(Debug)]
enum Way {
    Host,
    Header,
    Fixed(TenantId),
    Token,
}

/// Whose places a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// This tenant's.
    Tenant(&'a TenantId),
    /// Of the tenant that the request's token names, if it is one.
    Token,
}

/// A tenant that the gateway's own environment does not name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The variable is not there, or has no text.
    #[error("the variable {0}, which names the tenant, is not set")]
    Unset(String),
    /// It names nobody.
    #[error("the variable {variable} names `{found}`, which is none of `tenants`")]
    Unknown {
        /// Which variable.
        variable: String,
        /// What it says.
        found: String,
    },
}

/// The tenant that the gateway's environment names, where the manifest asks it.
///
/// # Errors
/// When it names none of the manifest's: a node of one tenant must not serve without it.
pub(crate) fn fixed(environment: &Environment) -> Result<Option<TenantId>, TenantError> {
    let identity = &environment.identity;
    if !identity.by.contains(&IdentityBy::Env) {
        return Ok(None);
    }
    let variable = || identity.variable.clone();
    let found = std::env::var(&identity.variable).unwrap_or_default();
    if found.is_empty() {
        return Err(TenantError::Unset(variable()));
    }
    let known = environment.tenants.keys().find(|tenant| tenant.as_str() == found);
    known.cloned().map(Some).ok_or_else(|| TenantError::Unknown {
        variable: variable(),
        found,
    })
}

impl Identity {
    /// As the manifest says, with the tenant that [`fixed`] found.
    pub(crate) fn new(environment: &Environment, fixed: Option<TenantId>) -> Self {
        let mut hosts = TenantHosts::default();
        for tenant in environment.tenants.values() {
            for pattern in &tenant.hosts {
                hosts.add(pattern, &tenant.id);
            }
        }
        let way = |by: &IdentityBy| match by {
            IdentityBy::Host => Some(Way::Host),
            IdentityBy::Header => Some(Way::Header),
            IdentityBy::Env => fixed.clone().map(Way::Fixed),
            IdentityBy::Jwt => Some(Way::Token),
        };
        Self {
            ways: environment.identity.by.iter().filter_map(way).collect(),
            hosts,
            tenants: environment.tenants.keys().cloned().collect(),
        }
    }

    /// By these hosts alone.
    #[cfg(test)]
    pub(crate) fn by_host(hosts: TenantHosts) -> Self {
        Self {
            ways: vec![Way::Host],
            hosts,
            tenants: HashSet::new(),
        }
    }

    /// Whose places a request may reach. `bearer`: it has a token.
    ///
    /// # Errors
    /// `NotRouted` when no way finds a tenant (`NoToken` when one could), `UnknownTenant` when one names nobody, `WrongTenant` when the host is
    /// not the tenant's.
    pub(crate) fn owner<'a>(&'a self, host: &'a str, said: Said<'_>, bearer: bool) -> Result<Found<'a>, Refused> {
        let token = || bearer.then_some(Found::Token);
        match self.ask(host, said, token)? {
            Some(owner) => Ok(owner),
            None if self.hosts.is_known(host) && self.ways.iter().any(|way| matches!(way, Way::Token)) => Err(Refused::NoToken),
            None => Err(Refused::NotRouted),
        }
    }

    /// Whose endpoint a request may reach.
    pub(crate) fn endpoints_owner<'a>(&'a self, host: &'a str, said: Said<'_>) -> Option<&'a TenantId> {
        match self.ask(host, said, || None) {
            Ok(Some(Found::Tenant(tenant))) => Some(tenant),
            _ => None,
        }
    }

    /// Whether a token's tenant has this host.
    ///
    /// # Errors
    /// `WrongTenant`.
    pub(crate) fn admit<'a>(&self, host: &str, tenant: &'a TenantId) -> Result<&'a TenantId, Refused> {
        if self.hosts.admits(host, tenant) {
            Ok(tenant)
        } else {
            Err(Refused::WrongTenant(tenant.clone()))
        }
    }

    fn ask<'a>(&'a self, host: &'a str, said: Said<'_>, token: impl Fn() -> Option<Found<'a>>) -> Result<Option<Found<'a>>, Refused> {
        for way in &self.ways {
            let found = match way {
                // By the host itself, so the host is the tenant's.
                Way::Host => match self.hosts.owner(host) {
                    Some(owner) => return Ok(Some(Found::Tenant(owner))),
                    None => None,
                },
                Way::Header => self.named(said)?,
                Way::Fixed(tenant) => Some(tenant),
                Way::Token => match token() {
                    Some(owner) => return Ok(Some(owner)),
                    None => None,
                },
            };
            if let Some(tenant) = found {
                return self.admit(host, tenant).map(|tenant| Some(Found::Tenant(tenant)));
            }
        }
        Ok(None)
    }

    fn named(&self, said: Said<'_>) -> Result<Option<&TenantId>, Refused> {
        let name = match said {
            Said::Nothing => return Ok(None),
            Said::Once(name) => name,
            // What a client sent and what the proxy added: nobody can say which is which.
            Said::Twice => return Err(Refused::UnknownTenant("the header stands twice".to_owned())),
        };
        let known = name.to_str().ok().and_then(|name| TenantId::new(name).ok());
        let known = known.and_then(|name| self.tenants.get(&name));
        known
            .map(Some)
            .ok_or_else(|| Refused::UnknownTenant(format!("{name:?} is none of the manifest's tenants")))
    }
}

/// What a trusted proxy says of a request's tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// Nothing; or the peer is none.
    Nothing,
    /// This.
    Once(&'a HeaderValue),
    /// More than one thing.
    Twice,
}

impl<'a> Said<'a> {
    /// What these headers say. From a peer that is no trusted proxy: nothing, whatever they hold.
    pub(crate) fn by(headers: &'a HeaderMap, trusted: bool) -> Self {
        let mut names = headers.get_all(X_GREENTIC_TENANT).iter().filter(|_| trusted);
        match (names.next(), names.next()) {
            (None, _) => Self::Nothing,
            (Some(name), None) => Self::Once(name),
            (Some(_), Some(_)) => Self::Twice,
        }
    }
}

/// Whose it is, and what runs. `None`: verified, and of an account that is none of the endpoint's.
pub(crate) fn resolve(entrant: &Entrant) -> Option<snapshot::Owner> {
    match entrant {
        Entrant::Route(leave) => Some(snapshot::Owner::of(&leave.route().deployment)),
        Entrant::Tick(tick) => Some(tick.timer().owner.clone()),
        Entrant::Verified { endpoint, delivery } => endpoint.owners.of(delivery.account()).cloned(),
    }
}

#[cfg(test)]
mod tests;
