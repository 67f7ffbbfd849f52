//! LINE: base64 over raw bytes, several events in one request, the console's probe.

use crate::gate::{Gate, NOW, activity, key, shared};
use crate::schema;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tollgate_config::manifest::Provider::Line;
use tollgate_ingress::{Opened, Reason, Verified, replay, sign};

const SIGNATURE: &str = "x-line-signature";

fn events(body: &Value) -> Vec<Verified> {
    match Gate::with(Line, body.to_string().as_bytes()).open() {
        Ok(Opened::Deliveries(found)) => found.events,
        other => panic!("{other:?}"),
    }
}

/// An event of this type in a group.
fn event(what: &str, more: &Value) -> Value {
    let mut event = json!({"type": what, "timestamp": 1771495200000_u64, "source": {"type": "group", "groupId": "C1", "userId": "U1"}, "webhookEventId": "01A",
        "deliveryContext": {"isRedelivery": false}, "mode": "active", "replyToken": "r"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn read(event: &Value) -> Value {
    let found = events(&json!({"destination": "Ubot", "events": [event]}));
    assert_eq!(found.len(), 1, "{event}");
    let read = activity(&found[0]);
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{event}");
    read
}

#[test]
fn signatures_are_exact() {
    let good = Gate::sample(Line);
    let text = good.headers[SIGNATURE].to_str().unwrap().to_owned();
    for wrong in [
        String::new(),
        text.trim_end_matches('=').to_owned(),
        format!("{text}="),
        format!(" {text}"),
        format!("sha256={text}"),
        text.replace('/', "_").replace('+', "-") + "x",
        "A".repeat(43) + "=",
    ] {
        assert_eq!(
            good.clone().header(SIGNATURE, &wrong).reason(),
            Some(Reason::BadSignature),
            "{wrong}"
        );
    }
    // The two spare bits of the last character are zero, or it is another text for the same bytes.
    let at = text.len() - 2;
    let spare = text.as_bytes()[at] + 1;
    let spare = format!("{}{}=", &text[..at], char::from(spare));
    assert_eq!(good.clone().header(SIGNATURE, &spare).reason(), Some(Reason::BadSignature));
    assert_eq!(good.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(good.clone().more(SIGNATURE, &text).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(good.keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
}

#[test]
fn the_consoles_probe_is_answered_only_when_it_is_signed() {
    let probe = Gate::with(Line, br#"{"destination":"xxxxxxxxxx","events":[]}"#);
    let Ok(Opened::Handshake(answer)) = probe.open() else {
        panic!("no handshake")
    };
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(probe.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(probe.keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    for body in [
        "{",
        "[]",
        "{}",
        r#"{"events":{}}"#,
        r#"{"events":null}"#,
        r#"{"events":[1]}"#,
        r#"{"destination":"x"}"#,
    ] {
        assert_eq!(Gate::with(Line, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn every_event_is_a_delivery_with_its_own_id() {
    let mut second = event("message", &json!({"message": {"id": "2", "type": "text", "text": "b"}}));
    second["webhookEventId"] = json!("01B");
    let mut old = event("follow", &json!({}));
    old.as_object_mut().unwrap().remove("webhookEventId");
    let first = event("message", &json!({"message": {"id": "1", "type": "text", "text": "a"}}));
    let found = events(&json!({"destination": "Ubot", "events": [first, second, old]}));
    let ids: Vec<_> = found.iter().map(|event| event.event_id().unwrap().len()).collect();
    assert_eq!(ids, [3, 3, 36], "an event without an id gets one");
    assert_eq!(found.iter().map(|event| event.id_mark().unwrap()).collect::<BTreeSet<_>>().len(), 3);
    assert!(
        found
            .iter()
            .all(|event| event.account() == Some("Ubot") && event.body_mark().is_none())
    );
    assert_eq!(serde_json::from_slice::<Value>(found[1].raw()).unwrap(), second);
    // A redelivery says so, and is the same event.
    second["deliveryContext"]["isRedelivery"] = json!(true);
    let again = events(&json!({"destination": "Ubot", "events": [second]}));
    assert_eq!(again[0].id_mark(), found[1].id_mark());
    assert_eq!(activity(&again[0])["channel_data"]["isRedelivery"], true);
}

#[test]
fn a_message_has_all_that_is_known_of_it() {
    let text = "\u{1f600} @Ada see https://a.example/x";
    let message = json!({"id": "444573844083572737", "type": "text", "text": text, "quoteToken": "q", "quotedMessageId": "9",
        "mention": {"mentionees": [{"index": 3, "length": 4, "type": "user", "userId": "U2"}, {"index": 0, "length": 99, "userId": "U3"}, {"index": 0, "length": 2, "type": "all"}]}});
    let read = read(&event("message", &json!({"message": message})));
    assert_eq!(read["session"]["key"], "acme:line:C1:U1");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": "Ubot", "conversation_id": "C1", "channel_id": "C1", "user_id": "U1", "message_id": "444573844083572737", "event_id": "01A"})
    );
    assert_eq!(
        (&read["text"], &read["timestamp"]),
        (&json!(text), &json!("2026-02-19T10:00:00+00:00"))
    );
    assert_eq!(
        read["entities"],
        json!({"mentions": [{"id": "U2", "name": "Ada", "text": "@Ada"}], "urls": ["https://a.example/x"]})
    );
    assert_eq!(
        read["channel_data"],
        json!({"type": "message", "message_type": "text", "source_type": "group", "replyToken": "r", "mode": "active", "isRedelivery": false, "quoteToken": "q", "quotedMessageId": "9"})
    );
}

#[test]
fn chats_are_told_apart() {
    for (source, key) in [
        (json!({"type": "user", "userId": "U1"}), "acme:line:U1:U1"),
        (json!({"type": "room", "roomId": "R1", "userId": "U1"}), "acme:line:R1:U1"),
        (json!({"type": "group", "groupId": "C1"}), "acme:line:C1:user"),
    ] {
        let read = read(&event(
            "message",
            &json!({"source": source, "message": {"id": "1", "type": "text", "text": "x"}}),
        ));
        assert_eq!(read["session"]["key"], key);
    }
}

#[test]
fn kinds_are_told_apart() {
    for (what, more, kind) in [
        (
            "message",
            json!({"message": {"id": "1", "type": "sticker", "packageId": "1", "stickerId": "2"}}),
            "message",
        ),
        ("unsend", json!({"unsend": {"messageId": "1"}}), "deletion"),
        (
            "postback",
            json!({"postback": {"data": "a=1", "params": {"date": "2026-02-19"}}}),
            "action",
        ),
        ("follow", json!({"follow": {"isUnblocked": true}}), "membership"),
        ("unfollow", json!({}), "membership"),
        ("join", json!({}), "membership"),
        ("leave", json!({}), "membership"),
        (
            "memberJoined",
            json!({"joined": {"members": [{"type": "user", "userId": "U7"}]}}),
            "membership",
        ),
        (
            "memberLeft",
            json!({"left": {"members": [{"type": "user", "userId": "U7"}]}}),
            "membership",
        ),
        (
            "membership",
            json!({"membership": {"type": "joined", "membershipId": 3189}}),
            "event",
        ),
        ("videoPlayComplete", json!({"videoPlayComplete": {"trackingId": "t"}}), "event"),
        ("beacon", json!({"beacon": {"hwid": "d41d8cd98f", "type": "enter"}}), "event"),
        ("accountLink", json!({"link": {"result": "ok", "nonce": "n"}}), "event"),
        ("of_tomorrow", json!({}), "event"),
    ] {
        let read = read(&event(what, &more));
        assert_eq!(
            (&read["metadata"]["type"], &read["metadata"]["event"]),
            (&json!(kind), &json!(what))
        );
        assert_eq!(read["session"]["key"], "acme:line:C1:U1", "{what}");
        match what {
            "unsend" => assert_eq!(read["provider_ids"]["message_id"], "1"),
            "postback" => {
                assert_eq!(read["buttons"], json!([{"id": "a=1", "title": "a=1", "payload": "a=1"}]));
                assert_eq!(read["channel_data"]["postback_date"], "2026-02-19");
            }
            "memberJoined" | "memberLeft" => assert_eq!(read["channel_data"]["members"], json!(["U7"])),
            "follow" => assert_eq!(read["channel_data"]["isUnblocked"], true),
            "membership" => assert_eq!(read["channel_data"]["membership_membershipId"], "3189"),
            _ => {}
        }
    }
    let listening = read(&event(
        "message",
        &json!({"mode": "standby", "message": {"id": "1", "type": "text", "text": "x"}}),
    ));
    assert_eq!(listening["channel_data"]["mode"], "standby");
}

#[test]
fn files_have_their_name_size_and_address() {
    let file = read(&event(
        "message",
        &json!({"message": {"id": "1", "type": "file", "fileName": "a.txt", "fileSize": 2138}}),
    ));
    assert_eq!(
        file["attachments"],
        json!([{"type": "file", "name": "a.txt", "mime": null, "size": 2138, "url": null, "data_inline_b64": null}])
    );
    let outside =
        json!({"id": "1", "type": "image", "contentProvider": {"type": "external", "originalContentUrl": "https://a.example/i.jpg"}});
    let image = read(&event("message", &json!({"message": outside})));
    assert_eq!(
        (&image["attachments"][0]["type"], &image["attachments"][0]["url"]),
        (&json!("image"), &json!("https://a.example/i.jpg"))
    );
    let place = read(&event(
        "message",
        &json!({"message": {"id": "1", "type": "location", "title": "here", "latitude": 35.65910807942215}}),
    ));
    assert_eq!(
        (&place["text"], &place["channel_data"]["latitude"]),
        (&json!("here"), &json!("35.65910807942215"))
    );
}

#[test]
fn a_fresh_id_is_that_of_each_event() {
    let payload = json!({"destination": "Ubot", "events": [event("follow", &json!({})), {"type": "unfollow"}, {}]}).to_string();
    let signed = sign::sign(Line, payload.as_bytes(), &key(replay::signing_key(Line)), NOW, Some("fresh")).unwrap();
    let found = events(&serde_json::from_slice(&signed.body).unwrap());
    let ids: Vec<_> = found.iter().map(|event| event.event_id().unwrap()).collect();
    assert_eq!(ids, ["fresh", "fresh.2", "fresh.3"]);
    let probe = br#"{"events":[]}"#;
    let signed = sign::sign(Line, probe, &key("k"), NOW, Some("fresh")).unwrap();
    assert_eq!(signed.body, probe, "the probe has no event");
}

#[test]
fn the_recorded_probe_is_a_handshake() {
    let Some(path) = shared("corpus/handshake/line.verify.json") else {
        return;
    };
    let opened = Gate::with(Line, &std::fs::read(path).unwrap()).open();
    assert!(matches!(opened, Ok(Opened::Handshake(_))));
}
