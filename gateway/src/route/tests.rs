#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use super::*;
use crate::{
    identity::TenantHosts,
    metrics::Metrics,
    snapshot::{Deployment, Owner, Owners, State},
};
use http::HeaderValue;
use std::{collections::BTreeMap, time::Duration};
use tollgate_config::{
    DeploymentId, EndpointId, EnvId, TenantCtx,
    manifest::{Limits, Provider},
};
use tollgate_ingress::{Keys, Scheme};

/// `id host path`; an endpoint's host may be `-`.
fn table(tenants: &[(&str, &[&str])], endpoints: &[(&str, &str, &str, &str)], routes: &[(&str, &str, &str, &str)]) -> Table {
    let mut hosts = TenantHosts::default();
    for (tenant, patterns) in tenants {
        for pattern in *patterns {
            hosts.add(&HostPattern::parse(pattern).unwrap(), &TenantId::new(tenant).unwrap());
        }
    }
    let mut table = Table::new(Identity::by_host(hosts));
    for (tenant, id, host, path) in endpoints {
        let deployment = deployment(tenant, id);
        let owner = Owner {
            tenant: deployment.tenant.clone(),
            deployment,
        };
        let endpoint = endpoint(id, Owners::one(owner, None));
        let host = (*host != "-").then(|| HostPattern::parse(host).unwrap());
        table.add_endpoint(host.as_ref(), &PathPrefix::parse(path).unwrap(), Arc::new(endpoint));
    }
    for (tenant, id, host, path) in routes {
        let route = Route {
            // A route whose id says so wants a token.
            access: if id.contains("token") { Access::Jwt } else { Access::Public },
            deployment: deployment(tenant, id),
        };
        table.add_route(
            &HostPattern::parse(host).unwrap(),
            &PathPrefix::parse(path).unwrap(),
            Arc::new(route),
        );
    }
    table
}

fn endpoint(id: &str, owners: Owners) -> Endpoint {
    let id = EndpointId::new(id).unwrap();
    Endpoint {
        counters: Metrics::new().unwrap().endpoint(&id, 0).unwrap(),
        id,
        owners,
        provider: Provider::Slack,
        scheme: Scheme::new(Provider::Slack, &BTreeMap::new()).unwrap(),
        keys: Keys::default(),
        batches: false,
        rate: None,
        allow_from: Vec::new(),
        allow: HeaderValue::from_static("POST"),
        body_limit: 1,
        horizon: Duration::from_secs(1),
        webchat: None,
    }
}

fn deployment(tenant: &str, id: &str) -> Arc<Deployment> {
    let tenant = TenantCtx {
        tenant_id: TenantId::new(tenant).unwrap(),
        env_id: EnvId::new("local").unwrap(),
        team_id: None,
    };
    Arc::new(Deployment {
        id: DeploymentId::new(id).unwrap(),
        tenant,
        tenant_header: HeaderValue::from_static("t"),
        environment_header: HeaderValue::from_static("e"),
        limits: Limits::default(),
        rate: None,
        state: State::Failed { revision: None },
    })
}

fn found(table: &Table, method: &Method, host: &str, path: &str) -> String {
    match table.find(host, path, method, Said::Nothing, false) {
        Ok(Arrival::Endpoint(endpoint)) => endpoint.id.to_string(),
        Ok(Arrival::Open(leave)) => leave.route().deployment.id.to_string(),
        Ok(Arrival::Guarded(guarded)) => format!("guarded {}", guarded.route().unwrap().deployment.id),
        Err(refused) => refused.code().to_owned(),
    }
}

