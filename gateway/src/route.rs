//! Host and path to an endpoint or a public route.
//!
//! The tenant comes first: the most specific host pattern of all tenants' owns the host, so that one tenant's wildcard never reaches
//! into another's name. Within the tenant, endpoints come before routes, the more specific host before the less, the longer path before the shorter.

pub(crate) mod index;

use crate::{
    identity::TenantHosts,
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
    /// At a route that its manifest calls public.
    Public(Public),
}

/// Leave to enter without proof. Only [`Table::find`] makes one, and only of a route with `access: public`.
#[derive(Debug, Clone)]
pub(crate) struct Public {
    route: Arc<Route>,
}

impl Public {
    /// The route that says so.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }
}

/// All that can be reached.
#[derive(Debug, Default)]
pub(crate) struct Table {
    tenants: TenantHosts,
    places: HashMap<TenantId, Places>,
}

#[derive(Debug, Default)]
struct Places {
    endpoints: HostMap<ByPath<Arc<Endpoint>>>,
    routes: HostMap<ByPath<Arc<Route>>>,
}

impl Table {
    /// A table of these tenants' hosts, with nothing on them.
    pub(crate) fn new(tenants: TenantHosts) -> Self {
        Self {
            tenants,
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
        places.routes.entry(host).insert(path, route);
    }

    /// Finds the place of a host (as [`tollgate_config::pattern::Host`] writes it) and a path.
    ///
    /// # Errors
    /// `NotRouted`; `WrongMethod` at an endpoint whose provider does not call so.
    pub(crate) fn find(&self, host: &str, path: &str, method: &Method) -> Result<Arrival, Refused> {
        if let Some(endpoint) = self.endpoint(host, path) {
            if !endpoint.scheme.methods().contains(method) {
                return Err(Refused::WrongMethod {
                    allow: endpoint.allow.clone(),
                });
            }
            return Ok(Arrival::Endpoint(endpoint.clone()));
        }
        let places = self.places(host).ok_or(Refused::NotRouted)?;
        let route = places
            .routes
            .matching(host)
            .find_map(|paths| paths.longest(path))
            .ok_or(Refused::NotRouted)?;
        match route.access {
            Access::Public => Ok(Arrival::Public(Public { route: route.clone() })),
        }
    }

    /// The endpoint at a host and a path, whatever the method: who is charged with a refusal there.
    pub(crate) fn endpoint<'a>(&'a self, host: &'a str, path: &str) -> Option<&'a Arc<Endpoint>> {
        self.places(host)?.endpoints.matching(host).find_map(|paths| paths.longest(path))
    }

    fn places<'a>(&'a self, host: &'a str) -> Option<&'a Places> {
        self.places.get(self.tenants.owner(host)?)
    }
}

#[cfg(test)]
mod tests;
