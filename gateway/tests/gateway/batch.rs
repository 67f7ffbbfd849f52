//! Several events in one request: each is a delivery of its own, and all of them have one answer.

use crate::harness::{Answer, Gateway, SECRET, deployment, get, manifest};
use http::Request;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Key, UnixTime, sign};

/// A gateway with a WhatsApp endpoint, and these tenants with their numbers and deployments.
async fn with(path: &str, tenants: &[(&str, &str, &str)]) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo", "hostile"]);
    let secret = folder.path().join("slack.secret");
    let mut mapping = json!({});
    manifest["deployments"] = json!([]);
    manifest["tenants"] = json!({});
    for (tenant, number, sample) in tenants {
        let mut own = deployment(sample);
        own["id"] = json!(format!("{tenant}-{sample}"));
        own["tenant"] = json!(tenant);
        own["routes"] = json!([]);
        manifest["deployments"].as_array_mut().unwrap().push(own);
        manifest["tenants"][tenant] = json!({ "hosts": [format!("{tenant}.localhost")], "accounts": { "whatsapp": [number] } });
        mapping[tenant] = json!(format!("{tenant}-{sample}"));
    }
    let verify = folder.path().join("verify.secret");
    std::fs::write(&verify, "open-sesame\n").unwrap();
    manifest["endpoints"] = json!([{
        "id": "wa", "provider": "whatsapp", "path": path, "deployment": mapping,
        "secrets": { "signing": [format!("file://{}", secret.display())], "verify": format!("file://{}", verify.display()) },
    }]);
    Gateway::start(folder, &manifest).await
}

/// One message for each `(number, customer, id)`, signed, in one request.
fn messages(path: &str, messages: &[(&str, &str, &str)]) -> Request<String> {
    let entry = |(number, customer, id): &(&str, &str, &str)| {
        json!({ "id": "W1", "changes": [{ "field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "1", "phone_number_id": number },
            "contacts": [{ "profile": { "name": "Ada" }, "wa_id": customer }],
            "messages": [{ "from": customer, "id": id, "timestamp": "1771495200", "type": "text", "text": { "body": id } }],
        } }] })
    };
    let entries: Vec<Value> = messages.iter().map(entry).collect();
    let payload = json!({ "object": "whatsapp_business_account", "entry": entries }).to_string();
    let key = Key::new(SECRET.into(), None).unwrap();
    let signed = sign::sign(Provider::Whatsapp, payload.as_bytes(), &key, UnixTime(0), None).unwrap();
    let mut request = Request::post(path).body(String::from_utf8(signed.body).unwrap()).unwrap();
    *request.headers_mut() = signed.headers;
    request.headers_mut().insert("host", "acme.localhost".parse().unwrap());
    request
}

/// Status, whether the body is empty, and how many workers have run by now.
async fn told(gateway: &Gateway, answer: Answer) -> (u16, bool, u64) {
    (answer.status, answer.text.is_empty(), gateway.calls().await)
}

async fn results(gateway: &Gateway) -> [u64; 4] {
    let mut counts = [0; 4];
    for (count, result) in counts.iter_mut().zip(["done", "failed", "duplicate", "unknown_account"]) {
        let labels = ["endpoint=\"wa\"".to_owned(), format!("result=\"{result}\"")];
        *count = gateway
            .metric("tollgate_deliveries_total", &labels.each_ref().map(String::as_str))
            .await;
    }
    counts
}

