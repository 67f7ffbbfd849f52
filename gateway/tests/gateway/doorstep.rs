//! Who may call, how often, and whose it is.

use crate::harness::{Answer, Gateway, deployment, get, manifest, read_all, send_h1, signed, slack, status_of};
use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

async fn with(change: impl FnOnce(&mut Value)) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo"]);
    change(&mut manifest);
    Gateway::start(folder, &manifest).await
}

fn message(team: &str, event: &str) -> Request<String> {
    let payload = json!({
        "type": "event_callback", "team_id": team, "api_app_id": "A1", "event_id": event, "event_time": 1,
        "event": { "type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1.000100" },
    });
    signed("echo", &payload.to_string())
}

async fn strays(gateway: &Gateway) -> Answer {
    let admin = TcpStream::connect(gateway.running.admin).await.unwrap();
    send_h1(admin, get("localhost", "/admin/unknown-accounts")).await
}

#[tokio::test]
async fn an_account_that_nobody_lists_is_acknowledged_counted_and_kept() {
    let gateway = with(|manifest| manifest["tenants"]["acme"]["accounts"] = json!({ "slack": ["T1"] })).await;
    for (team, event, runs) in [("T1", "Ev1", 1), ("T2", "Ev2", 1), ("T2", "Ev2", 1), ("T3", "Ev3", 1)] {
        let answer = gateway.send(message(team, event)).await;
        assert_eq!((answer.status, answer.text.is_empty()), (200, team != "T1"), "{team}");
        assert_eq!(gateway.calls().await, runs, "{team}");
    }
    let count = ["provider=\"slack\"", "reason=\"unknown_account\""];
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &count).await, 3);
    let count = ["endpoint=\"slack-echo\"", "result=\"unknown_account\""];
    assert_eq!(gateway.metric("tollgate_deliveries_total", &count).await, 3);
    let kept = strays(&gateway).await;
    assert_eq!(kept.status, 200);
    let seen: Vec<_> = kept
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|stray| stray["event_id"].clone())
        .collect();
    assert_eq!(seen, ["Ev3", "Ev2", "Ev2"], "the newest first");
    let kept = kept.json();
    let first = &kept[0];
    assert_eq!(
        (&first["endpoint"], &first["provider"], &first["account"]),
        (&json!("slack-echo"), &json!("slack"), &json!("T3"))
    );
    assert!(first["bytes"].as_u64().unwrap() > 100 && first["time"].is_string(), "{first}");
    assert!(!kept.to_string().contains("hi"), "no bodies: {kept}");
}

#[tokio::test]
async fn a_shared_endpoint_runs_the_tenant_that_lists_the_account() {
    let gateway = with(|manifest| {
        manifest["tenants"] = json!({
            "acme": { "hosts": ["acme.localhost", "*.localhost", "localhost"], "accounts": { "slack": ["T1"] } },
            "beta": { "hosts": ["beta.localhost"], "accounts": { "slack": ["T2", "T3"] } },
        });
        let mut beta = deployment("echo");
        beta["id"] = json!("beta-echo");
        beta["tenant"] = json!("beta");
        beta["routes"] = json!([]);
        manifest["deployments"].as_array_mut().unwrap().push(beta);
        let endpoint = &mut manifest["endpoints"][0];
        endpoint.as_object_mut().unwrap().remove("tenant");
        endpoint["deployment"] = json!({ "acme": "echo", "beta": "beta-echo" });
    })
    .await;
    for (host, team, event, tenant) in [
        ("acme.localhost", "T1", "Ev1", "acme"),
        ("acme.localhost", "T2", "Ev2", "beta"),
        ("beta.localhost", "T3", "Ev3", "beta"),
        ("beta.localhost", "T1", "Ev4", "acme"),
    ] {
        let mut request = message(team, event);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, 200, "{host} {team}");
        let labels = [format!("tenant=\"{tenant}\"")];
        let calls = gateway.metric("tollgate_worker_calls_total", &[labels[0].as_str()]).await;
        assert!(answer.text.contains(&format!("{tenant}:slack:")), "{host} {team}: {}", answer.text);
        assert!(calls > 0, "{host} {team}");
    }
    assert_eq!(gateway.calls().await, 4);
    // Marks are the endpoint's: the same event by another host is a repeat.
    let again = gateway.send(message("T3", "Ev3")).await;
    assert_eq!((again.status, again.text.is_empty(), gateway.calls().await), (200, true, 4));
    // A route of one tenant's host is not touched by the other's.
    assert_eq!(gateway.send(message("T9", "Ev9")).await.status, 200);
    assert_eq!(gateway.calls().await, 4);
}

#[tokio::test]
async fn an_endpoint_over_its_rate_costs_no_signature() {
    let gateway = with(|manifest| manifest["endpoints"][0]["rate"] = json!({ "requests": 1, "per": "1h", "burst": 2 })).await;
    let mut forged = slack("echo", "Ev1");
    forged.headers_mut().insert("x-slack-signature", "v0=00".parse().unwrap());
    assert_eq!(gateway.send(forged).await.status, 401, "a forgery counts too");
    assert_eq!(gateway.send(slack("echo", "Ev1")).await.status, 200);
    // Nothing of this body is sent: the answer comes before it.
    let head =
        "POST /slack/echo HTTP/1.1\r\nhost: acme.localhost\r\ncontent-length: 100\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    let text = gateway.raw(head.as_bytes()).await;
    assert_eq!(status_of(&text), 429, "{text}");
    let wait = text.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    let wait: u64 = wait.parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    let count = ["provider=\"slack\"", "reason=\"rate_limited\""];
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &count).await, 1);
    assert_eq!(gateway.calls().await, 1);
    assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200, "a route is no endpoint");
}

