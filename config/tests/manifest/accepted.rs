use crate::{EXAMPLE, HEAD, parse};
use std::{fmt::Write, net::SocketAddr, path::Path, time::Duration};
use tollgate_config::{
    ByteSize, EnvId, Environment, SecretRef, Setting,
    manifest::{
        Access, BreakerLimits, Deliver, Endpoint, IdentityBy, Journal, Limits, Protocol, Provider, ReuseLimits, Scalar, Serves, Store,
        StoreLimits, Tls,
    },
    pattern::HostPattern,
    setting::Fact,
};

#[test]
fn the_documents_example_means_what_it_says() {
    let environment = parse(EXAMPLE).unwrap();
    assert_eq!((environment.id.as_str(), environment.root.as_path()), ("local", Path::new("conf")));
    let [tls, plain] = environment.listeners.as_slice() else {
        panic!("two listeners")
    };
    assert!(matches!(&tls.tls, Some(Tls::SelfSigned(names)) if *names == ["localhost"]));
    assert_eq!(
        (tls.protocols.as_slice(), tls.place.line, tls.place.column),
        ([Protocol::H1, Protocol::H2].as_slice(), 4, 5)
    );
    assert!(plain.tls.is_none() && plain.trusted_proxies[0].contains([10, 1, 2, 3].into()));
    assert_eq!(environment.admin.address, SocketAddr::from(([127, 0, 0, 1], 9901)));
    assert_eq!(environment.admin.token, Some(SecretRef::Env("TOLLGATE_ADMIN_TOKEN".into())));
    assert!(matches!(&environment.store, Store::Sled(path) if path == Path::new("conf/.tollgate/store")));
    assert!(matches!(&environment.journal, Journal::Folder(path) if path == Path::new("conf/.tollgate/journal")));
    assert_eq!(
        (environment.trust.keys.as_slice(), environment.trust.allow_unsigned),
        (["conf/trust/publisher.pub".into()].as_slice(), false)
    );
    assert_eq!(environment.identity.by, [IdentityBy::Host]);
    let tenant = environment.tenants.values().next().unwrap();
    assert_eq!(tenant.hosts, [HostPattern::Exact("acme.localhost".into())]);
    assert_eq!(tenant.accounts[&Provider::Slack], ["T024BE7LD"]);
    let endpoint = &environment.endpoints[0];
    assert_eq!(
        (endpoint.id.as_str(), endpoint.path.as_str(), serves(endpoint)),
        ("acme-slack", "/slack/events", "acme: support".to_owned())
    );
    assert_eq!(
        (endpoint.provider, endpoint.deliver, &endpoint.host),
        (Provider::Slack, Deliver::Respond, &None)
    );
    assert_eq!(endpoint.team.as_ref().map(|team| team.as_str()), Some("support"));
    let secrets: Vec<_> = endpoint
        .signing
        .iter()
        .map(|secret| (secret.reference.clone(), secret.not_after))
        .collect();
    let old = SecretRef::File("conf/secrets/slack-old".into());
    assert_eq!(
        secrets,
        [(SecretRef::Env("SLACK_SIGNING_SECRET".into()), None), (old, Some(1_769_817_600))]
    );
    let deployment = &environment.deployments[0];
    assert_eq!(
        (deployment.routes[0].access, deployment.routes[0].path.as_str()),
        (Access::Public, "/")
    );
    assert_eq!(deployment.revisions[0].pack, Path::new("conf/packs/support.gtpack"));
    assert_eq!(deployment.traffic[&deployment.revisions[0].id].get(), 10_000);
    assert_eq!(deployment.limits, Limits::default());
    assert_eq!(deployment.config["region"], Setting::Text("eu".to_owned()));
}

