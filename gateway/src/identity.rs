//! Which tenant. By host: the manifest's `tenants.*.hosts`, the most specific pattern wins. By account: an endpoint's tenants list the
//! provider accounts that are their own, where there are several, or where one does not want those of others.

use crate::{admit::Entrant, snapshot::Owner};
use tollgate_config::{
    TenantId,
    pattern::{HostMap, HostPattern},
};

/// Which tenant owns which host.
#[derive(Debug, Default)]
pub(crate) struct TenantHosts(HostMap<Option<TenantId>>);

impl TenantHosts {
    /// Gives a host pattern to a tenant; the first to have it keeps it (the manifest refuses a second).
    pub(crate) fn add(&mut self, pattern: &HostPattern, tenant: &TenantId) {
        self.0.entry(pattern).get_or_insert_with(|| tenant.clone());
    }

    /// The tenant whose pattern covers this host most specifically.
    pub(crate) fn owner<'a>(&'a self, host: &'a str) -> Option<&'a TenantId> {
        self.0.matching(host).find_map(Option::as_ref)
    }
}

/// Whose it is, and what runs. `None`: verified, and of an account that is none of the endpoint's.
pub(crate) fn resolve(entrant: &Entrant) -> Option<Owner> {
    match entrant {
        Entrant::Public(public) => {
            let deployment = public.route().deployment.clone();
            let tenant = deployment.tenant.clone();
            Some(Owner { tenant, deployment })
        }
        Entrant::Tick(tick) => Some(tick.timer().owner.clone()),
        Entrant::Verified { endpoint, delivery } => endpoint.owners.of(delivery.account()).cloned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_most_specific_pattern_owns_the_host_and_is_carved_out_of_wildcards() {
        let mut hosts = TenantHosts::default();
        for (tenant, pattern) in [
            ("wide", HostPattern::Any),
            ("acme", HostPattern::Suffix("example.com".into())),
            ("beta", HostPattern::Suffix("eu.example.com".into())),
            ("gamma", HostPattern::Exact("shop.eu.example.com".into())),
        ] {
            hosts.add(&pattern, &TenantId::new(tenant).unwrap());
        }
        for (host, owner) in [
            ("a.example.com", "acme"),
            ("a.b.example.com", "acme"),
            ("example.com", "wide"),
            ("badexample.com", "wide"),
            ("x.eu.example.com", "beta"),
            ("eu.example.com", "acme"),
            ("shop.eu.example.com", "gamma"),
            ("a.shop.eu.example.com", "beta"),
            ("127.0.0.1", "wide"),
        ] {
            assert_eq!(hosts.owner(host).map(TenantId::as_str), Some(owner), "{host}");
        }
    }

    #[test]
    fn a_wildcard_of_digits_covers_no_address() {
        let mut hosts = TenantHosts::default();
        hosts.add(&HostPattern::Suffix("0.0.1".into()), &TenantId::new("odd").unwrap());
        assert_eq!(hosts.owner("127.0.0.1"), None);
    }
}
