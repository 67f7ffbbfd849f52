//! Shopify at the gate.

use crate::{
    corpus,
    gate::{Gate, NOW, activity, key, tenant},
    schema,
};
use serde_json::Value;
use tollgate_config::manifest::Provider::Shopify;
use tollgate_ingress::{Reason, sign};

const SIGNATURE: &str = "x-shopify-hmac-sha256";

fn sample() -> Gate {
    Gate::sample(Shopify)
}

fn made(body: &str, topic: &str) -> Value {
    let made = activity(&Gate::with(Shopify, body.as_bytes()).header("x-shopify-topic", topic).event());
    assert_eq!(schema::wrong(&made), Vec::<String>::new());
    made
}

#[test]
fn a_signature_made_elsewhere_opens() {
    // Computed with another implementation (Python's hmac), under the secret's text.
    let mut gate = sample()
        .keys(&[("hush", None)])
        .header(SIGNATURE, "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=");
    gate.body = br#"{"id":820982911946154508}"#.to_vec();
    assert_eq!(gate.reason(), None);
}

#[test]
fn tampered_wrong_missing_and_repeated_are_refused() {
    let mut tampered = sample();
    tampered.body = String::from_utf8(tampered.body).unwrap().replace("403.00", "4.00").into_bytes();
    assert_eq!(tampered.reason(), Some(Reason::BadSignature));
    assert_eq!(sample().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(sample().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    let good = sample().headers[SIGNATURE].to_str().unwrap().to_owned();
    assert_eq!(sample().more(SIGNATURE, &good).reason(), Some(Reason::DuplicateHeader));
    for name in ["x-shopify-topic", "x-shopify-webhook-id", "x-shopify-shop-domain"] {
        assert_eq!(
            sample().header(name, "a").more(name, "b").reason(),
            Some(Reason::DuplicateHeader),
            "{name}"
        );
    }
}

#[test]
fn only_canonical_base64_is_a_signature() {
    let good = sample().headers[SIGNATURE].to_str().unwrap().to_owned();
    // 32 bytes leave two spare bits in the last digit; a lax reader takes four spellings for one.
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = digits.find(good.as_bytes()[42] as char).unwrap();
    let spare = format!("{}{}=", &good[..42], &digits[last + 1..last + 2]);
    let hex = "0".repeat(64);
    for bad in [
        spare,
        good.trim_end_matches('=').to_owned(),
        format!(" {good}"),
        format!("{good}="),
        format!("sha256={good}"),
        hex,
        String::new(),
    ] {
        assert_eq!(sample().header(SIGNATURE, &bad).reason(), Some(Reason::BadSignature), "{bad}");
    }
}

#[test]
fn the_client_secret_may_be_rolled_over() {
    let gate = sample().keys(&[("new", None), ("secret_of_the_seeds", Some(NOW.0 + 3600))]);
    assert_eq!(gate.event().matched_key(), 1);
    assert_eq!(gate.at(NOW.0 + 3601).reason(), Some(Reason::BadSignature));
}

#[test]
fn unsigned_headers_say_neither_whose_it_is_nor_what() {
    let gate = sample().header("x-shopify-shop-domain", "evil.myshopify.com");
    let event = gate.event();
    assert_eq!(event.account(), None);
    let made = activity(&event);
    assert_eq!(made["metadata"]["raw_headers"]["x-shopify-shop-domain"], "evil.myshopify.com");
    let elsewhere = |name: &str| made[name].to_string().contains("evil");
    assert!(
        !["provider_ids", "session", "channel_data", "raw", "text"]
            .into_iter()
            .any(elsewhere)
    );

    let swapped = sample().header("x-shopify-shop-domain", "a.myshopify.com");
    let own = Gate::with(Shopify, br#"{"shop_id":1,"shop_domain":"b.myshopify.com"}"#).header("x-shopify-shop-domain", "a.myshopify.com");
    assert_eq!((swapped.event().account(), own.event().account()), (None, Some("b.myshopify.com")));
    let shop = Gate::with(Shopify, br#"{"id":1,"myshopify_domain":"c.myshopify.com"}"#).event();
    assert_eq!(shop.account(), Some("c.myshopify.com"));
}

#[test]
fn a_topic_is_believed_only_of_a_body_of_its_shape() {
    let order = r#"{"id":1,"admin_graphql_api_id":"gid://shopify/Order/1"}"#;
    let redact = r#"{"shop_id":1,"shop_domain":"a.myshopify.com","customer":{"id":2},"orders_to_redact":[]}"#;
    for (body, topic, believed) in [
        (order, "orders/create", true),
        (order, "orders/paid", true),
        (order, "app/other", true),
        (order, "products/update", false),
        (order, "customers/redact", false),
        (order, "shop/redact", false),
        (redact, "customers/redact", true),
        (redact, "customers/data_request", false),
        (redact, "shop/redact", false),
        (redact, "orders/create", false),
        (r#"{"id":1}"#, "carts/update", true),
    ] {
        let made = made(body, topic);
        let event = if believed { Value::from(topic) } else { Value::Null };
        assert_eq!(made["metadata"]["event"], event, "{topic}");
        assert_eq!(made["metadata"]["raw_headers"]["x-shopify-topic"], topic);
    }
}

#[test]
fn a_retry_is_known_by_its_id_and_a_replay_by_its_body() {
    let one = sample().event();
    assert!(one.body_mark().is_some());
    let replay = sample().header("x-shopify-webhook-id", "other").event();
    assert_ne!(one.id_mark(), replay.id_mark());
    assert_eq!(one.body_mark(), replay.body_mark());
    // One action sets off several topics: its id is no delivery's.
    let action = |body: &str, id: &str| {
        let gate = Gate::with(Shopify, body.as_bytes()).header("x-shopify-webhook-id", id);
        gate.header("x-shopify-event-id", "same").event()
    };
    let (created, paid) = (action(r#"{"id":1}"#, "w-1"), action(r#"{"id":1,"paid":true}"#, "w-2"));
    assert_ne!(created.id_mark(), paid.id_mark());
    assert_eq!(paid.session_key(&tenant()), "acme:shopify:w-2:user");
    let run = sample().option("same_body", "run").event();
    assert!(run.body_mark().is_none() && run.id_mark().is_some());
}

#[test]
fn an_order_is_kept_digit_for_digit() {
    let body = r#"{"id":820982911946154508123,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508123","note":"ring https://a.example/","updated_at":"2026-02-19T05:00:00-05:00","total":1.10}"#;
    let event = Gate::with(Shopify, body.as_bytes()).event();
    let text = serde_json::to_string(&event.activity(&tenant())).unwrap();
    assert!(text.ends_with(&format!("\"raw\":{body}}}")), "{text}");
    let made = activity(&event);
    assert_eq!(made["channel_data"]["id"], "820982911946154508123");
    assert_eq!(made["channel_data"]["type"], "Order");
    assert_eq!(made["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(made["text"], "ring https://a.example/");
    assert_eq!(made["entities"]["urls"][0], "https://a.example/");
    assert_eq!(made["metadata"]["type"], "event");
}

#[test]
fn what_is_sent_has_shopifys_headers() {
    let topic = |payload: &str| {
        sign::sign(Shopify, payload.as_bytes(), &key("k"), NOW, Some("d-9"))
            .unwrap()
            .headers
    };
    let headers = topic(sign::sample(Shopify));
    assert_eq!(headers["x-shopify-webhook-id"], "d-9");
    assert_eq!(headers["x-shopify-topic"], "orders/create");
    assert_eq!(topic(r#"{"shop_id":1,"shop_domain":"a"}"#)["x-shopify-topic"], "shop/redact");
}

#[test]
fn corpus_payloads() {
    let (activities, _, refused) = corpus::run(Shopify, "shopify", "");
    assert!(
        activities == 0 || (activities == 5 && refused.is_empty()),
        "{activities} {refused:?}"
    );
}