#[test]
fn what_is_not_said_has_its_default() {
    let environment = parse(HEAD).unwrap();
    assert_eq!(environment.listeners[0].protocols, [Protocol::H1, Protocol::H2]);
    assert!(!environment.listeners[0].strict_sni && environment.listeners[0].trusted_proxies.is_empty());
    assert_eq!(
        (environment.admin.address, environment.admin.token),
        (SocketAddr::from(([127, 0, 0, 1], 0)), None)
    );
    assert!(matches!(&environment.store, Store::Sled(path) if path == Path::new("conf/.tollgate/store")));
    assert!(matches!(&environment.journal, Journal::Folder(path) if path == Path::new("conf/.tollgate/journal")));
    assert!(environment.trust.keys.is_empty() && !environment.trust.allow_unsigned);
    assert_eq!(environment.identity.by, [IdentityBy::Host]);
    assert!(environment.tenants.is_empty() && environment.endpoints.is_empty() && environment.deployments.is_empty());

    let memory = parse(&format!("{HEAD}store: {{ kind: memory }}\n")).unwrap();
    assert!(matches!((memory.store, memory.journal), (Store::Memory, Journal::Memory)));

    let queue = format!(
        "{HEAD}tenants: {{ a: {{ hosts: [a] }} }}\ndeployments: [{{ id: d, tenant: a, revisions: [{{ id: 1, pack: p }}], limits: {{ concurrency: 8 }} }}]"
    );
    let limits = parse(&queue).unwrap().deployments[0].limits;
    assert_eq!(
        limits,
        Limits {
            concurrency: 8,
            queue: 8,
            ..Limits::default()
        }
    );
}

#[test]
fn limits_are_read_in_their_units() {
    let text = format!(
        "{HEAD}tenants: {{ a: {{ hosts: [a] }} }}\ndeployments: [{{ id: d, tenant: a, revisions: [{{ id: r, pack: /p }}], limits: {{ memory: 4GiB, cpu: 1ms, wall: 1h, first_byte: 1s, stall: 2s, breaker: {{ failures: 3 }}, reuse: {{ requests: 1000, at_once: 1 }}, concurrency: 16384, queue: 0, queue_wait: 1m, body: 512B, store: {{ keys: 0, bytes: 1GiB, operations: 7, rate: 9 }} }} }}]"
    );
    let expected = Limits {
        memory: ByteSize::gib(4),
        cpu: Duration::from_millis(1),
        wall: Duration::from_secs(3600),
        first_byte: Duration::from_secs(1),
        stall: Duration::from_secs(2),
        breaker: Some(BreakerLimits {
            failures: 3,
            ..BreakerLimits::default()
        }),
        reuse: Some(ReuseLimits {
            requests: 1000,
            idle: ReuseLimits::IDLE,
        }),
        concurrency: 16_384,
        queue: 0,
        queue_wait: Duration::from_secs(60),
        body: ByteSize::bytes(512),
        store: StoreLimits {
            keys: 0,
            bytes: ByteSize::gib(1),
            operations: 7,
            rate: 9,
        },
    };
    let deployment = parse(&text).unwrap().deployments.remove(0);
    assert_eq!(
        (deployment.limits, deployment.revisions[0].pack.as_path()),
        (expected, Path::new("/p"))
    );
}

#[test]
fn providers_that_publish_their_keys_need_no_secrets() {
    for (provider, secrets) in [
        ("teams", ""),
        ("paypal", ""),
        ("teams", ", secrets: { verify: env://V }"),
        ("paypal", ", secrets: {}"),
    ] {
        let text = format!(
            "{HEAD}tenants: {{ a: {{ hosts: [a] }} }}\nendpoints: [{{ id: e, tenant: a, provider: {provider}, path: /, deployment: d{secrets} }}]\ndeployments: [{{ id: d, tenant: a, revisions: [{{ id: r, pack: p }}] }}]"
        );
        let endpoint = parse(&text).unwrap().endpoints.remove(0);
        assert!(endpoint.signing.is_empty(), "{provider} {secrets}");
        assert_eq!(endpoint.verify.is_some(), secrets.contains("verify"), "{provider} {secrets}");
    }
}

