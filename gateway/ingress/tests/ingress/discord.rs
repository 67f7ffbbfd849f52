//! Discord: strict Ed25519 with a clock, pings answered only when they are signed, interactions and webhook events told apart.

use crate::gate::{Gate, NOW, activity, key, shared};
use crate::schema;
use data_encoding::{HEXLOWER, HEXUPPER};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::Discord;
use tollgate_ingress::{Opened, Reason, replay, sign};

const SIGNATURE: &str = "x-signature-ed25519";
const TIMESTAMP: &str = "x-signature-timestamp";
const PING: &[u8] = br#"{"id":"787053080478613555","token":"t","type":1,"version":1}"#;

fn read(body: &Value) -> Value {
    let read = activity(&Gate::with(Discord, body.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{body}");
    read
}

/// An interaction in a thread of a server.
fn interaction(kind: u8, data: &Value, message: &Value) -> Value {
    json!({
        "id": "846462639134605312", "application_id": "845027738276462632", "type": kind, "token": "t", "version": 1, "locale": "de",
        "guild_id": "290926798626357999", "channel_id": "645027906669510667",
        "channel": {"id": "645027906669510667", "type": 11, "parent_id": "7"},
        "member": {"user": {"id": "53908232506183680", "username": "ada"}},
        "data": data, "message": message
    })
}

fn signature(gate: &Gate) -> Vec<u8> {
    HEXLOWER.decode(gate.headers[SIGNATURE].as_bytes()).unwrap()
}

#[test]
fn signatures_are_strict() {
    let good = Gate::sample(Discord);
    assert_eq!(good.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(good.clone().without(TIMESTAMP).reason(), Some(Reason::MissingTimestamp));
    for name in [SIGNATURE, TIMESTAMP] {
        let again = good.headers[name].to_str().unwrap().to_owned();
        assert_eq!(good.clone().more(name, &again).reason(), Some(Reason::DuplicateHeader));
    }
    let bytes = signature(&good);
    let text = HEXLOWER.encode(&bytes);
    for wrong in [
        String::new(),
        "00".repeat(64),
        text[2..].to_owned(),
        format!("{text}00"),
        HEXUPPER.encode(&bytes),
        format!(" {text}"),
    ] {
        assert_eq!(
            good.clone().header(SIGNATURE, &wrong).reason(),
            Some(Reason::BadSignature),
            "{wrong}"
        );
    }
}

#[test]
fn a_malleable_signature_is_refused() {
    // S + L proves the same where nobody checks that S is below the group's order (RFC 8032 5.1.7).
    let order = HEXLOWER
        .decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .unwrap();
    let good = Gate::sample(Discord);
    let mut bytes = signature(&good);
    let mut carry = 0_u16;
    for (byte, more) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(more);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(
        good.header(SIGNATURE, &HEXLOWER.encode(&bytes)).reason(),
        Some(Reason::BadSignature)
    );
}

#[test]
fn a_weak_or_odd_public_key_opens_nothing() {
    let good = replay::key(Discord);
    for odd in [
        &"00".repeat(32),
        &format!("01{}", "00".repeat(31)),
        "not hexadecimal",
        &good[2..],
        &format!("{good}00"),
        "ff",
    ] {
        let forged = Gate::sample(Discord)
            .keys(&[(odd, None)])
            .header(SIGNATURE, &format!("01{}", "00".repeat(63)));
        assert_eq!(forged.reason(), Some(Reason::BadSignature), "{odd}");
    }
    // The portal's digits are taken in either case.
    assert_eq!(Gate::sample(Discord).keys(&[(&good.to_uppercase(), None)]).reason(), None);
    assert_eq!(Gate::sample(Discord).keys(&[("00", None), (good, None)]).event().matched_key(), 1);
}

#[test]
fn the_clock_has_a_window() {
    for (shift, reason) in [
        (300, None),
        (-300, None),
        (301, Some(Reason::StaleTimestamp)),
        (-301, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(Gate::sample(Discord).at(NOW.0 + shift).reason(), reason, "{shift}");
    }
    for junk in ["", "1531420618.0", "153142061", "15314206180", "+531420618", "1531420618 "] {
        assert_eq!(
            Gate::sample(Discord).header(TIMESTAMP, junk).reason(),
            Some(Reason::BadTimestamp),
            "{junk:?}"
        );
    }
    let other = (NOW.0 + 1).to_string();
    assert_eq!(Gate::sample(Discord).header(TIMESTAMP, &other).reason(), Some(Reason::BadSignature));
}

#[test]
fn the_boundary_of_time_and_body_cannot_be_moved() {
    let good = Gate::with(Discord, PING);
    let time = good.headers[TIMESTAMP].to_str().unwrap().to_owned();
    // A digit of the time goes to the body, or the body's first byte to the time: the same signed bytes.
    let mut less = good.clone().header(TIMESTAMP, &time[..9]);
    less.body.insert(0, time.as_bytes()[9]);
    assert_eq!(less.reason(), Some(Reason::BadTimestamp));
    let mut more = good.header(TIMESTAMP, &format!("{time}{{"));
    more.body.remove(0);
    assert_eq!(more.reason(), Some(Reason::BadTimestamp));
    for odd in [&b" {\"type\":1}"[..], b"1", b"[1]", b"", b"\xef\xbb\xbf{\"type\":1}"] {
        assert_eq!(Gate::with(Discord, odd).reason(), Some(Reason::Unparsable));
    }
}

#[test]
fn pings_are_answered_when_they_are_signed_and_never_else() {
    let answer = |body: &[u8]| match Gate::with(Discord, body).open() {
        Ok(Opened::Handshake(answer)) => (answer.status, answer.content_type, answer.body),
        other => panic!("{other:?}"),
    };
    assert_eq!(answer(PING), (200, Some("application/json"), br#"{"type":1}"#.as_slice().into()));
    let webhook = br#"{"version":1,"application_id":"1234560123453231555","type":0}"#;
    assert_eq!(answer(webhook), (204, None, Vec::new().into()));
    for body in [PING, webhook] {
        let bytes = HEXLOWER.encode(&signature(&Gate::with(Discord, b"{}")));
        assert_eq!(
            Gate::with(Discord, body).header(SIGNATURE, &bytes).reason(),
            Some(Reason::BadSignature)
        );
        assert_eq!(
            Gate::with(Discord, body).without(SIGNATURE).reason(),
            Some(Reason::MissingSignature)
        );
        assert_eq!(Gate::with(Discord, body).at(NOW.0 + 301).reason(), Some(Reason::StaleTimestamp));
    }
}

#[test]
fn what_is_neither_an_interaction_nor_an_event_is_told() {
    for body in [
        "{",
        "{}",
        r#"{"type":"GATEWAY_MESSAGE_CREATE","data":{}}"#,
        r#"{"type":2}"#,
        r#"{"type":0,"event":{}}"#,
        r#"{"type":1,"event":null}"#,
        r#"{"type":1,"event":{}}"#,
        r#"{"type":1,"event":{"type":""}}"#,
    ] {
        assert_eq!(Gate::with(Discord, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn a_command_is_what_was_written() {
    let file = json!({"id": "5", "filename": "a.png", "content_type": "image/png", "size": 9, "url": "https://cdn.example/a.png"});
    let read = read(&interaction(
        2,
        &json!({"id": "1", "name": "gate", "type": 1, "options": [{"type": 1, "name": "open", "options": [
            {"type": 3, "name": "why", "value": "<@!42> asks at https://a.example/?x=1."}, {"type": 4, "name": "n", "value": 9_007_199_254_740_993_u64},
            {"type": 5, "name": "now", "value": true}, {"type": 11, "name": "proof", "value": "5"}]}],
            "resolved": {"attachments": {"5": file}}}),
        &Value::Null,
    ));
    assert_eq!(read["metadata"]["type"], "command");
    assert_eq!(read["metadata"]["event"], "application_command");
    assert_eq!(read["channel_data"]["command"], "gate");
    assert_eq!(
        read["text"],
        "open why:<@!42> asks at https://a.example/?x=1. n:9007199254740993 now:true proof:5"
    );
    assert_eq!(read["entities"]["mentions"], json!([{"id": "42", "name": null, "text": "<@!42>"}]));
    assert_eq!(read["entities"]["urls"], json!(["https://a.example/?x=1"]));
    assert_eq!(
        read["attachments"],
        json!([{"type": "image", "name": "a.png", "mime": "image/png", "size": 9, "url": "https://cdn.example/a.png", "data_inline_b64": null}])
    );
    assert_eq!(read["session"]["key"], "acme:discord:645027906669510667:53908232506183680");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": "290926798626357999", "conversation_id": "645027906669510667", "thread_id": "645027906669510667",
            "channel_id": "645027906669510667", "user_id": "53908232506183680", "event_id": "846462639134605312"})
    );
    assert_eq!(read["channel_data"]["parent_id"], "7");
    assert_eq!(read["channel_data"]["token"], "t");
    assert_eq!(read["locale"], "de");
    assert_eq!(read["timestamp"], "2021-05-24T19:00:19+00:00", "the id says when");
}

#[test]
fn interactions_are_told_apart() {
    let message = json!({"id": "3", "content": "Sure?", "author": {"id": "1", "bot": true}, "components": [
        {"type": 1, "components": [{"type": 2, "custom_id": "no", "label": "No"}]},
        {"type": 17, "components": [{"type": 9, "accessory": {"type": 2, "custom_id": "deep", "label": "Deep"}}]}]});
    let pressed = read(&interaction(3, &json!({"component_type": 2, "custom_id": "no"}), &message));
    assert_eq!(pressed["metadata"]["type"], "action");
    assert_eq!(pressed["metadata"]["bot"], false, "the presser is no bot, the message's writer is");
    assert_eq!(pressed["buttons"], json!([{"id": "no", "title": "No", "payload": "no"}]));
    assert_eq!(
        (&pressed["text"], &pressed["provider_ids"]["message_id"]),
        (&json!("Sure?"), &json!("3"))
    );
    let deep = read(&interaction(3, &json!({"component_type": 2, "custom_id": "deep"}), &message));
    assert_eq!(deep["buttons"][0]["title"], "Deep");
    let chosen = read(&interaction(
        3,
        &json!({"component_type": 3, "custom_id": "menu", "values": ["a", "b"]}),
        &message,
    ));
    assert_eq!(chosen["buttons"], json!([{"id": "menu", "title": "menu", "payload": "a,b"}]));

    let writing = json!({"name": "gate", "type": 1, "options": [{"type": 3, "name": "why", "value": "be", "focused": true}, {"type": 3, "name": "x", "value": "y"}]});
    let writing = read(&interaction(4, &writing, &Value::Null));
    assert_eq!((&writing["metadata"]["type"], &writing["text"]), (&json!("options"), &json!("be")));

    let dialog = json!({"custom_id": "form", "components": [{"type": 1, "components": [{"type": 4, "custom_id": "name", "value": "Ada"}]},
        {"type": 18, "component": {"type": 3, "custom_id": "where", "values": ["x", "y"]}}]});
    let dialog = read(&interaction(5, &dialog, &Value::Null));
    assert_eq!(dialog["metadata"]["type"], "view");
    assert_eq!(dialog["channel_data"]["fields"], json!({"name": "Ada", "where": "x,y"}));

    let menu = json!({"name": "Report", "type": 3, "target_id": "9", "resolved": {"messages": {"9": {"id": "9", "content": "spam <@5>", "mentions": [{"id": "5", "username": "eve"}]}}}});
    let menu = read(&interaction(2, &menu, &Value::Null));
    assert_eq!(
        (&menu["metadata"]["type"], &menu["text"]),
        (&json!("shortcut"), &json!("spam <@5>"))
    );
    assert_eq!(menu["entities"]["mentions"][0]["name"], "eve");
    assert_eq!(menu["provider_ids"]["message_id"], "9");

    assert_eq!(read(&interaction(6, &json!({}), &Value::Null))["metadata"]["type"], "event");
}

#[test]
fn webhook_events_have_their_own_time_and_mark() {
    let event = |name: &str, data: Value| json!({"version": 1, "application_id": "12", "type": 1, "event": {"type": name, "timestamp": "2026-02-19T11:00:00.5+01:00", "data": data}});
    let joined = event("APPLICATION_AUTHORIZED", json!({"user": {"id": "9"}, "guild": {"id": "8"}}));
    let seen = read(&joined);
    assert_eq!(seen["metadata"]["type"], "event");
    assert_eq!(seen["metadata"]["event"], "APPLICATION_AUTHORIZED");
    assert_eq!(seen["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(seen["provider_ids"]["workspace_id"], "8");
    assert_eq!(
        seen["session"]["key"],
        format!("acme:discord:{}:user", seen["provider_ids"]["event_id"].as_str().unwrap())
    );
    for (name, kind) in [
        ("LOBBY_MESSAGE_CREATE", "message"),
        ("GAME_DIRECT_MESSAGE_UPDATE", "edit"),
        ("GAME_DIRECT_MESSAGE_DELETE", "deletion"),
        ("ENTITLEMENT_CREATE", "event"),
    ] {
        let seen = read(&event(
            name,
            json!({"id": "1", "channel_id": "2", "content": "hi", "author": {"id": "9", "bot": true}}),
        ));
        assert_eq!(seen["metadata"]["type"], kind, "{name}");
        assert_eq!(seen["metadata"]["bot"], true);
        assert_eq!(seen["text"].is_string(), matches!(kind, "message" | "edit"));
        assert_eq!(seen["session"]["key"] == "acme:discord:2:9", kind != "event", "{name}");
    }
    // A retry has a new time and signature around the same body: it is the same event, with the default of `same_body` too.
    let body = joined.to_string();
    let first = Gate::with(Discord, body.as_bytes()).event();
    let mut again = Gate::with(Discord, body.as_bytes()).at(NOW.0 + 100);
    let signed = sign::sign(Discord, body.as_bytes(), &key(replay::signing_key(Discord)), again.now, None).unwrap();
    again.headers = signed.headers;
    assert_eq!(first.id_mark(), again.event().id_mark());
    assert!(first.id_mark().is_some() && first.body_mark().is_none());
    assert_eq!(first.account(), Some("12"));
    let other = Gate::with(Discord, body.replace("\"9\"", "\"10\"").as_bytes()).event();
    assert_ne!(first.id_mark(), other.id_mark());
}

#[test]
fn the_signed_id_is_the_mark_and_the_server_the_account() {
    let event = Gate::sample(Discord).option("same_body", "drop").event();
    assert_eq!(event.event_id(), Some("846462639134605312"));
    assert!(event.id_mark().is_some() && event.body_mark().is_none());
    assert_eq!(event.account(), Some("290926798626357999"));
    let direct = json!({"id": "1", "type": 2, "application_id": "12", "channel_id": "3", "user": {"id": "4"}, "data": {"name": "x"}});
    assert_eq!(Gate::with(Discord, direct.to_string().as_bytes()).event().account(), Some("12"));
    assert_eq!(read(&direct)["session"]["key"], "acme:discord:3:4");
}

#[test]
fn a_fresh_id_takes_the_place_of_the_old_one() {
    for payload in [
        sign::sample(Discord),
        r#"{"type":1,"application_id":"1","event":{"type":"ENTITLEMENT_CREATE"}}"#,
    ] {
        let signed = sign::sign(Discord, payload.as_bytes(), &key(replay::signing_key(Discord)), NOW, Some("123")).unwrap();
        let mut gate = Gate::sample(Discord);
        (gate.headers, gate.body) = (signed.headers, signed.body);
        assert_eq!(gate.event().event_id(), Some("123"), "{payload}");
    }
    assert!(sign::sign(Discord, b"{}", &key("not a seed"), NOW, None).is_err());
}

#[test]
fn payloads_of_the_corpus() {
    let files = |folder: &str| -> Vec<_> {
        let folder = shared(&format!("corpus/{folder}"));
        folder
            .map(|folder| std::fs::read_dir(folder).unwrap().map(|path| path.unwrap().path()).collect())
            .unwrap_or_default()
    };
    let (mut events, mut refused) = (0, 0);
    for path in files("discord") {
        let gate = Gate::with(Discord, &std::fs::read(&path).unwrap());
        // What a bot's own connection receives is no webhook, and its recorder wrote it in its own form.
        if gate.reason() == Some(Reason::Unparsable) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.contains("gateway") || name.ends_with("mention.json"), "{name}");
            refused += 1;
            continue;
        }
        assert_eq!(schema::wrong(&activity(&gate.event())), Vec::<String>::new(), "{}", path.display());
        events += 1;
    }
    assert!(events + refused == 0 || (events >= 3 && refused >= 8), "{events} {refused}");
    for path in files("handshake").iter().filter(|path| path.to_str().unwrap().contains("discord")) {
        let opened = Gate::with(Discord, &std::fs::read(path).unwrap()).open();
        assert!(matches!(opened, Ok(Opened::Handshake(_))), "{}", path.display());
    }
}