#[test]
fn the_most_specific_place_wins() {
    let table = table(
        &[
            ("acme", &["*.example.com", "example.com"]),
            ("beta", &["beta.example.com"]),
            ("addr", &["127.0.0.1"]),
        ],
        &[
            ("acme", "events", "-", "/slack/events"),
            ("acme", "deeper", "-", "/slack/events/deep"),
            ("acme", "own-host", "bot.example.com", "/slack"),
        ],
        &[
            ("acme", "site", "*.example.com", "/"),
            ("acme", "shop", "shop.example.com", "/"),
            ("acme", "shop-api", "shop.example.com", "/api"),
            ("acme", "wide-api", "*.example.com", "/api/v2"),
            ("acme", "hidden", "*.example.com", "/slack/events"),
            ("beta", "beta", "beta.example.com", "/only"),
            ("addr", "address", "127.0.0.1", "/"),
        ],
    );
    for (host, path, place) in [
        // Endpoints answer on all of the tenant's hosts, and come before routes.
        ("a.example.com", "/slack/events", "events"),
        ("example.com", "/slack/events", "events"),
        ("a.example.com", "/slack/events/x", "events"),
        ("a.example.com", "/slack/events/deep/x", "deeper"),
        ("bot.example.com", "/slack/events", "own-host"),
        // Whole segments; the path's bytes as they stand.
        ("a.example.com", "/slack/eventsx", "site"),
        ("a.example.com", "/slack/events/", "events"),
        ("a.example.com", "/SLACK/events", "site"),
        ("a.example.com", "/slack//events", "site"),
        ("a.example.com", "//slack/events", "site"),
        ("a.example.com", "/x/../slack/events", "site"),
        ("a.example.com", "/slack%2fevents", "site"),
        ("a.example.com", "/", "site"),
        // The more specific host first, then the longer path.
        ("shop.example.com", "/", "shop"),
        ("shop.example.com", "/api", "shop-api"),
        ("shop.example.com", "/api/v2/x", "shop-api"),
        ("x.example.com", "/api/v2/x", "wide-api"),
        // One tenant's wildcard does not reach into another's name.
        ("beta.example.com", "/only", "beta"),
        ("beta.example.com", "/", "not_routed"),
        ("beta.example.com", "/slack/events", "not_routed"),
        // An endpoint's tenant has the host, but no route there.
        ("example.com", "/", "not_routed"),
        ("127.0.0.1", "/x", "address"),
        ("nobody.example", "/", "not_routed"),
        ("a.example.com", "*", "not_routed"),
        ("a.example.com", "", "not_routed"),
    ] {
        assert_eq!(found(&table, &Method::POST, host, path), place, "{host} {path}");
    }
    assert_eq!(found(&table, &Method::PUT, "a.example.com", "/slack/events"), "wrong_method");
    assert_eq!(found(&table, &Method::PUT, "a.example.com", "/"), "site");
}

#[test]
fn a_path_of_slashes_costs_no_more_than_the_deepest_prefix() {
    let mut paths = ByPath::default();
    paths.insert(&PathPrefix::parse("/a").unwrap(), 1);
    paths.insert(&PathPrefix::parse("/").unwrap(), 0);
    assert_eq!(paths.longest(&"/".repeat(8000)), Some(&0));
    assert_eq!(paths.longest(&format!("/a{}", "/".repeat(8000))), Some(&1));
    assert_eq!(ByPath::<u8>::default().longest("/"), None);
}

#[test]
fn a_shared_endpoint_answers_on_the_hosts_of_all_its_tenants_and_no_others() {
    let owner = |tenant: &str| {
        let deployment = deployment(tenant, tenant);
        Owner {
            tenant: deployment.tenant.clone(),
            deployment,
        }
    };
    let (one, two) = (["A1".to_owned()], ["B1".to_owned(), "A1".to_owned()]);
    let owners = || Owners::shared([(owner("acme"), one.as_slice()), (owner("beta"), two.as_slice())]);
    let whose = |account| owners().of(account).map(|owner| owner.tenant.tenant_id.to_string());
    assert_eq!(whose(Some("A1")).as_deref(), Some("acme"));
    assert_eq!(whose(Some("B1")).as_deref(), Some("beta"));
    assert_eq!((whose(Some("C1")), whose(None)), (None, None));

    let mut table = table(
        &[("acme", &["acme.com"]), ("beta", &["*.beta.com"]), ("gamma", &["gamma.com"])],
        &[],
        &[],
    );
    for (id, host, path) in [("all", None, "/all"), ("own", Some("in.beta.com"), "/own")] {
        let endpoint = endpoint(id, owners());
        let host = host.map(|host| HostPattern::parse(host).unwrap());
        table.add_endpoint(host.as_ref(), &PathPrefix::parse(path).unwrap(), Arc::new(endpoint));
    }
    for (host, path, there) in [
        ("acme.com", "/all", "all"),
        ("x.beta.com", "/all/x", "all"),
        ("gamma.com", "/all", "not_routed"),
        ("in.beta.com", "/own", "own"),
        ("x.beta.com", "/own", "not_routed"),
        ("acme.com", "/own", "not_routed"),
    ] {
        assert_eq!(found(&table, &Method::POST, host, path), there, "{host}{path}");
    }
}