#[test]
fn scalars_are_kept_as_they_are_written() {
    let text = format!(
        "{HEAD}tenants: {{ a: {{ hosts: [a] }} }}\nendpoints: [{{ id: e, tenant: a, provider: github, path: /, deployment: d, secrets: {{ signing: env://S }},\n  options: {{ a: true, b: 7, c: \"7\", d: 007, e: 1.50, f: yes, g: \"\" }} }}]\ndeployments: [{{ id: d, tenant: a, revisions: [{{ id: r, pack: p }}], config: {{ a: true, b: 007, c: \"x: 1\", d: 1.50, e: runtime://tenant }} }}]"
    );
    let environment = parse(&text).unwrap();
    let options: Vec<_> = environment.endpoints[0]
        .options
        .values()
        .map(|option| option.value.clone())
        .collect();
    let text = |text: &str| Scalar::Text(text.to_owned());
    assert_eq!(
        options,
        [
            Scalar::Bool(true),
            Scalar::Integer(7),
            text("7"),
            text("007"),
            text("1.50"),
            text("yes"),
            text("")
        ]
    );
    assert_eq!(
        (
            environment.endpoints[0].options["b"].place.line,
            environment.endpoints[0].options["b"].place.column
        ),
        (6, 26)
    );
    let config: Vec<_> = environment.deployments[0].config.values().map(Setting::to_string).collect();
    assert_eq!(config, ["true", "007", "x: 1", "1.50", "runtime://tenant"]);
    assert_eq!(environment.deployments[0].config["e"], Setting::Runtime(Fact::Tenant));
}

#[test]
fn a_more_specific_host_is_carved_out_of_another_tenants_wildcard() {
    let text = format!(
        "{HEAD}tenants:\n  wide: {{ hosts: [\"*\"] }}\n  acme: {{ hosts: [\"*.example.com\"] }}\n  shop: {{ hosts: [shop.example.com, \"[::1]\"] }}\ndeployments:\n\
         - {{ id: w, tenant: wide, revisions: [{{ id: r, pack: p }}], routes: [{{ host: example.com, path: /, access: public }}, {{ host: \"*\", path: /, access: public }}] }}\n\
         - {{ id: a, tenant: acme, revisions: [{{ id: r, pack: p }}], routes: [{{ host: a.b.example.com, path: /, access: public }}, {{ host: \"*.b.example.com\", path: /, access: public }}] }}\n\
         - {{ id: s, tenant: shop, revisions: [{{ id: r, pack: p }}], routes: [{{ host: SHOP.example.com., path: /, access: public }}, {{ host: \"[0::1]\", path: /x, access: public }}] }}\n"
    );
    let environment = parse(&text).unwrap();
    assert_eq!(
        environment.deployments[2].routes[0].host,
        HostPattern::Exact("shop.example.com".into())
    );
    assert_eq!(environment.deployments[2].routes[1].host, HostPattern::Exact("[::1]".into()));
}

#[test]
fn certificates_and_a_token_open_more_than_loopback() {
    let text = "schema: tollgate.environment/v1\nenvironment: prod\nlisteners:\n- address: \"[::]:443\"\n  strict_sni: true\n  tls: { certificates: [{ cert: /tls/a.pem, key: a.key }] }\nadmin: { address: 0.0.0.0:9901, token: file:///run/token }\n";
    let environment = parse(text).unwrap();
    let Some(Tls::Certificates(certificates)) = &environment.listeners[0].tls else {
        panic!("certificates")
    };
    assert_eq!(
        (certificates[0].cert.as_path(), certificates[0].key.as_path()),
        (Path::new("/tls/a.pem"), Path::new("conf/a.key"))
    );
    assert!(environment.listeners[0].strict_sni);
    assert_eq!(environment.id, EnvId::new("prod").unwrap());
}

#[test]
fn a_file_is_read_and_its_folder_is_absolute() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(&path, format!("\u{feff}{HEAD}journal: {{ path: journal }}\n")).unwrap();
    let environment = Environment::read(&path).unwrap();
    assert_eq!(environment.root.as_path(), folder.path());
    assert!(matches!(&environment.journal, Journal::Folder(path) if *path == folder.path().join("journal")));
    assert!(environment.root.is_absolute());
}

/// A manifest of thousands of deployments is checked in one walk: as text about 1 MiB, far below the limit.
#[test]
fn two_thousand_deployments_fit() {
    let mut text = format!("{HEAD}tenants: {{ acme: {{ hosts: [\"*.localhost\"] }} }}\ndeployments:\n");
    for index in 0..2_000 {
        writeln!(text, "- id: d{index}\n  tenant: acme\n  routes: [{{ host: d{index}.localhost, path: /, access: public }}]\n  revisions: [{{ id: r1, pack: packs/p.gtpack }}]\n  traffic: {{ r1: 10000 }}\n  limits: {{ memory: 32MiB, cpu: 50ms, wall: 2s, concurrency: 64, body: 1MiB }}").unwrap();
    }
    assert!(text.len() < 1 << 20);
    assert_eq!(parse(&text).unwrap().deployments.len(), 2_000);
}

