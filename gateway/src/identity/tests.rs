#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn hosts(patterns: &[(&str, &str)]) -> TenantHosts {
    let mut hosts = TenantHosts::default();
    for (tenant, pattern) in patterns {
        hosts.add(&HostPattern::parse(pattern).unwrap(), &self::tenant(tenant));
    }
    hosts
}

fn owner(identity: &Identity, host: &str, said: Said<'_>, bearer: bool) -> String {
    match identity.owner(host, said, bearer) {
        Ok(Found::Tenant(tenant)) => tenant.to_string(),
        Ok(Found::Token) => "the token's".to_owned(),
        Err(refused) => refused.code().to_owned(),
    }
}

#[test]
fn the_most_specific_pattern_owns_the_host_and_is_carved_out_of_wildcards() {
    let hosts = hosts(&[
        ("wide", "*"),
        ("acme", "*.example.com"),
        ("beta", "*.eu.example.com"),
        ("gamma", "shop.eu.example.com"),
    ]);
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
    hosts.add(&HostPattern::Suffix("0.0.1".into()), &tenant("odd"));
    assert_eq!(hosts.owner("127.0.0.1"), None);
}

#[test]
fn the_first_way_that_finds_a_tenant_wins_and_the_host_must_be_its_own() {
    let patterns = [
        ("acme", "acme.com"),
        ("beta", "beta.com"),
        ("acme", "shared.com"),
        ("beta", "shared.com"),
        ("wide", "*"),
    ];
    type Ways<'a> = &'a [fn() -> Way];
    let (by_host, by_header, host_first, header_first, by_env): (Ways<'_>, Ways<'_>, Ways<'_>, Ways<'_>, Ways<'_>) = (
        &[|| Way::Host],
        &[|| Way::Header],
        &[|| Way::Host, || Way::Header],
        &[|| Way::Header, || Way::Host],
        &[|| Way::Header, || Way::Fixed(tenant("acme"))],
    );
    for (name, ways, host, said, expected) in [
        ("the host's", by_host, "acme.com", None, "acme"),
        ("a header that is not asked", by_host, "acme.com", Some("beta"), "acme"),
        ("a host of two", by_host, "shared.com", None, "not_routed"),
        ("the header's", by_header, "shared.com", Some("beta"), "beta"),
        ("no header", by_header, "acme.com", None, "not_routed"),
        ("nobody's header", by_header, "acme.com", Some("nobody"), "unknown_tenant"),
        ("no name at all", by_header, "acme.com", Some("a b"), "unknown_tenant"),
        ("an empty header", by_header, "acme.com", Some(""), "unknown_tenant"),
        ("a header against the host", by_header, "acme.com", Some("beta"), "wrong_tenant"),
        (
            "a header against a carved-out host",
            by_header,
            "acme.com",
            Some("wide"),
            "wrong_tenant",
        ),
        (
            "a header against a shared host",
            by_header,
            "shared.com",
            Some("wide"),
            "wrong_tenant",
        ),
        ("a wildcard's host", by_header, "other.com", Some("wide"), "wide"),
        ("host before header", host_first, "acme.com", Some("beta"), "acme"),
        ("header where the host is shared", host_first, "shared.com", Some("beta"), "beta"),
        ("header before host", header_first, "acme.com", Some("acme"), "acme"),
        (
            "header before host, against it",
            header_first,
            "acme.com",
            Some("beta"),
            "wrong_tenant",
        ),
        ("host where there is no header", header_first, "beta.com", None, "beta"),
        ("the environment's", by_env, "shared.com", None, "acme"),
        ("the environment's, at another's host", by_env, "beta.com", None, "wrong_tenant"),
        ("header before the environment", by_env, "beta.com", Some("beta"), "beta"),
    ] {
        let identity = Identity {
            ways: ways.iter().map(|way| way()).collect(),
            hosts: hosts(&patterns),
            tenants: ["acme", "beta", "wide"].into_iter().map(tenant).collect(),
        };
        let value = said.map(|said| HeaderValue::from_str(said).unwrap());
        let said = value.as_ref().map_or(Said::Nothing, Said::Once);
        assert_eq!(owner(&identity, host, said, false), expected, "{name}");
    }
}

#[test]
fn only_a_trusted_proxy_is_heard_and_only_if_it_speaks_once() {
    let mut headers = HeaderMap::new();
    assert_eq!(Said::by(&headers, true), Said::Nothing);
    let acme = HeaderValue::from_static("acme");
    headers.append(X_GREENTIC_TENANT, acme.clone());
    assert_eq!(
        (Said::by(&headers, true), Said::by(&headers, false)),
        (Said::Once(&acme), Said::Nothing)
    );
    headers.append(X_GREENTIC_TENANT, acme);
    assert_eq!((Said::by(&headers, true), Said::by(&headers, false)), (Said::Twice, Said::Nothing));
    let twice = Identity {
        ways: vec![Way::Header],
        hosts: hosts(&[("acme", "acme.com")]),
        tenants: HashSet::from([tenant("acme")]),
    };
    assert_eq!(owner(&twice, "acme.com", Said::Twice, false), "unknown_tenant");
}

#[test]
fn a_token_is_asked_in_its_turn_and_never_for_an_endpoint() {
    let patterns = [("acme", "acme.com"), ("acme", "shared.com"), ("beta", "shared.com")];
    type Ways<'a> = &'a [fn() -> Way];
    let (alone, first, last): (Ways<'_>, Ways<'_>, Ways<'_>) =
        (&[|| Way::Token], &[|| Way::Token, || Way::Host], &[|| Way::Host, || Way::Token]);
    for (name, ways, host, bearer, expected, endpoints) in [
        ("a token alone", alone, "acme.com", true, "the token's", None),
        ("no token", alone, "acme.com", false, "missing_token", None),
        ("no token, at nobody's host", alone, "nobody.com", false, "not_routed", None),
        ("a token first", first, "acme.com", true, "the token's", Some("acme")),
        ("a token first, and none", first, "acme.com", false, "acme", Some("acme")),
        ("a token last", last, "acme.com", true, "acme", Some("acme")),
        ("a token last, at a shared host", last, "shared.com", true, "the token's", None),
        (
            "a token last, at a shared host, and none",
            last,
            "shared.com",
            false,
            "missing_token",
            None,
        ),
    ] {
        let identity = Identity {
            ways: ways.iter().map(|way| way()).collect(),
            hosts: hosts(&patterns),
            tenants: ["acme", "beta"].into_iter().map(tenant).collect(),
        };
        assert_eq!(owner(&identity, host, Said::Nothing, bearer), expected, "{name}");
        let endpoint = identity.endpoints_owner(host, Said::Nothing).map(TenantId::as_str);
        assert_eq!(endpoint, endpoints, "{name}");
    }
}