#[test]
fn a_guarded_route_opens_to_its_own_tenants_token_alone() {
    let table = table(
        &[("acme", &["acme.com"]), ("beta", &["beta.com"])],
        &[],
        &[
            ("acme", "site", "acme.com", "/"),
            ("acme", "token", "acme.com", "/in"),
            ("beta", "beta-token", "beta.com", "/in"),
        ],
    );
    let unlock = |host: &str, path: &str, tenant: &str| {
        let Ok(Arrival::Guarded(guarded)) = table.find(host, path, &Method::GET, Said::Nothing, true) else {
            panic!("{host}{path} is not guarded")
        };
        match table.unlock(guarded, &Proof::of(TenantId::new(tenant).unwrap()), host, path) {
            Ok(leave) => {
                assert_eq!(leave.route().access, Access::Jwt);
                leave.route().deployment.id.to_string()
            }
            Err(refused) => refused.code().to_owned(),
        }
    };
    assert_eq!(found(&table, &Method::GET, "acme.com", "/"), "site");
    assert_eq!(found(&table, &Method::GET, "acme.com", "/in"), "guarded token");
    assert_eq!(unlock("acme.com", "/in/x", "acme"), "token");
    assert_eq!(unlock("acme.com", "/in", "beta"), "not_for_tenant");
    assert_eq!(unlock("beta.com", "/in", "acme"), "not_for_tenant");
    assert_eq!(unlock("beta.com", "/in", "nobody"), "not_for_tenant");
}

#[test]
fn another_spelling_of_a_guarded_path_is_no_way_around_its_token() {
    let mut table = table(&[("acme", &["acme.com"])], &[], &[("acme", "other", "acme.com", "/other")]);
    let app = deployment("acme", "app");
    for (path, access) in [("/", Access::Public), ("/admin", Access::Jwt), ("/a/b", Access::Public)] {
        let deployment = app.clone();
        let route = Arc::new(Route { access, deployment });
        table.add_route(&HostPattern::parse("acme.com").unwrap(), &PathPrefix::parse(path).unwrap(), route);
    }
    for path in [
        "/admin",
        "/admin/x",
        "/%61dmin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/a/b/../../admin",
        "/x%2f..%2fadmin",
        "//admin/../a",
    ] {
        assert_eq!(found(&table, &Method::GET, "acme.com", path), "guarded app", "{path}");
    }
    for path in ["/", "/x", "/x%40y//z/../z", "/ADMIN", "/adminx", "/a//b"] {
        assert_eq!(found(&table, &Method::GET, "acme.com", path), "app", "{path}");
    }
    // Another worker has nothing of what is guarded here.
    assert_eq!(found(&table, &Method::GET, "acme.com", "/other/../admin"), "other");
}

#[test]
fn a_token_that_names_the_tenant_leads_to_that_tenants_routes_alone() {
    let environment = tollgate_config::Environment::parse(
        "schema: tollgate.environment/v1\nenvironment: local\nlisteners: [{ address: 127.0.0.1:0 }]\n\
         identity: { by: [jwt], jwt: { keys: [k], issuer: i, audience: a } }\n\
         tenants: { acme: { hosts: [shared.com, acme.com] }, beta: { hosts: [shared.com] }, wide: { hosts: ['*'] } }",
        std::path::Path::new("t.yaml"),
    )
    .unwrap();
    let mut table = Table::new(Identity::new(&environment, None));
    for (tenant, id, host, access) in [
        ("acme", "acme", "shared.com", Access::Public),
        ("beta", "beta", "shared.com", Access::Jwt),
        ("wide", "wide", "*", Access::Public),
    ] {
        let deployment = deployment(tenant, id);
        let route = Arc::new(Route { access, deployment });
        table.add_route(&HostPattern::parse(host).unwrap(), &PathPrefix::parse("/").unwrap(), route);
    }
    for (host, tenant, expected) in [
        ("shared.com", "acme", "public acme"),
        ("shared.com", "beta", "authorized beta"),
        ("shared.com", "wide", "wrong_tenant"),
        ("acme.com", "beta", "wrong_tenant"),
        ("acme.com", "acme", "not_routed"),
        ("acme.com", "wide", "wrong_tenant"),
        ("other.com", "wide", "public wide"),
        ("other.com", "nobody", "wrong_tenant"),
    ] {
        assert!(matches!(
            table.find(host, "/", &Method::GET, Said::Nothing, false),
            Err(Refused::NoToken)
        ));
        let Ok(Arrival::Guarded(guarded)) = table.find(host, "/", &Method::GET, Said::Nothing, true) else {
            panic!("{host} is open")
        };
        let found = match table.unlock(guarded, &Proof::of(TenantId::new(tenant).unwrap()), host, "/") {
            Ok(leave) => match leave.route().access {
                Access::Public => format!("public {}", leave.route().deployment.id),
                Access::Jwt => format!("authorized {}", leave.route().deployment.id),
            },
            Err(refused) => refused.code().to_owned(),
        };
        assert_eq!(found, expected, "{tenant} at {host}");
    }
}
