//! Which tenant. By host: the manifest's `tenants.*.hosts`, the most specific pattern wins. By account: an endpoint's tenant may list the
//! provider accounts that are its own.

use crate::{admit::Entrant, respond::Refused};
use tollgate_config::{
    TenantCtx, TenantId,
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

/// The tenant of who wants to enter.
///
/// # Errors
/// `UnknownAccount` when the tenant lists its accounts with this provider and the delivery is of none of them.
pub(crate) fn resolve(entrant: &Entrant) -> Result<TenantCtx, Refused> {
    match entrant {
        Entrant::Public(public) => Ok(public.route().deployment.tenant.clone()),
        Entrant::Tick(tick) => Ok(tick.timer().tenant.clone()),
        Entrant::Verified { endpoint, delivery } => match (&endpoint.accounts, delivery.account()) {
            (None, _) => Ok(endpoint.tenant.clone()),
            (Some(own), Some(account)) if own.iter().any(|known| known == account) => Ok(endpoint.tenant.clone()),
            (Some(_), _) => Err(Refused::UnknownAccount),
        },
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