#[tokio::test]
async fn each_event_runs_once_and_all_have_one_empty_answer() {
    let gateway = with("/wa", &[("acme", "N1", "echo")]).await;
    let one = || messages("/wa", &[("N1", "ada", "m1")]);
    // One event too is answered so.
    assert_eq!(told(&gateway, gateway.send(one()).await).await, (200, true, 1));
    let many: Vec<_> = (1..=40).map(|event| format!("m{event}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|id| ("N1", if id.ends_with('1') { "ada" } else { "bob" }, id.as_str()))
        .collect();
    assert_eq!(told(&gateway, gateway.send(messages("/wa", &many)).await).await, (200, true, 40));
    assert_eq!(told(&gateway, gateway.send(messages("/wa", &many)).await).await, (200, true, 40));
    assert_eq!(results(&gateway).await, [40, 0, 41, 0]);
    gateway.until("tollgate_dedupe_in_flight", 0).await;
}

#[tokio::test]
async fn the_handshake_shows_the_token_of_secrets_verify() {
    let gateway = with("/wa", &[("acme", "N1", "echo")]).await;
    let ask = |token: &str| {
        get(
            "acme.localhost",
            &format!("/wa?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"),
        )
    };
    let answer = gateway.send(ask("open-sesame")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "1158201444"));
    assert_eq!(gateway.send(ask("open-barley")).await.status, 403);
    assert_eq!(
        gateway
            .metric("tollgate_deliveries_total", &["endpoint=\"wa\"", "result=\"handshake\""])
            .await,
        1
    );
    assert_eq!(gateway.calls().await, 0);
}

#[tokio::test]
async fn a_repeat_within_one_request_waits_for_nobody() {
    let gateway = with("/wa", &[("acme", "N1", "echo")]).await;
    let request = messages(
        "/wa",
        &[("N1", "ada", "m1"), ("N1", "ada", "m1"), ("N1", "bob", "m1"), ("N1", "bob", "m2")],
    );
    assert_eq!(told(&gateway, gateway.send(request).await).await, (200, true, 2));
    assert_eq!(results(&gateway).await, [2, 0, 2, 0]);
}

#[tokio::test]
async fn one_request_splits_between_tenants_and_only_what_is_not_done_runs_again() {
    // `hostile` knows no misdeed by this path and answers 404, which is no 2xx.
    let gateway = with("/wa", &[("acme", "N1", "echo"), ("beta", "N2", "hostile")]).await;
    let both = || {
        messages(
            "/wa",
            &[("N1", "ada", "m1"), ("N2", "ada", "m2"), ("N1", "bob", "m3"), ("N9", "eve", "m4")],
        )
    };
    let first = gateway.send(both()).await;
    assert!(first.headers.contains_key("retry-after"), "{first:?}");
    assert_eq!((first.status, gateway.calls().await), (503, 3));
    let calls = |tenant: &'static str| {
        let label = format!("tenant=\"{tenant}\"");
        let gateway = &gateway;
        async move { gateway.metric("tollgate_worker_calls_total", &[label.as_str()]).await }
    };
    assert_eq!((calls("acme").await, calls("beta").await), (2, 1));
    assert_eq!(results(&gateway).await, [2, 1, 0, 1]);
    let retry = gateway.send(both()).await;
    assert_eq!((retry.status, calls("acme").await, calls("beta").await), (503, 2, 2));
    assert_eq!(results(&gateway).await, [2, 2, 2, 2]);
    // A request that comes to something is no rejected one.
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &[]).await, 0);
}

#[tokio::test]
async fn what_is_nobodys_is_set_aside_and_the_rest_runs() {
    let gateway = with("/wa", &[("acme", "N1", "echo")]).await;
    let mixed = messages("/wa", &[("N9", "eve", "m1"), ("N1", "ada", "m2")]);
    assert_eq!(told(&gateway, gateway.send(mixed).await).await, (200, true, 1));
    let rejected = ["provider=\"whatsapp\"", "reason=\"unknown_account\""];
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &rejected).await, 0);
    let strays = messages("/wa", &[("N9", "eve", "m3"), ("N8", "eve", "m4")]);
    assert_eq!(told(&gateway, gateway.send(strays).await).await, (200, true, 1));
    assert_eq!(gateway.metric("tollgate_ingress_rejected_total", &rejected).await, 1, "one request");
    assert_eq!(results(&gateway).await, [1, 0, 0, 3]);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_and_nothing_is_done_that_was_not() {
    let gateway = with("/slow", &[("acme", "N1", "hostile")]).await;
    let request = |ms: u64| {
        messages(
            &format!("/slow?ms={ms}"),
            &[("N1", "ada", "m1"), ("N1", "ada", "m2"), ("N1", "ada", "m3")],
        )
    };
    let slow = request(1_900);
    let mut text = format!("POST {} HTTP/1.1\r\n", slow.uri());
    for (name, value) in slow.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{}", slow.body().len(), slow.body()));
    let mut stream = gateway.connect().await;
    stream.write_all(text.as_bytes()).await.unwrap();
    gateway.until("tollgate_pool_instances", 1).await;
    drop(stream);
    gateway.until("tollgate_requests", 0).await;
    gateway.until("tollgate_dedupe_in_flight", 0).await;
    assert_eq!((gateway.calls().await, gateway.metric("tollgate_dedupe_marks", &[]).await), (1, 0));
    assert_eq!(results(&gateway).await, [0, 1, 0, 0]);
    assert_eq!(told(&gateway, gateway.send(request(1)).await).await, (200, true, 4));
    assert_eq!(results(&gateway).await, [3, 1, 0, 0]);
}
