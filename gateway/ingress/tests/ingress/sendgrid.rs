//! SendGrid: strict ECDSA over a time and a list, each of whose events is a delivery.

use crate::gate::{Gate, NOW, activity, key};
use crate::schema;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tollgate_config::manifest::{Provider::Sendgrid, Scalar};
use tollgate_ingress::{Deliveries, Opened, Reason, Verified, replay, sign};

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

fn events(body: &[u8]) -> Vec<Verified> {
    match Gate::with(Sendgrid, body).open() {
        Ok(Opened::Deliveries(Deliveries { events, .. })) => events,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_is_a_delivery_for_each_event_in_its_order_with_its_own_bytes() {
    let items = [
        r#"{"email":"ada@example.com","event":"click","sg_event_id":"one","sg_message_id":"m.1","timestamp":1771495200,"url":"https://a.example/?x=1","category":["a","b"],"asm_group_id":18446744073709551615}"#,
        r#"{ "email":"bob@example.com", "event":"bounce", "type":"blocked", "sg_event_id":"two", "sg_message_id":"m.1", "timestamp":1771495201, "n":1.0 }"#,
        r#"{"event":"processed"}"#,
    ];
    let found = events(format!("[{}]\r\n", items.join(",\r\n")).as_bytes());
    assert_eq!(found.iter().map(|event| event.raw().clone()).collect::<Vec<_>>(), items);
    assert_eq!(
        found.iter().map(Verified::event_id).collect::<Vec<_>>(),
        [Some("one"), Some("two"), None]
    );
    let read: Vec<_> = found.iter().map(activity).collect();
    for activity in &read {
        assert_eq!(schema::wrong(activity), Vec::<String>::new());
    }
    let [click, bounce, bare] = &read[..] else { panic!("{read:?}") };
    assert_eq!(click["metadata"]["event"], "click");
    assert_eq!(click["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(click["entities"]["urls"], json!(["https://a.example/?x=1"]));
    assert_eq!(click["channel_data"]["category"], json!(["a", "b"]));
    assert_eq!(click["channel_data"]["asm_group_id"], "18446744073709551615");
    assert_eq!(
        click["provider_ids"],
        json!({"message_id": "m.1", "user_id": "ada@example.com", "event_id": "one"})
    );
    assert_eq!(click["session"]["key"], "acme:sendgrid:m.1:ada@example.com");
    assert_eq!(bounce["channel_data"]["bounce_type"], "blocked");
    assert_eq!(bounce["session"]["key"], "acme:sendgrid:m.1:bob@example.com");
    // Without a time of its own it is that of the signature.
    assert_eq!(bare["timestamp"], "2018-07-12T18:36:58+00:00");
    assert!(found[0].id_mark().is_some() && found[0].body_mark().is_none() && !found[0].is_single_use());
}

#[test]
fn an_event_is_the_same_in_another_batch() {
    let item = |id: &str| json!({"event": "open", "sg_event_id": id, "email": "a@example.com"});
    let first = events(json!([item("a"), item("b")]).to_string().as_bytes());
    let second = events(json!([item("b"), item("c")]).to_string().as_bytes());
    assert_eq!(first[1].id_mark(), second[0].id_mark());
    assert_ne!(first[0].id_mark(), second[0].id_mark());
    assert_eq!(
        events(item("b").to_string().as_bytes())[0].id_mark(),
        first[1].id_mark(),
        "one alone"
    );
}

#[test]
fn what_is_no_list_of_events_is_told() {
    for body in [
        "",
        "[",
        "[]",
        "1",
        " []",
        "[1]",
        "[{}]",
        r#"[{"event":""}]"#,
        r#"[{"event":"open"},null]"#,
        "{}",
        "\u{feff}[]",
    ] {
        assert_eq!(Gate::with(Sendgrid, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body:?}");
    }
}

#[test]
fn a_signature_is_strict_der_in_strict_base64() {
    let good = Gate::sample(Sendgrid);
    assert_eq!(good.reason(), None);
    assert_eq!(good.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(good.clone().without(TIMESTAMP).reason(), Some(Reason::MissingTimestamp));
    let text = good.headers[SIGNATURE].to_str().unwrap().to_owned();
    for name in [SIGNATURE, TIMESTAMP] {
        let again = good.headers[name].to_str().unwrap().to_owned();
        assert_eq!(good.clone().more(name, &again).reason(), Some(Reason::DuplicateHeader));
    }
    let der = BASE64.decode(text.as_bytes()).unwrap();
    let mut long = der.clone();
    long.splice(1..2, [0x81, der[1]]);
    let mut zero = der.clone();
    zero[1] += 1;
    zero[3] += 1;
    zero.insert(4, 0);
    for (what, wrong) in [
        ("a byte behind", BASE64.encode(&[&der[..], b"\0"].concat())),
        ("a long length", BASE64.encode(&long)),
        ("a needless zero", BASE64.encode(&zero)),
        ("nothing", String::new()),
        ("an empty list", "MAA=".to_owned()),
        ("zeros", "MAYCAQACAQA=".to_owned()),
        ("a blank", format!(" {text}")),
        ("no padding", format!("{}=", text.trim_end_matches('='))),
        ("not base64", "!".to_owned()),
    ] {
        if wrong != text {
            assert_eq!(
                good.clone().header(SIGNATURE, &wrong).reason(),
                Some(Reason::BadSignature),
                "{what}"
            );
        }
    }
    let other =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
    assert_eq!(good.clone().keys(&[(other, None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(
        good.clone()
            .keys(&[(other, None), (replay::key(Sendgrid), None)])
            .event()
            .matched_key(),
        1
    );
}

#[test]
fn only_a_p256_key_is_a_key() {
    let scheme = Gate::sample(Sendgrid).scheme();
    let check = |text: &str| scheme.check_key(&key(text)).is_ok();
    let good = replay::key(Sendgrid);
    assert!(check(good));
    assert!(check(&format!("-----BEGIN PUBLIC KEY-----\n{good}\n-----END PUBLIC KEY-----\n")));
    for odd in [
        "secret",
        "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
        replay::signing_key(Sendgrid),
        &good[4..],
        &format!("{good}{good}"),
    ] {
        assert!(!check(odd), "{odd}");
        assert_eq!(
            Gate::sample(Sendgrid).keys(&[(odd, None)]).reason(),
            Some(Reason::BadSignature),
            "{odd}"
        );
    }
}

#[test]
fn the_window_is_a_day_of_retries_and_may_be_narrower() {
    let good = Gate::sample(Sendgrid);
    let narrow = good.clone().scalar("window", Scalar::Integer(60));
    for (gate, shift, reason) in [
        (&good, 25 * 3600, None),
        (&good, 25 * 3600 + 1, Some(Reason::StaleTimestamp)),
        (&good, -300, None),
        (&good, -301, Some(Reason::FutureTimestamp)),
        (&narrow, 60, None),
        (&narrow, 61, Some(Reason::StaleTimestamp)),
        (&narrow, -61, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(gate.clone().at(NOW.0 + shift).reason(), reason, "{shift}");
    }
    let other = (NOW.0 + 1).to_string();
    assert_eq!(good.clone().header(TIMESTAMP, &other).reason(), Some(Reason::BadSignature));
}

#[test]
fn the_boundary_of_time_and_body_cannot_be_moved() {
    let good = Gate::sample(Sendgrid);
    let time = good.headers[TIMESTAMP].to_str().unwrap().to_owned();
    let mut less = good.clone().header(TIMESTAMP, &time[..9]);
    less.body.insert(0, time.as_bytes()[9]);
    assert_eq!(less.reason(), Some(Reason::BadTimestamp));
    let mut more = good.header(TIMESTAMP, &format!("{time}["));
    more.body.remove(0);
    assert_eq!(more.reason(), Some(Reason::BadTimestamp));
}

#[test]
fn fresh_ids_take_the_place_of_the_old_ones_and_nothing_else_changes() {
    let payload = r#"[ {"event":"open", "sg_event_id" : "old","n":1.0},{"event":"click"} ]"#;
    let private = key(replay::signing_key(Sendgrid));
    let signed = sign::sign(Sendgrid, payload.as_bytes(), &private, NOW, Some("new")).unwrap();
    let body: Value = serde_json::from_slice(&signed.body).unwrap();
    assert_eq!((&body[0]["sg_event_id"], &body[1]["sg_event_id"]), (&json!("new"), &json!("new-1")));
    let text = String::from_utf8(signed.body).unwrap();
    assert_eq!(text.replace(r#""sg_event_id":"new-1","#, "").replace("\"new\"", "\"old\""), payload);
    assert!(sign::sign(Sendgrid, b"[1]", &private, NOW, Some("new")).is_err());
    assert!(sign::sign(Sendgrid, b"[]", &key("not a key"), NOW, None).is_err());
}
