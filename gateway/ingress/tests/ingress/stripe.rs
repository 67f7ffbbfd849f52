//! Stripe at the gate.

use crate::{
    corpus,
    gate::{Gate, NOW, activity, key, tenant},
};
use tollgate_config::manifest::{Provider::Stripe, Scalar};
use tollgate_ingress::{DropReason, Reason, Scheme, UnixTime, sign};

const HEADER: &str = "stripe-signature";

fn sample() -> Gate {
    Gate::sample(Stripe)
}

/// The time and the signature of a gate's header.
fn parts(gate: &Gate) -> (String, String) {
    let header = gate.headers[HEADER].to_str().unwrap();
    let (time, v1) = header.split_once(",v1=").unwrap();
    (time.strip_prefix("t=").unwrap().to_owned(), v1.to_owned())
}

#[test]
fn a_signature_made_elsewhere_opens() {
    // HMAC-SHA256 under the secret's text with its prefix, computed with another implementation (Python's hmac).
    let mut gate = sample().keys(&[("whsec_test_secret", None)]).header(
        HEADER,
        "t=1531420618,v1=b6aee191243165037bd9633d6878ab2fc926a106c543b58a78d31dd4faa35402",
    );
    gate.body = br#"{"id":"evt_1","object":"event","type":"ping"}"#.to_vec();
    assert_eq!(gate.reason(), None);
    assert_eq!(gate.keys(&[("test_secret", None)]).reason(), Some(Reason::BadSignature));
}