#[test]
fn a_timer_stands_among_the_endpoints_and_has_its_defaults() {
    let timers = format!(
        "{HEAD}tenants: {{ acme: {{ hosts: [acme.com] }} }}
endpoints:
- {{ id: plain, tenant: acme, provider: timer, deployment: d, options: {{ cron: '*/15 * * * * *' }} }}
- {{ id: full, tenant: acme, team: night, provider: timer, deployment: d, options: {{ cron: '0 5 * * *', timezone: Europe/Berlin, grace: 0ms }} }}
deployments: [{{ id: d, tenant: acme, revisions: [{{ id: r, pack: p }}] }}]
"
    );
    let environment = parse(&timers).unwrap();
    assert!(environment.endpoints.is_empty());
    let [plain, full] = environment.timers.as_slice() else {
        panic!("two timers")
    };
    let of = |timer: &tollgate_config::manifest::Timer| {
        (
            timer.schedule.cron().to_owned(),
            timer.schedule.timezone().to_owned(),
            timer.grace,
            timer.team.is_some(),
        )
    };
    assert_eq!(of(plain), ("*/15 * * * * *".into(), "UTC".into(), Duration::from_secs(600), false));
    assert_eq!(of(full), ("0 5 * * *".into(), "Europe/Berlin".into(), Duration::ZERO, true));
}

/// Tenants with their deployments, as `acme: support`.
fn serves(endpoint: &Endpoint) -> String {
    let each = endpoint.serves.each().map(|(tenant, deployment)| format!("{tenant}: {deployment}"));
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn an_endpoint_is_shared_by_a_mapping() {
    let text = format!(
        "{HEAD}tenants:\n  acme: {{ hosts: [acme.com], accounts: {{ slack: [T1] }} }}\n  beta: {{ hosts: [\"*.beta.com\"], accounts: {{ slack: [T2], github: [T1] }} }}\n\
         endpoints:\n- {{ id: s, provider: slack, path: /s, deployment: {{ acme: a, beta: b }}, secrets: {{ signing: env://S }} }}\n\
         - {{ id: h, provider: slack, host: in.beta.com, path: /h, deployment: {{ acme: a, beta: b }}, secrets: {{ signing: env://S }} }}\n\
         deployments:\n- {{ id: a, tenant: acme, revisions: [{{ id: r, pack: p }}] }}\n- {{ id: b, tenant: beta, revisions: [{{ id: r, pack: p }}] }}\n"
    );
    let environment = parse(&text).unwrap();
    for endpoint in &environment.endpoints {
        assert!(matches!(endpoint.serves, Serves::Shared(_)), "{}", endpoint.id);
        assert_eq!(serves(endpoint), "acme: a, beta: b", "{}", endpoint.id);
    }
}

#[test]
fn rates_and_networks_have_their_defaults() {
    let endpoint = |more: &str| {
        let text = format!(
            "{HEAD}tenants: {{ acme: {{ hosts: [acme.com] }} }}\n\
             endpoints: [{{ id: e, tenant: acme, provider: slack, path: /s, deployment: a, secrets: {{ signing: env://S }}{more} }}]\n\
             deployments: [{{ id: a, tenant: acme, revisions: [{{ id: r, pack: p }}] }}]\n"
        );
        parse(&text).unwrap().endpoints.remove(0)
    };
    let none = endpoint("");
    assert_eq!((none.rate, none.allow_from.len()), (None, 0));
    let some = endpoint(", rate: { requests: 30, per: 1m }, allow_from: [192.0.2.0/24]");
    let rate = some.rate.unwrap();
    assert_eq!((rate.requests.get(), rate.burst.get()), (30, 30));
    assert_eq!((rate.per, rate.interval()), (Duration::from_secs(60), Duration::from_secs(2)));
    assert!(some.allow_from[0].contains([192, 0, 2, 9].into()));
    assert_eq!(endpoint(", rate: { requests: 1, burst: 7 }").rate.unwrap().burst.get(), 7);
}
