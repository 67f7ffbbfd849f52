//! Webhooks for flows: another scheme's check, any method and body, the flow out of the path.

use crate::gate::{Gate, NOW, activity, key};
use crate::schema;
use http::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use tollgate_config::{
    Place,
    manifest::{OptionValue, Provider, Provider::Webhook, Scalar},
};
use tollgate_ingress::{Opened, Reason, Scheme, provider, sign};

/// A signed request to an endpoint with this check.
fn checked(options: &[(&str, &str)], secret: &str, body: &[u8], id: Option<&str>) -> Gate {
    let mut gate = Gate::sample(Webhook);
    for (name, value) in options {
        gate = gate.option(name, value);
    }
    let signed = sign::sign_for(&gate.scheme(), body, &key(secret), NOW, id).unwrap();
    (gate.headers, gate.body) = (signed.headers, signed.body);
    gate.keys(&[(secret, None)])
}

fn github(body: &[u8], id: Option<&str>) -> Gate {
    checked(&[("check", "github")], "k", body, id)
}

fn read(gate: &Gate) -> Value {
    let read = activity(&gate.event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{read}");
    read
}

#[test]
fn the_last_part_of_the_path_is_the_flow() {
    let mut gate = Gate::sample(Webhook);
    for (target, flow) in [
        ("/webhook/flow-1", "flow-1"),
        ("/webhook/flow_2.b/", "flow_2.b"),
        ("/a/b/c?d=/e", "c"),
        ("/x", "x"),
    ] {
        gate.target = target.to_owned();
        let read = read(&gate);
        assert_eq!(
            (&read["channel_data"]["flow_id"], &read["metadata"]["flow_id"]),
            (&json!(flow), &json!(flow))
        );
        assert_eq!(read["provider"], "webhook");
        assert!(read["session"]["key"].as_str().unwrap().starts_with("acme:webhook:"));
    }
    let long = format!("/{}", "f".repeat(257));
    for target in [
        "/",
        "//",
        "/?flow",
        "/webhook/a%2Fb",
        "/webhook/a:b",
        "/webhook/..",
        "/webhook/.",
        &long,
    ] {
        gate.target = target.to_owned();
        assert_eq!(gate.reason(), Some(Reason::Unparsable), "{target}");
    }
    gate.target = format!("/{}", "f".repeat(256));
    assert_eq!(gate.reason(), None);
    // Only a webhook has one.
    assert!(
        activity(&Gate::sample(Provider::Github).event())["metadata"]
            .get("flow_id")
            .is_none()
    );
}

#[test]
fn the_check_is_the_other_schemes_own() {
    for (check, header) in [
        ("github", "x-hub-signature-256"),
        ("shopify", "x-shopify-hmac-sha256"),
        ("bitbucket", "x-hub-signature"),
        ("telegram", "x-telegram-bot-api-secret-token"),
    ] {
        let gate = checked(&[("check", check)], "a_token", br#"{"n":12345678901234567890123}"#, None);
        let read = read(&gate);
        assert_eq!(read["channel_data"]["check"], check);
        assert_eq!(
            read["raw"],
            serde_json::from_str::<Value>(r#"{"n":12345678901234567890123}"#).unwrap()
        );
        let missing = gate.clone().without(header).reason();
        assert!(
            matches!(missing, Some(Reason::MissingSignature | Reason::BadToken)),
            "{check} {missing:?}"
        );
        assert!(matches!(
            gate.clone().header(header, "x").reason(),
            Some(Reason::BadSignature | Reason::BadToken)
        ));
        let again = gate.headers[header].to_str().unwrap().to_owned();
        assert_eq!(gate.clone().more(header, &again).reason(), Some(Reason::DuplicateHeader), "{check}");
        assert!(gate.keys(&[("another", None)]).reason().is_some(), "{check}");
    }
    let late = Gate::sample(Webhook).at(NOW.0 + 301);
    assert_eq!(late.reason(), Some(Reason::StaleTimestamp), "its window, too");
}

#[test]
fn every_check_opens_the_sample_that_it_signs() {
    let of = provider::facts(Webhook)
        .options
        .iter()
        .find(|spec| spec.key == "check")
        .unwrap()
        .accepts();
    for provider in Provider::ALL {
        let name = provider.as_str();
        if !of.contains(&format!("`{name}`")) {
            // Batches, published keys and what mints its own tokens have endpoints of their own.
            let facts = provider::facts(provider);
            let other = provider == Webhook || facts.batches || ["teams", "paypal", "webchat"].contains(&name);
            assert!(other, "{name} could be a check");
            continue;
        }
        let mut gate = Gate::sample(provider);
        let mut options = vec![("check", name)];
        match provider {
            Provider::Hmac => options.push(("header", "x-signature")),
            Provider::Twilio => options.push(("public_url", "https://gate.example/twilio")),
            Provider::HttpSignature => options.extend([("public_url", "https://gate.example/hook"), ("algorithm", "ed25519")]),
            _ => {}
        }
        for (key, value) in options {
            gate = gate.option(key, value);
        }
        gate.provider = Webhook;
        gate.target = "/webhook/flow-1".to_owned();
        let flow = match provider {
            Provider::Twilio => "twilio",
            Provider::HttpSignature => "hook",
            _ => "flow-1",
        };
        assert_eq!(
            read(&gate)["channel_data"]["flow_id"],
            flow,
            "{name}: the path that is signed has the flow"
        );
        let scheme = gate.scheme();
        assert_eq!(
            (scheme.horizon(), scheme.body_limit()),
            (Scheme::example(provider).horizon(), Scheme::example(provider).body_limit())
        );
    }
}

#[test]
fn marks_are_the_checks_own_and_hold_for_the_whole_endpoint() {
    let body = br#"{"a":1}"#;
    let (first, again, other) = (github(body, Some("1")), github(body, Some("2")), github(br#"{"a":2}"#, Some("1")));
    assert_eq!(first.event().id_mark(), other.event().id_mark());
    assert_ne!(first.event().id_mark(), again.event().id_mark());
    assert_eq!(
        first.event().body_mark(),
        again.event().body_mark(),
        "an unsigned id makes nothing new"
    );
    assert!(first.event().body_mark().is_some());
    let mut elsewhere = again.clone();
    elsewhere.target = "/webhook/flow-2".to_owned();
    assert_eq!(
        first.event().body_mark(),
        elsewhere.event().body_mark(),
        "nor does a path that nothing signs"
    );
    assert!(again.option("same_body", "run").event().body_mark().is_none());
    let secret = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
    let options = [
        ("check", "http-signature"),
        ("algorithm", "ed25519"),
        ("public_url", "https://gate.example/webhook/flow-1"),
    ];
    let once = checked(&options, secret, body, Some("n-1"))
        .keys(&[("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", None)])
        .event();
    assert!(once.is_single_use());
}

#[test]
fn any_method_and_any_body_will_do() {
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        assert!(provider::facts(Webhook).methods.contains(&method));
    }
    // A body MAC over nothing: the same for every GET, so its mark would make all of them one.
    let mut get = github(b"", None);
    get.method = Method::GET;
    get.target = "/webhook/flow-1?a=b%20c&d".to_owned();
    let seen = read(&get);
    assert_eq!(
        [&seen["channel_data"]["method"], &seen["channel_data"]["query"], &seen["raw"]],
        [&json!("GET"), &json!("a=b%20c&d"), &json!({"text": ""})]
    );
    assert!(get.event().body_mark().is_none());
    assert!(get.clone().option("same_body", "drop").event().body_mark().is_some());
    let mut more = get.clone();
    more.body = b"x".to_vec();
    assert_eq!(more.reason(), Some(Reason::BadSignature));

    let text = github(b"plain text", None);
    let text = text.header("content-type", "text/plain");
    assert_eq!(read(&text)["raw"], json!({"text": "plain text"}));
    let broken = github(b"{", None).header("content-type", "application/json");
    assert_eq!(broken.reason(), Some(Reason::Unparsable));
}

#[test]
fn what_the_checks_provider_sends_is_read_as_its_own() {
    let slack = checked(
        &[("check", "slack")],
        "k",
        br#"{"type":"event_callback","event_id":"Ev1","team_id":"T1","event":{"type":"message","channel":"C1","user":"U1","text":"hi","ts":"1.2"}}"#,
        None,
    );
    let seen = read(&slack);
    assert_eq!((&seen["text"], &seen["metadata"]["type"]), (&json!("hi"), &json!("message")));
    assert_eq!(slack.event().account(), Some("T1"));
    let handshake = checked(
        &[("check", "slack")],
        "k",
        br#"{"type":"url_verification","challenge":"abc"}"#,
        None,
    );
    assert!(matches!(handshake.open(), Ok(Opened::Handshake(_))));
    let unsigned = handshake.without("x-slack-signature");
    assert_eq!(unsigned.reason(), Some(Reason::MissingSignature));
}

#[test]
fn options_of_the_check_stand_beside_it() {
    let place = Place {
        file: Arc::new("t.yaml".into()),
        line: 1,
        column: 1,
    };
    let errors = |options: &[(&str, &str)]| {
        let options: BTreeMap<_, _> = options
            .iter()
            .map(|(name, value)| {
                let value = Scalar::Text((*value).to_owned());
                (
                    (*name).to_owned(),
                    OptionValue {
                        value,
                        place: place.clone(),
                    },
                )
            })
            .collect();
        let errors = Scheme::new(Webhook, &options).err().unwrap_or_default();
        errors.into_iter().map(|error| error.message).collect::<Vec<_>>()
    };
    assert_eq!(
        errors(&[("check", "hmac"), ("header", "x-sig"), ("template", "{method}.{body}")]),
        [""; 0]
    );
    assert_eq!(
        errors(&[("check", "hmac")]),
        ["`hmac` needs `header`: a text, such as `x-signature`"]
    );
    assert!(errors(&[("check", "hmac"), ("header", "x-sig"), ("template", "x")])[0].contains("must have `{body}`"));
    assert!(errors(&[("check", "github"), ("header", "x-sig")])[0].starts_with("`webhook` has no option `header`"));
    let unknown = errors(&[("check", "whatsapp"), ("header", "x")]);
    assert!(unknown.len() == 1 && unknown[0].starts_with("`check` is "), "{unknown:?}");
    assert_eq!(errors(&[("header", "x")]).len(), 1);
    assert!(errors(&[])[0].starts_with("`webhook` needs `check`"));
}

#[test]
fn keys_are_of_the_checks_form() {
    let of = |check: &str| Gate::sample(Webhook).option("check", check).scheme();
    assert!(of("standard-webhooks").check_key(&key("not base64!")).is_err());
    assert!(of("github").check_key(&key("anything")).is_ok());
    assert!(of("discord").check_key(&key("anything")).is_err());
}

#[test]
fn a_form_whose_fields_have_moved_opens_nothing() {
    let options = [("check", "twilio"), ("public_url", "https://gate.example/twilio")];
    let form = b"AccountSid=AC1&Body=gate&From=%2B1";
    let good = checked(&options, "a_token", form, None).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(good.reason(), None);
    // The same text in a row, and so the same signature.
    for moved in [
        "AccountS=idAC1&Body=gate&From=%2B1",
        "AccountSidAC1=BodygateFrom%2B1",
        "A=ccountSidAC1BodygateFrom%2B1",
    ] {
        let mut gate = good.clone();
        gate.body = moved.into();
        assert_eq!(gate.reason(), Some(Reason::Unparsable), "{moved}");
    }
}
