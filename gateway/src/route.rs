//! Host and path to an endpoint or a route.
//!
//! The tenant comes first, found as `identity.by` says; the host must be its own by the most specific pattern of all tenants', so that one
//! tenant's wildcard never reaches into another's name. Within the tenant, endpoints come before routes, the more specific host before the less, the longer path before the shorter.

pub(crate) mod index;
mod reading;

use crate::{
    identity::{Found, Identity, Said, token::Proof},
    respond::Refused,
    snapshot::{Endpoint, Route},
};
use http::Method;
use index::ByPath;
use std::{collections::HashMap, sync::Arc};
use tollgate_config::{
    TenantId,
    manifest::Access,
    pattern::{HostMap, HostPattern, PathPrefix},
};

/// Where a request has arrived.
#[derive(Debug, Clone)]
pub(crate) enum Arrival {
    /// At a provider's endpoint: nothing is believed yet.
    Endpoint(Arc<Endpoint>),
    /// At a route that is open to all.
    Open(Leave),
    /// Where only a token leads further.
    Guarded(Guarded),
}

/// Leave to call a route. Only [`Table`] makes one: [`Table::find`] of a route with `access: public`, [`Table::unlock`] with a proof that names the
/// route's tenant.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    route: Arc<Route>,
}

impl Leave {
    /// Which route; its `access` says what the leave was given for.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }
}

/// A place that a token opens, or finds in the first place: [`Table::unlock`].
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    /// The route, when it is the token's tenant that is still to be proved; none when the token says whose routes to look among.
    route: Option<Arc<Route>>,
}

impl Guarded {
    /// The route, where it is known already.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.route.as_ref()
    }
}

/// All that can be reached.
#[derive(Debug, Default)]
pub(crate) struct Table {
    identity: Identity,
    places: HashMap<TenantId, Places>,
}

#[derive(Debug, Default)]
struct Places {
    endpoints: HostMap<ByPath<Arc<Endpoint>>>,
    routes: HostMap<ByPath<Arc<Route>>>,
    /// Whether any route wants a token.
    is_guarded: bool,
}

impl Table {
    /// A table for tenants that are found so, with nothing in it.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            places: HashMap::new(),
        }
    }

    /// Adds an endpoint. One without a host answers on all of its tenants'. With one, it lies within one tenant's; to stand with the others too opens
    /// nothing, for their places are looked at only for hosts that are theirs.
    pub(crate) fn add_endpoint(&mut self, host: Option<&HostPattern>, path: &PathPrefix, endpoint: Arc<Endpoint>) {
        for owner in endpoint.owners.all() {
            let places = self.places.entry(owner.tenant.tenant_id.clone()).or_default();
            places
                .endpoints
                .entry(host.unwrap_or(&HostPattern::Any))
                .insert(path, endpoint.clone());
        }
    }

    /// Adds a route.
    pub(crate) fn add_route(&mut self, host: &HostPattern, path: &PathPrefix, route: Arc<Route>) {
        let places = self.places.entry(route.deployment.tenant.tenant_id.clone()).or_default();
        places.is_guarded |= route.access != Access::Public;
        places.routes.entry(host).insert(path, route);
    }

    /// Finds the place of a host (as [`tollgate_config::pattern::Host`] writes it) and a path, among those of the request's tenant.
    /// `bearer`: it has a token.
    ///
    /// # Errors
    /// `NotRouted`; what [`Identity::owner`] says; `WrongMethod` at an endpoint whose provider does not call so.
    pub(crate) fn find(&self, host: &str, path: &str, method: &Method, said: Said<'_>, bearer: bool) -> Result<Arrival, Refused> {
        if let Some(endpoint) = self.endpoint(host, path, said) {
            if !endpoint.scheme.methods().contains(method) {
                return Err(Refused::WrongMethod {
                    allow: endpoint.allow.clone(),
                });
            }
            return Ok(Arrival::Endpoint(endpoint.clone()));
        }
        let Found::Tenant(tenant) = self.identity.owner(host, said, bearer)? else {
            return Ok(Arrival::Guarded(Guarded { route: None }));
        };
        let route = self.route(tenant, host, path)?.clone();
        Ok(match route.access {
            Access::Public => match self.guard(tenant, host, path, &route) {
                None => Arrival::Open(Leave { route }),
                guard => Arrival::Guarded(Guarded { route: guard.cloned() }),
            },
            Access::Jwt => Arrival::Guarded(Guarded { route: Some(route) }),
        })
    }

    /// Opens a guarded place with a verified token.
    ///
    /// # Errors
    /// `NotForTenant` when the route is another tenant's than the token's; `WrongTenant` when the host is; `NotRouted`.
    pub(crate) fn unlock(&self, guarded: Guarded, proof: &Proof, host: &str, path: &str) -> Result<Leave, Refused> {
        let route = match guarded.route {
            Some(route) => route,
            None => self.route(self.identity.admit(host, proof.tenant())?, host, path)?.clone(),
        };
        if route.deployment.tenant.tenant_id != *proof.tenant() {
            return Err(Refused::NotForTenant(proof.tenant().clone()));
        }
        Ok(Leave { route })
    }

    /// The endpoint at a host and a path, whatever the method: who is charged with a refusal there.
    pub(crate) fn endpoint<'a>(&'a self, host: &'a str, path: &str, said: Said<'_>) -> Option<&'a Arc<Endpoint>> {
        let places = self.places.get(self.identity.endpoints_owner(host, said)?)?;
        places.endpoints.matching(host).find_map(|paths| paths.longest(path))
    }

    /// A guarded route of a public one's worker, where that worker may read the path as one of it: another spelling is no way around a token.
    fn guard<'a>(&'a self, tenant: &TenantId, host: &'a str, path: &str, public: &Route) -> Option<&'a Arc<Route>> {
        if !self.places.get(tenant)?.is_guarded {
            return None;
        }
        reading::others(path)
            .filter_map(|other| self.route(tenant, host, &other).ok())
            .find(|route| route.access != Access::Public && route.deployment.id == public.deployment.id)
    }

    fn route<'a>(&'a self, tenant: &TenantId, host: &'a str, path: &str) -> Result<&'a Arc<Route>, Refused> {
        let places = self.places.get(tenant).ok_or(Refused::NotRouted)?;
        let route = places.routes.matching(host).find_map(|paths| paths.longest(path));
        route.ok_or(Refused::NotRouted)
    }
}

#[cfg(test)]
mod tests;
