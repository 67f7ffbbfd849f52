//! Web chat against the real gateway: pages and servers get tokens, speak, and read what the worker answers.

use crate::harness::{Answer, Gateway, manifest};
use http::Request;
use serde_json::{Value, json};

const SECRET: &str = "a secret of this endpoint";
const PAGE: &str = "https://www.example.com";

async fn gateway(options: Value) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["support"]);
    let secret = folder.path().join("webchat.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let endpoint = |id: &str, path: &str| {
        json!({ "id": id, "tenant": "acme", "provider": "webchat", "path": path, "deployment": "support",
            "secrets": { "signing": [format!("file://{}", secret.display())] }, "options": options })
    };
    manifest["endpoints"] = json!([endpoint("chat", "/webchat"), endpoint("other", "/other")]);
    Gateway::start(folder, &manifest).await
}

/// One request: who shows what, from which page.
async fn call(gateway: &Gateway, method: &str, path: &str, bearer: Option<&str>, origin: Option<&str>, body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "acme.localhost");
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.send(request.body(body).unwrap()).await
}

fn said(text: &str, id: &str) -> Value {
    json!({ "type": "message", "text": text, "from": { "id": "somebody else" }, "channelData": { "clientActivityID": id } })
}

/// The token and the conversation of a granting answer.
fn granted(answer: &Answer) -> (String, String) {
    let grant = answer.json();
    assert_eq!(grant["expires_in"], 1800, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let text = |name: &str| grant[name].as_str().unwrap().to_owned();
    (text("token"), text("conversationId"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_mints_a_token_and_its_page_speaks_once_and_reads_the_answer() {
    let gateway = gateway(json!({ "origins": PAGE })).await;
    let user = json!({ "user": { "id": "dl_ada" } });
    let grant = call(&gateway, "POST", "/webchat/tokens/generate", Some(SECRET), None, &user).await;
    assert_eq!((grant.status, grant.json()["userId"].as_str()), (200, Some("dl_ada")));
    let (token, conversation) = granted(&grant);
    let begun = call(&gateway, "POST", "/webchat/conversations", Some(&token), Some(PAGE), &Value::Null).await;
    assert_eq!(
        (begun.status, begun.headers["access-control-allow-origin"].to_str().unwrap()),
        (201, PAGE)
    );
    assert!(begun.json().get("streamUrl").is_none());
    let (token, same) = granted(&begun);
    assert_eq!(same, conversation);

    let activities = format!("/webchat/conversations/{conversation}/activities");
    let first = call(&gateway, "POST", &activities, Some(&token), Some(PAGE), &said("Is it open?", "1")).await;
    assert_eq!(
        (first.status, first.json()["id"].as_str().unwrap()),
        (200, &*format!("{conversation}|0000001"))
    );
    // The same again runs nothing and is not heard twice; the plain path is the same conversation.
    let again = call(&gateway, "POST", &activities, Some(&token), Some(PAGE), &said("Is it open?", "1")).await;
    assert_eq!((again.status, again.text.as_str()), (200, ""));
    let second = call(
        &gateway,
        "POST",
        "/webchat/activities",
        Some(&token),
        Some(PAGE),
        &said("And now?", "2"),
    )
    .await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(gateway.calls().await, 2);

    let read = call(&gateway, "GET", &activities, Some(&token), Some(PAGE), &Value::Null)
        .await
        .json();
    let heard: Vec<_> = read["activities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|activity| (activity["from"]["role"].as_str().unwrap(), activity["text"].as_str().unwrap()))
        .collect();
    assert_eq!(
        heard,
        [
            ("user", "Is it open?"),
            ("bot", "Is it open?"),
            ("user", "And now?"),
            ("bot", "And now?")
        ]
    );
    // The worker saw one conversation of one user, whatever the body says of itself.
    assert_eq!((&read["activities"][3]["count"], &read["watermark"]), (&json!(2), &json!("4")));
    assert_eq!(read["activities"][0]["from"]["id"], "dl_ada");
    let rest = call(
        &gateway,
        "GET",
        &format!("{activities}?watermark=3"),
        Some(&token),
        None,
        &Value::Null,
    )
    .await
    .json();
    assert_eq!(rest["activities"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["chat", "\"done\""]).await, 2);
    assert_eq!(gateway.metric("tollgate_deliveries_total", &["chat", "\"duplicate\""]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_its_endpoint_and_its_conversation() {
    let gateway = gateway(json!({ "origins": PAGE })).await;
    let mint = async |path: &str| granted(&call(&gateway, "POST", path, Some(SECRET), None, &Value::Null).await);
    let (token, conversation) = mint("/webchat/tokens/generate").await;
    let (other, _) = mint("/webchat/tokens/generate").await;
    let (foreign, _) = mint("/other/tokens/generate").await;
    let activities = format!("/webchat/conversations/{conversation}/activities");
    let message = said("x", "1");
    for (name, method, path, bearer, origin, status) in [
        ("nothing shown", "POST", "/webchat/tokens/generate", None, None, 401),
        (
            "a wrong secret",
            "POST",
            "/webchat/tokens/generate",
            Some("a secret of this endpoin"),
            None,
            401,
        ),
        (
            "a token is no secret",
            "POST",
            "/webchat/tokens/generate",
            Some(token.as_str()),
            None,
            401,
        ),
        ("a secret is no token", "POST", activities.as_str(), Some(SECRET), None, 401),
        ("not anonymous", "POST", "/webchat/tokens/generate", None, Some(PAGE), 401),
        (
            "another conversation's",
            "POST",
            activities.as_str(),
            Some(other.as_str()),
            None,
            401,
        ),
        (
            "another conversation's, to read",
            "GET",
            activities.as_str(),
            Some(other.as_str()),
            None,
            401,
        ),
        (
            "another endpoint's, of the same secret",
            "POST",
            activities.as_str(),
            Some(foreign.as_str()),
            None,
            401,
        ),
        (
            "another endpoint's, to refresh",
            "POST",
            "/webchat/tokens/refresh",
            Some(foreign.as_str()),
            None,
            401,
        ),
        (
            "another page",
            "POST",
            activities.as_str(),
            Some(token.as_str()),
            Some("https://www.example.com.evil"),
            403,
        ),
        ("no page", "POST", activities.as_str(), Some(token.as_str()), Some("null"), 403),
        (
            "another path",
            "POST",
            "/webchat/conversations/x/y/activities",
            Some(token.as_str()),
            None,
            404,
        ),
        ("another method", "GET", "/webchat/tokens/generate", Some(SECRET), None, 405),
        ("it all fits", "POST", activities.as_str(), Some(token.as_str()), Some(PAGE), 200),
        (
            "a client that is no browser",
            "POST",
            "/webchat/activities",
            Some(token.as_str()),
            None,
            200,
        ),
    ] {
        let body = if method == "POST" && path.ends_with("activities") {
            &message
        } else {
            &Value::Null
        };
        let answer = call(&gateway, method, path, bearer, origin, body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let shared = answer.headers.contains_key("access-control-allow-origin");
        assert_eq!(shared, origin == Some(PAGE), "{name}");
    }
    assert_eq!(gateway.calls().await, 1);
    let refreshed = call(&gateway, "POST", "/webchat/tokens/refresh", Some(&token), Some(PAGE), &Value::Null).await;
    assert_eq!(granted(&refreshed).1, conversation);
    for id in [json!("ada"), json!("dl_"), json!(7), json!("dl_a b")] {
        let body = json!({ "user": { "id": id } });
        let answer = call(&gateway, "POST", "/webchat/tokens/generate", Some(SECRET), None, &body).await;
        assert_eq!(answer.status, 400, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_page_gets_a_token_of_its_own_and_not_without_end() {
    let gateway = gateway(json!({ "origins": format!("{PAGE} https://shop.example.com"), "anonymous": true })).await;
    let asked = call(&gateway, "OPTIONS", "/webchat/tokens/generate", None, Some(PAGE), &Value::Null).await;
    assert_eq!(
        (asked.status, asked.headers["access-control-allow-methods"].to_str().unwrap()),
        (204, "GET, POST, OPTIONS")
    );
    assert!(!asked.headers.contains_key("access-control-allow-credentials"));
    assert_eq!(
        call(
            &gateway,
            "OPTIONS",
            "/webchat/tokens/generate",
            None,
            Some("https://evil.example"),
            &Value::Null
        )
        .await
        .status,
        403
    );
    assert_eq!(
        call(&gateway, "POST", "/webchat/tokens/generate", None, None, &Value::Null)
            .await
            .status,
        401
    );

    // It does not choose its user, and its token is of this page alone.
    let grant = call(
        &gateway,
        "POST",
        "/webchat/tokens/generate",
        None,
        Some(PAGE),
        &json!({ "user": { "id": "dl_admin" } }),
    )
    .await;
    assert_ne!(grant.json()["userId"], "dl_admin");
    let (token, conversation) = granted(&grant);
    let activities = format!("/webchat/conversations/{conversation}/activities");
    for (method, origin, status) in [
        ("POST", Some("https://shop.example.com"), 401),
        ("POST", None, 401),
        ("POST", Some(PAGE), 200),
        ("GET", Some("https://shop.example.com"), 401),
        // A browser says no origin when a page reads from its own host.
        ("GET", None, 200),
    ] {
        let body = if method == "POST" { said("x", "1") } else { Value::Null };
        assert_eq!(
            call(&gateway, method, &activities, Some(&token), origin, &body).await.status,
            status,
            "{method} {origin:?}"
        );
    }
    let mut last = 200;
    for _ in 0..60 {
        last = call(&gateway, "POST", "/webchat/tokens/generate", None, Some(PAGE), &Value::Null)
            .await
            .status;
    }
    assert_eq!(last, 429);
    assert!(
        gateway
            .metric("tollgate_ingress_rejected_total", &["webchat", "minting_rate"])
            .await
            >= 1
    );
}