#[test]
fn tampered_bodies_wrong_secrets_and_missing_headers_are_refused() {
    let mut tampered = sample();
    tampered.body = String::from_utf8(tampered.body).unwrap().replace("ada@", "eve@").into_bytes();
    assert_eq!(tampered.reason(), Some(Reason::BadSignature));
    assert_eq!(sample().keys(&[("whsec_other", None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(sample().without(HEADER).reason(), Some(Reason::MissingSignature));
    let (time, v1) = parts(&sample());
    assert_eq!(
        sample().more(HEADER, &format!("t={time},v1={v1}")).reason(),
        Some(Reason::DuplicateHeader)
    );
    assert_eq!(
        sample().header(HEADER, &format!("v1={v1}")).reason(),
        Some(Reason::MissingTimestamp)
    );
}

#[test]
fn the_window_has_two_sides() {
    for (shift, reason) in [
        (300, None),
        (301, Some(Reason::StaleTimestamp)),
        (-300, None),
        (-301, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(sample().at(NOW.0 + shift).reason(), reason, "{shift}");
    }
}

#[test]
fn any_one_of_several_v1_signatures_opens() {
    let (time, v1) = parts(&sample());
    let other = "0".repeat(64);
    for header in [
        format!("t={time},v1={other},v1={v1}"),
        format!("t={time},v1={v1},v1={other}"),
        format!("v1={v1},t={time}"),
        format!("t={time},v1={v1},v0={other},v9=x,odd"),
        format!("t={time},v1=short,v1={v1}"),
    ] {
        assert_eq!(sample().header(HEADER, &header).reason(), None, "{header}");
    }
    let many = format!("t={time}{},v1={v1}", ",v1=0".repeat(16));
    assert_eq!(sample().header(HEADER, &many).reason(), Some(Reason::BadSignature));
}

#[test]
fn a_v0_signature_opens_nothing_even_when_it_is_right() {
    let (time, v1) = parts(&sample());
    for header in [
        format!("t={time},v0={v1}"),
        format!("t={time},v2={v1}"),
        format!("t={time},V1={v1}"),
        format!("t={time}, v1={v1}"),
        format!("t={time},v1={}", v1.to_uppercase()),
        format!("t={time},v1={v1}00"),
        format!("t={time},v1="),
        format!("t={time}"),
        v1.clone(),
    ] {
        assert_eq!(sample().header(HEADER, &header).reason(), Some(Reason::BadSignature), "{header}");
    }
}

#[test]
fn a_second_time_is_refused_wherever_it_stands() {
    let (time, v1) = parts(&sample());
    for header in [
        format!("t={time},t={time},v1={v1}"),
        format!("t={time},v1={v1},t=1531420000"),
        format!("t=1531420000,v1={v1},t={time}"),
    ] {
        assert_eq!(sample().header(HEADER, &header).reason(), Some(Reason::BadSignature), "{header}");
    }
}

#[test]
fn the_boundary_of_time_and_body_cannot_be_moved() {
    let (time, v1) = parts(&sample());
    for junk in [
        format!("{time}.{{}}"),
        format!("0{time}"),
        format!("+{time}"),
        format!("{time} "),
        "now".to_owned(),
        String::new(),
    ] {
        assert_eq!(
            sample().header(HEADER, &format!("t={junk},v1={v1}")).reason(),
            Some(Reason::BadTimestamp),
            "{junk}"
        );
    }
    assert_eq!(
        sample().header(HEADER, &format!("t=1531420619,v1={v1}")).reason(),
        Some(Reason::BadSignature)
    );
}

#[test]
fn an_event_has_its_own_time_account_and_object() {
    let event = Gate::with(
        Stripe,
        br#"{"id":"evt_1","object":"event","account":"acct_7","created":1771495200,"livemode":true,"type":"charge.failed","api_version":"2024-06-20","request":{"id":"req_1"},"data":{"object":{"id":"ch_1","object":"charge","order":820982911946154508123}}}"#,
    )
    .event();
    assert_eq!(event.account(), Some("acct_7"));
    assert!(event.id_mark().is_some() && event.body_mark().is_none(), "the id is signed");
    assert_eq!(event.session_key(&tenant()), "acme:stripe:evt_1:user");
    let made = serde_json::to_string(&event.activity(&tenant())).unwrap();
    assert!(made.contains(r#""order":820982911946154508123"#), "digit for digit");
    let made = activity(&event);
    assert_eq!(made["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(made["metadata"]["event"], "charge.failed");
    assert_eq!(made["metadata"]["type"], "event");
    assert_eq!(made["provider_ids"]["workspace_id"], "acct_7");
    assert_eq!(
        made["channel_data"],
        serde_json::json!({"type": "charge.failed", "object": "charge", "object_id": "ch_1", "api_version": "2024-06-20", "request": "req_1", "livemode": true})
    );
}

#[test]
fn a_thin_event_is_an_event_too() {
    let event = Gate::with(
        Stripe,
        br#"{"id":"evt_test_1","object":"v2.core.event","context":"acct_8","created":"2026-02-19T10:00:00.123Z","livemode":false,"type":"v1.billing.meter.error_report_triggered","related_object":{"id":"mtr_1","type":"billing.meter"}}"#,
    )
    .event();
    assert_eq!(event.account(), Some("acct_8"));
    let made = activity(&event);
    assert_eq!(made["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(made["channel_data"]["object_id"], "mtr_1");
}

#[test]
fn what_is_no_event_is_named() {
    for body in [
        "[]",
        "{}",
        "x",
        r#"{"id":"cus_1","object":"customer"}"#,
        r#"{"object":"event"}"#,
        r#"{"object":"event","id":""}"#,
        r#"{"object":"event","id":5}"#,
    ] {
        assert_eq!(Gate::with(Stripe, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn events_of_the_other_mode_are_acknowledged_and_not_run() {
    let body = |mode: &str| format!(r#"{{"id":"evt_1","object":"event"{mode}}}"#);
    let (live, test) = (body(r#","livemode":true"#), body(r#","livemode":false"#));
    let at = |wanted: bool, body: &str| Gate::with(Stripe, body.as_bytes()).scalar("livemode", Scalar::Bool(wanted));
    for (wanted, ours, other) in [(true, &live, &test), (false, &test, &live)] {
        assert_eq!(at(wanted, ours).event().event_id(), Some("evt_1"));
        assert_eq!(at(wanted, other).dropped(), DropReason::OtherMode);
        // Not before it is verified, and never by guessing.
        assert_eq!(at(wanted, other).keys(&[("x", None)]).reason(), Some(Reason::BadSignature));
        for vague in [body(""), body(r#","livemode":"true""#), body(r#","livemode":null"#)] {
            assert_eq!(at(wanted, &vague).reason(), Some(Reason::Unparsable), "{vague}");
        }
    }
    for body in [live, test, body("")] {
        assert_eq!(Gate::with(Stripe, body.as_bytes()).event().event_id(), Some("evt_1"), "both run");
    }
}

#[test]
fn a_retry_is_the_same_event_under_a_new_time() {
    let payload = sign::sample(Stripe).as_bytes();
    let again = sign::sign(Stripe, payload, &key("secret_of_the_seeds"), UnixTime(NOW.0 + 60), None).unwrap();
    let mut gate = sample();
    let first = gate.event();
    assert_ne!(gate.headers[HEADER], again.headers[HEADER]);
    gate.headers = again.headers;
    assert_eq!(gate.event().id_mark(), first.id_mark());
    assert_ne!(
        Gate::with(Stripe, br#"{"id":"evt_2","object":"event"}"#).event().id_mark(),
        first.id_mark()
    );
}

#[test]
fn an_api_key_is_no_signing_secret() {
    let scheme = Scheme::example(Stripe);
    for wrong in ["sk_live_x", "rk_test_x", "pk_test_x"] {
        assert!(scheme.check_key(&key(wrong)).is_err(), "{wrong}");
    }
    assert_eq!(scheme.check_key(&key("whsec_x")).ok(), Some(None));
    assert!(scheme.check_key(&key("x")).is_ok_and(|warning| warning.is_some()));
}

#[test]
fn corpus_payloads() {
    let (activities, _, refused) = corpus::run(Stripe, "stripe", "");
    assert!(
        activities == 0 || (activities == 17 && refused == ["fixtures3.json"]),
        "{activities} {refused:?}"
    );
}
