//! What refers to what: ids, hosts and paths across the whole manifest.

use super::{
    Admin, Listener, Provider,
    context::{Context, Located},
    deployment, endpoint,
    tenant::Tenants,
};
use crate::{
    TenantId,
    pattern::{HostMap, HostPattern, PathPrefix},
    report::{At, hint, listed, shown},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

/// Two listeners on one address cannot both start; port 0 is another each time.
pub(super) fn addresses(listeners: &[Located<Listener>], admin: Option<&Located<Admin>>, context: &mut Context) {
    let mut lines: HashMap<SocketAddr, usize> = HashMap::new();
    let listeners = listeners.iter().map(|listener| (listener.value.address, &listener.at));
    for (address, at) in listeners.chain(admin.map(|admin| (admin.value.address, &admin.at))) {
        if address.port() == 0 {
            continue;
        }
        match lines.get(&address) {
            Some(line) => context
                .report
                .add(at, format!("`{address}` is taken by the listener in line {line}"), None),
            None => {
                lines.insert(address, at.line);
            }
        }
    }
}

/// Checks all references between tenants, endpoints and deployments.
///
/// Tenants share hosts where something else than the host tells them apart.
pub(super) fn check(
    tenants: &Tenants,
    shared_hosts: bool,
    endpoints: &[endpoint::Draft],
    deployments: Option<&[deployment::Draft]>,
    context: &mut Context,
) {
    let hosts = owners(tenants, shared_hosts, context);
    let known: HashMap<&str, Known<'_>> = tenants
        .drafts
        .iter()
        .map(|tenant| (tenant.id.as_str(), Known::of(tenant)))
        .collect();
    let links = Links { tenants, known, hosts };

    let mut deployed: BTreeMap<&str, Option<&TenantId>> = BTreeMap::new();
    let mut ids = Once::new("deployment");
    for deployment in deployments.unwrap_or_default() {
        if let Some(id) = &deployment.id {
            ids.see(id.value.as_str(), &id.at, context);
            let tenant = deployment.tenant.as_ref().map(|tenant| &tenant.value);
            deployed.entry(id.value.as_str()).or_insert(tenant);
        }
        links.tenant(deployment.tenant.as_ref(), context);
    }

    let mut places = HashMap::new();
    let mut ids = Once::new("endpoint");
    for endpoint in endpoints {
        if let Some(id) = &endpoint.id {
            ids.see(id.value.as_str(), &id.at, context);
        }
        for served in &endpoint.serves {
            links.tenant(served.tenant.as_ref(), context);
            if deployments.is_some() {
                links.deployment(served, &deployed, context);
            }
        }
        if endpoint.shared {
            links.accounts(endpoint, context);
        }
        if let Some(host) = &endpoint.host {
            let tenants: Vec<_> = endpoint
                .serves
                .iter()
                .filter_map(|served| Some(&served.tenant.as_ref()?.value))
                .collect();
            if let Some(host) = host {
                links.host(host, &tenants, context);
            }
            let host = host.as_ref().map(|host| &host.value);
            for tenant in tenants {
                once(&mut places, "endpoint", tenant, host, endpoint.path.as_ref(), context);
            }
        }
    }
    for deployment in deployments.unwrap_or_default() {
        let Some(tenant) = &deployment.tenant else { continue };
        for route in &deployment.routes {
            let Some(host) = &route.host else { continue };
            links.host(host, &[&tenant.value], context);
            once(&mut places, "route", &tenant.value, Some(&host.value), route.path.as_ref(), context);
        }
    }
}

/// Which tenants have which pattern, and by which line. Where hosts are not shared, the same one twice is an error.
fn owners<'t>(tenants: &'t Tenants, shared: bool, context: &mut Context) -> HostMap<Vec<(&'t TenantId, usize)>> {
    let mut hosts: HostMap<Vec<(&TenantId, usize)>> = HostMap::default();
    for tenant in &tenants.drafts {
        for host in &tenant.hosts {
            let owners = hosts.entry(&host.value);
            let own = owners.iter().find(|(owner, _)| **owner == tenant.id);
            match own.or_else(|| owners.first().filter(|_| !shared)) {
                Some((first, line)) if **first == tenant.id => {
                    let message = format!("host `{}` stands here twice, first in line {line}", host.value);
                    context.report.add(&host.at, message, None);
                }
                Some((first, line)) => {
                    let message = format!("host `{}` belongs to tenant `{first}` already, in line {line}", host.value);
                    context.report.add(&host.at, message, None);
                }
                None => owners.push((&tenant.id, host.at.line)),
            }
        }
    }
    hosts
}

/// What is known of a tenant that others refer to.
struct Known<'t> {
    hosts: &'t [Located<HostPattern>],
    /// Whether all of its hosts could be read.
    whole: bool,
    accounts: Option<&'t [(Provider, Located<String>)]>,
}

impl<'t> Known<'t> {
    fn of(tenant: &'t super::tenant::Draft) -> Self {
        Self {
            hosts: &tenant.hosts,
            whole: !tenant.hosts_broken,
            accounts: tenant.accounts.as_deref(),
        }
    }
}

struct Links<'t> {
    tenants: &'t Tenants,
    known: HashMap<&'t str, Known<'t>>,
    hosts: HostMap<Vec<(&'t TenantId, usize)>>,
}

