#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::listen::serve::Activity;

fn peer(tls: bool, server_name: Option<&str>, trusted: bool) -> Peer {
    Peer {
        address: "192.0.2.1:1234".parse().unwrap(),
        proxy: None,
        tls,
        server_name: server_name.map(|name| Host::parse(name).ok()),
        trusted,
        activity: Activity::default(),
    }
}

fn parts(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn verdict(parts: &Parts, peer: &Peer) -> Result<String, u16> {
    check(parts, peer)
        .map(|(target, _)| target.host.to_string())
        .map_err(|refused| refused.status().as_u16())
}

#[test]
fn one_request_has_one_host() {
    let (one, two) = (Version::HTTP_11, Version::HTTP_2);
    for (name, version, uri, hosts, expected) in [
        ("one host", one, "/", vec!["a.example"], Ok("a.example")),
        (
            "case, port and dot do not count",
            one,
            "/",
            vec!["A.Example.:8080"],
            Ok("a.example"),
        ),
        ("RFC 9112 3.2: no Host", one, "/", vec![], Err(400)),
        ("RFC 9112 3.2: two Hosts", one, "/", vec!["a.example", "b.example"], Err(400)),
        ("RFC 9112 3.2: two equal Hosts", one, "/", vec!["a.example", "a.example"], Err(400)),
        ("an empty Host", one, "/", vec![""], Err(400)),
        ("two hosts in one field", one, "/", vec!["a.example, b.example"], Err(400)),
        ("user information", one, "/", vec!["a.example@b.example"], Err(400)),
        ("a path in it", one, "/", vec!["a.example/x"], Err(400)),
        (
            "RFC 9112 3.2.2: absolute form",
            one,
            "http://a.example/x",
            vec!["a.example"],
            Ok("a.example"),
        ),
        ("absolute form without Host", one, "http://a.example/x", vec![], Err(400)),
        (
            "absolute form and another Host",
            one,
            "http://a.example/x",
            vec!["b.example"],
            Err(400),
        ),
        (
            "absolute form and another port",
            one,
            "http://a.example:1/x",
            vec!["a.example:2"],
            Err(400),
        ),
        (
            "absolute form with user information",
            one,
            "http://u:p@a.example/",
            vec!["a.example"],
            Err(400),
        ),
        ("a scheme that is not HTTP's", one, "ftp://a.example/x", vec!["a.example"], Err(400)),
        ("HTTP/1.0 without Host", Version::HTTP_10, "/", vec![], Err(400)),
        (
            "RFC 9113 8.3.1: :authority alone",
            two,
            "https://a.example/",
            vec![],
            Ok("a.example"),
        ),
        (
            ":authority and the same Host",
            two,
            "https://a.example/",
            vec!["A.EXAMPLE"],
            Ok("a.example"),
        ),
        (
            ":authority and another Host",
            two,
            "https://a.example/",
            vec!["b.example"],
            Err(400),
        ),
        (":authority with user information", two, "https://u@a.example/", vec![], Err(400)),
    ] {
        let headers: Vec<_> = hosts.into_iter().map(|host| ("host", host)).collect();
        let got = verdict(&parts(version, "GET", uri, &headers), &peer(false, None, false));
        assert_eq!(got.as_deref().map_err(|status| *status), expected, "{name}");
    }
}

#[test]
fn targets_without_a_path_are_refused() {
    for (method, uri) in [("CONNECT", "a.example:443"), ("OPTIONS", "*"), ("GET", "a.example:80")] {
        assert_eq!(
            verdict(
                &parts(Version::HTTP_11, method, uri, &[("host", "a.example")]),
                &peer(false, None, false)
            ),
            Err(400),
            "{method} {uri}"
        );
    }
}

#[test]
fn the_tls_name_must_be_the_host_when_there_is_one() {
    for (server_name, host, expected) in [
        (None, "a.example", Ok("a.example".to_owned())),
        (Some("a.example"), "A.example:8443", Ok("a.example".to_owned())),
        (Some("b.example"), "a.example", Err(421)),
        (Some("not a host"), "a.example", Err(421)),
    ] {
        let parts = parts(Version::HTTP_11, "GET", "/", &[("host", host)]);
        assert_eq!(verdict(&parts, &peer(true, server_name, false)), expected, "{server_name:?} {host}");
    }
}

#[test]
fn long_targets_and_heads_are_refused() {
    let path = |length: usize| format!("/{}", "x".repeat(length - 1));
    let plain = peer(false, None, false);
    let host = [("host", "a.example")];
    assert!(verdict(&parts(Version::HTTP_11, "GET", &path(MAX_TARGET), &host), &plain).is_ok());
    assert_eq!(
        verdict(&parts(Version::HTTP_11, "GET", &path(MAX_TARGET + 1), &host), &plain),
        Err(414)
    );

    let mut many = parts(Version::HTTP_11, "GET", "/", &host);
    for _ in 1..MAX_FIELDS {
        many.headers.append("x", HeaderValue::from_static("y"));
    }
    assert!(verdict(&many, &plain).is_ok());
    many.headers.append("x", HeaderValue::from_static("y"));
    assert_eq!(verdict(&many, &plain), Err(431));

    let mut long = parts(Version::HTTP_11, "GET", "/", &host);
    long.headers
        .insert("x", HeaderValue::from_str(&"y".repeat(MAX_FIELD_BYTES)).unwrap());
    assert_eq!(verdict(&long, &plain), Err(431));
}

#[test]
fn only_a_trusted_proxy_says_another_scheme() {
    for (tls, trusted, said, expected) in [
        (false, false, "https", Scheme::HTTP),
        (true, false, "http", Scheme::HTTPS),
        (false, true, "HTTPS", Scheme::HTTPS),
        (true, true, "http", Scheme::HTTP),
        (true, true, "gopher", Scheme::HTTPS),
    ] {
        let parts = parts(Version::HTTP_11, "GET", "/", &[("host", "a.example"), ("x-forwarded-proto", said)]);
        assert_eq!(
            scheme(&parts.headers, &peer(tls, None, trusted)),
            expected,
            "{tls} {trusted} {said}"
        );
    }
}
