//! What is signed here opens here, under the id that was asked for.

use crate::gate::{Gate, NOW, key};
use tollgate_config::manifest::Provider::{self, Github, Slack, StandardWebhooks};
use tollgate_ingress::{Opened, replay, sign};

fn sent(provider: Provider, payload: &[u8], id: Option<&str>) -> Gate {
    let signed = sign::sign(provider, payload, &key(replay::signing_key(provider)), NOW, id).unwrap();
    let mut gate = Gate::with(provider, payload);
    (gate.headers, gate.body) = (signed.headers, signed.body);
    gate
}

#[test]
fn a_fresh_id_is_the_events_id() {
    let click = br#"{"type":"block_actions","user":{"id":"U1"},"trigger_id":"old"}"#;
    let form = format!("payload={}", std::str::from_utf8(click).unwrap());
    for (provider, payload) in [
        (Slack, sign::sample(Slack).as_bytes()),
        (Slack, br#" {"type":"event_callback","event":{"event_id":"inner"}}"#),
        (Slack, click),
        (Slack, form.as_bytes()),
        (Slack, b"command=%2Fx&user_id=U1"),
        (Github, sign::sample(Github).as_bytes()),
        (Github, b"payload=%7B%7D"),
        (StandardWebhooks, sign::sample(StandardWebhooks).as_bytes()),
        (StandardWebhooks, b"{}"),
    ] {
        let text = String::from_utf8_lossy(payload);
        assert_eq!(
            sent(provider, payload, Some("fresh-1")).event().event_id(),
            Some("fresh-1"),
            "{text}"
        );
        let (one, two) = (
            sent(provider, payload, Some("a")).event(),
            sent(provider, payload, Some("b")).event(),
        );
        assert_ne!(one.id_mark(), two.id_mark(), "{text}");
    }
}

#[test]
fn only_the_id_of_a_slack_event_changes() {
    let payload = br#"{ "n": 12345678901234567890123, "event_id" : "Ev\u0031", "event":{"type":"message","event_id":"inner"},"x":1.0 }"#;
    let gate = sent(Slack, payload, Some("Ev\"2"));
    assert_eq!(
        gate.body,
        String::from_utf8_lossy(payload).replace("\"Ev\\u0031\"", r#""Ev\"2""#).into_bytes()
    );
}

#[test]
fn as_it_is_means_as_it_is() {
    // Linear's clock stands in the body: it is always the present one.
    for provider in Provider::ALL.into_iter().filter(|provider| *provider != Provider::Linear) {
        let payload = sign::sample(provider).as_bytes();
        assert_eq!(sent(provider, payload, None).body, payload);
        assert_eq!(
            sent(provider, payload, None).event().id_mark(),
            sent(provider, payload, None).event().id_mark(),
            "the same body is the same event"
        );
    }
    assert!(matches!(
        sent(Slack, br#"{"type":"url_verification","challenge":"abc"}"#, Some("x")).open(),
        Ok(Opened::Handshake(_))
    ));
    assert!(matches!(
        sent(Github, br#"{"zen":"z","hook_id":1}"#, Some("x")).open(),
        Ok(Opened::Handshake(_))
    ));
}

#[test]
fn what_cannot_be_signed_is_told() {
    let wrong = |provider, payload: &[u8], secret: &str, id| {
        sign::sign(provider, payload, &key(secret), NOW, id)
            .err()
            .map(|error| error.to_string())
    };
    assert!(wrong(Slack, b"{", "k", Some("x")).unwrap().contains("not JSON"));
    assert!(wrong(Slack, b"a=b", "k", Some("x")).unwrap().contains("no place"));
    assert_eq!(wrong(Slack, b"a=b", "k", None), None);
    assert!(wrong(Github, b"{}", "k", Some("a\nb")).is_some());
    assert!(
        wrong(StandardWebhooks, b"{}", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", None)
            .unwrap()
            .contains("cannot sign")
    );
    assert!(wrong(StandardWebhooks, b"{}", "whsk_AAAA", None).is_some());
    assert!(wrong(StandardWebhooks, b"{}", "not base64!", None).is_some());
}