impl Links<'_> {
    /// The tenant must exist.
    fn tenant(&self, tenant: Option<&Located<TenantId>>, context: &mut Context) {
        let Some(Located { value, at }) = tenant else { return };
        if !self.tenants.broken && !self.known.contains_key(value.as_str()) {
            let ids = self.tenants.drafts.iter().map(|tenant| tenant.id.as_str());
            context
                .report
                .add(at, format!("no tenant `{value}`"), Some(hint(value.as_str(), ids)));
        }
    }

    /// The deployment must exist and be the same tenant's.
    fn deployment(&self, served: &endpoint::Served, deployed: &BTreeMap<&str, Option<&TenantId>>, context: &mut Context) {
        let Some(Located { value, at }) = &served.deployment else {
            return;
        };
        match (deployed.get(value.as_str()), &served.tenant) {
            (None, _) => {
                let ids = deployed.keys().copied();
                context
                    .report
                    .add(at, format!("no deployment `{value}`"), Some(hint(value.as_str(), ids)));
            }
            (Some(Some(owner)), Some(tenant)) if **owner != tenant.value => {
                let message = format!(
                    "deployment `{value}` is tenant `{owner}`'s, this endpoint tenant `{}`'s",
                    tenant.value
                );
                context.report.add(at, message, None);
            }
            _ => {}
        }
    }

    /// Accounts choose between the tenants of a shared endpoint: each tenant must have some, and no two the same one.
    fn accounts(&self, endpoint: &endpoint::Draft, context: &mut Context) {
        let Some(provider) = endpoint.provider else { return };
        let name = provider.as_str();
        if provider == Provider::Webchat {
            if let Some(id) = &endpoint.id {
                let help = "give each tenant an endpoint of its own".to_owned();
                context
                    .report
                    .add(&id.at, "web chat has no accounts to choose a tenant by", Some(help));
            }
            return;
        }
        let mut owners: HashMap<&str, (&TenantId, usize)> = HashMap::new();
        for tenant in endpoint.serves.iter().filter_map(|served| served.tenant.as_ref()) {
            let Some(accounts) = self.known.get(tenant.value.as_str()).and_then(|known| known.accounts) else {
                continue;
            };
            let own = || accounts.iter().filter(|(of, _)| *of == provider).map(|(_, account)| account);
            if own().next().is_none() {
                let message = format!(
                    "tenant `{}` has no accounts with `{name}`, so no delivery would be its own",
                    tenant.value
                );
                let help = format!("list them under `tenants.{}.accounts.{name}`", tenant.value);
                context.report.add(&tenant.at, message, Some(help));
            }
            for account in own() {
                match owners.get(account.value.as_str()) {
                    Some((first, line)) if **first != tenant.value => {
                        let message = format!(
                            "account {} of `{name}` is tenant `{first}`'s too, in line {line}, and the endpoint in line {} serves both",
                            shown(&account.value),
                            tenant.at.line
                        );
                        context.report.add(&account.at, message, None);
                    }
                    Some(_) => {}
                    None => {
                        owners.insert(&account.value, (&tenant.value, account.at.line));
                    }
                }
            }
        }
    }

    /// The host must lie within the hosts of one of these tenants, and no other tenant's more specific host may have been carved out around it.
    fn host(&self, host: &Located<HostPattern>, tenants: &[&TenantId], context: &mut Context) {
        let known: Vec<_> = tenants
            .iter()
            .filter_map(|tenant| Some((*tenant, self.known.get(tenant.as_str())?)))
            .collect();
        if known.is_empty() {
            return;
        }
        let owners = self.hosts.covering(&host.value).find(|owners| !owners.is_empty());
        let owners = owners.map(Vec::as_slice).unwrap_or_default();
        match owners.first() {
            _ if owners.iter().any(|(owner, _)| tenants.contains(owner)) => {}
            // An unreadable host of its own may be the one.
            _ if known.iter().any(|(_, known)| !known.whole) => {}
            Some((owner, line)) => {
                let message = format!("host `{}` belongs to tenant `{owner}`, by line {line}", host.value);
                context.report.add(&host.at, message, Some(own_hosts(&known)));
            }
            None => {
                let message = format!("host `{}` does not lie within its tenant's hosts", host.value);
                context.report.add(&host.at, message, Some(own_hosts(&known)));
            }
        }
    }
}

fn own_hosts(known: &[(&TenantId, &Known<'_>)]) -> String {
    let each = known
        .iter()
        .map(|(tenant, known)| format!("tenant `{tenant}` has {}", listed(known.hosts.iter().map(|host| &host.value))));
    each.collect::<Vec<_>>().join(", ")
}

/// Finds ids that stand twice.
struct Once<'t> {
    what: &'static str,
    lines: HashMap<&'t str, usize>,
}

impl<'t> Once<'t> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            lines: HashMap::new(),
        }
    }

    fn see(&mut self, id: &'t str, at: &At, context: &mut Context) {
        match self.lines.get(id) {
            Some(line) => context
                .report
                .add(at, format!("{} `{id}` stands here twice, first in line {line}", self.what), None),
            None => {
                self.lines.insert(id, at.line);
            }
        }
    }
}

type Places<'t> = HashMap<(&'t TenantId, Option<&'t HostPattern>, &'t PathPrefix), (&'static str, usize)>;

/// At one host and path stands one endpoint or one route; where both stood, the route would never be reached.
fn once<'t>(
    places: &mut Places<'t>,
    what: &'static str,
    tenant: &'t TenantId,
    host: Option<&'t HostPattern>,
    path: Option<&'t Located<PathPrefix>>,
    context: &mut Context,
) {
    let Some(Located { value, at }) = path else { return };
    if let Some((first, line)) = places.get(&(tenant, host, value)) {
        let host = host.map_or_else(|| "its tenant's hosts".to_owned(), |host| format!("`{host}`"));
        let message = format!("{what} at {host} and `{}`, where the {first} in line {line} stands", value.as_str());
        context.report.add(at, message, None);
        return;
    }
    places.insert((tenant, host, value), (what, at.line));
}