#[tokio::test]
async fn a_tenant_over_its_rate_is_refused_everywhere_and_others_are_not() {
    let gateway = with(|manifest| {
        manifest["tenants"]["acme"]["rate"] = json!({ "requests": 1, "per": "1h", "burst": 2 });
        manifest["tenants"]["beta"] = json!({ "hosts": ["beta.localhost"] });
        let mut beta = deployment("echo");
        beta["id"] = json!("beta");
        beta["tenant"] = json!("beta");
        beta["routes"][0]["host"] = json!("beta.localhost");
        manifest["deployments"].as_array_mut().unwrap().push(beta);
    })
    .await;
    let mut forged = slack("echo", "Ev1");
    forged.headers_mut().insert("x-slack-signature", "v0=00".parse().unwrap());
    assert_eq!(gateway.send(forged).await.status, 401, "nobody's yet, so nobody's cost");
    assert_eq!(gateway.send(slack("echo", "Ev1")).await.status, 200);
    assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200);
    let answer = gateway.send(slack("echo", "Ev2")).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (429, true));
    assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 429);
    assert_eq!(gateway.send(get("beta.localhost", "/")).await.status, 200);
    // The refused delivery left nothing behind.
    gateway.until("tollgate_dedupe_in_flight", 0).await;
}

#[tokio::test]
async fn only_allowed_addresses_may_call_and_no_header_changes_that() {
    for (allowed, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)] {
        let gateway = with(|manifest| {
            manifest["endpoints"][0]["allow_from"] = json!([allowed]);
            // A trusted proxy's word is taken for much, and not for this.
            manifest["listeners"][0]["trusted_proxies"] = json!(["127.0.0.1"]);
        })
        .await;
        let mut request = slack("echo", "Ev1");
        for name in ["x-forwarded-for", "x-real-ip"] {
            request.headers_mut().insert(name, "192.0.2.7".parse().unwrap());
        }
        request.headers_mut().insert("forwarded", "for=192.0.2.7".parse().unwrap());
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, status, "{allowed}: {answer:?}");
        let count = ["reason=\"address_not_allowed\""];
        let rejected = gateway.metric("tollgate_ingress_rejected_total", &count).await;
        assert_eq!(rejected, u64::from(status == 403));
        assert_eq!(gateway.send(get("echo.localhost", "/")).await.status, 200, "a route has no list");
    }
}

/// What is answered to this request after this PROXY header; nothing when the connection is closed.
async fn proxied(gateway: &Gateway, header: &[u8], request: &Request<String>) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str(&format!(
        "content-length: {}\r\nconnection: close\r\n\r\n{}",
        request.body().len(),
        request.body()
    ));
    let mut stream = gateway.connect().await;
    // The gateway may close before all of it is out.
    let _ = stream.write_all(&[header, text.as_bytes()].concat()).await;
    read_all(&mut stream).await
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\x01\xbb";

#[tokio::test]
async fn the_client_behind_a_trusted_proxy_is_the_one_that_counts() {
    let gateway = with(|manifest| {
        manifest["endpoints"][0]["allow_from"] = json!(["192.0.2.0/24"]);
        manifest["listeners"][0]["trusted_proxies"] = json!(["127.0.0.1"]);
        manifest["listeners"][0]["proxy_protocol"] = json!(true);
    })
    .await;
    let other = b"PROXY TCP4 198.51.100.1 127.0.0.1 4711 443\r\n";
    for (header, event, status) in [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n".as_slice(), "Ev1", 200),
        (V2, "Ev2", 200),
        (other, "Ev3", 403),
        (b"PROXY UNKNOWN\r\n", "Ev4", 403),
    ] {
        let text = proxied(&gateway, header, &slack("echo", event)).await;
        assert_eq!(status_of(&text), status, "{}: {text}", header.escape_ascii());
    }
    assert_eq!(gateway.calls().await, 2);
    for header in [b"".as_slice(), b"PROXY TCP4 nonsense\r\n"] {
        let text = proxied(&gateway, header, &slack("echo", "Ev5")).await;
        assert_eq!(text, "", "{}", header.escape_ascii());
    }
    let malformed = ["kind=\"proxy_header_malformed\""];
    assert_eq!(gateway.metric("tollgate_connection_errors_total", &malformed).await, 2);
    // A client behind the proxy is none itself: its own word about others is worth nothing.
    let mut request = get("echo.localhost", "/");
    request.headers_mut().insert("x-forwarded-for", "10.9.9.9".parse().unwrap());
    // Neither is one that the proxy does not name.
    for header in [other.as_slice(), b"PROXY UNKNOWN\r\n"] {
        let text = proxied(&gateway, header, &request).await;
        assert!(status_of(&text) == 200 && !text.contains("10.9.9.9"), "{text}");
    }
}

#[tokio::test]
async fn who_is_no_trusted_proxy_is_closed_at_once() {
    let gateway = with(|manifest| {
        manifest["listeners"][0]["trusted_proxies"] = json!(["192.0.2.1"]);
        manifest["listeners"][0]["proxy_protocol"] = json!(true);
    })
    .await;
    let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n";
    assert_eq!(proxied(&gateway, header, &slack("echo", "Ev1")).await, "");
    let refused = gateway
        .metric("tollgate_connections_refused_total", &["limit=\"untrusted_proxy\""])
        .await;
    assert_eq!((refused, gateway.calls().await), (1, 0));
}

#[tokio::test]
async fn many_at_once_never_pass_more_than_the_burst() {
    let gateway = with(|manifest| manifest["endpoints"][0]["rate"] = json!({ "requests": 1, "per": "1h", "burst": 7 })).await;
    let answers = join_all((0..40).map(|event| gateway.send(slack("echo", &format!("Ev{event}"))))).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((passed, refused, gateway.calls().await), (7, 33, 7));
}
