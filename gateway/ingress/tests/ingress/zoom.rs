//! Zoom: its clock, its handshake that must be no oracle, its events.

use crate::gate::{Gate, NOW, activity, key};
use crate::{corpus, schema};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::Zoom;
use tollgate_ingress::{Opened, Reason, replay, sign};

const SIGNATURE: &str = "x-zm-signature";
const TIMESTAMP: &str = "x-zm-request-timestamp";

fn validation(token: &Value) -> Gate {
    let body = json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}, "event_ts": 1_654_503_849_680_u64});
    Gate::with(Zoom, body.to_string().as_bytes())
}

fn seen(body: &Value) -> Value {
    let seen = activity(&Gate::with(Zoom, body.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&seen), Vec::<String>::new());
    seen
}

#[test]
fn a_validation_is_answered_with_the_documented_token() {
    // HMAC-SHA256 of the token under the seeds' key, made with another program.
    match validation(&json!("qgg8vlvZRS6UYooatFL8Aw")).open() {
        Ok(Opened::Handshake(answer)) => {
            assert_eq!((answer.status, answer.content_type), (200, Some("application/json")));
            assert_eq!(
                serde_json::from_slice::<Value>(&answer.body).unwrap(),
                json!({"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": "bbf2748c3ef5e7d8feabf439391cd46a8e3b5a4b99d3c8dcea14700e13601de4"})
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_validation_that_is_not_signed_is_not_answered() {
    let gate = validation(&json!("qgg8vlvZRS6UYooatFL8Aw"));
    assert_eq!(gate.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(gate.clone().without(TIMESTAMP).reason(), Some(Reason::MissingTimestamp));
    assert_eq!(gate.clone().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(gate.at(NOW.0 + 301).reason(), Some(Reason::StaleTimestamp));
}

#[test]
fn a_validation_signs_no_text_that_could_be_an_event() {
    let long = "x".repeat(65);
    for token in [
        json!("v0:1531420618:{\"event\":\"x\"}"),
        json!("v0:1531420618:x"),
        json!(""),
        json!("a b"),
        json!("a.b"),
        json!("é"),
        json!("a\n"),
        json!(long),
        json!(5),
        Value::Null,
    ] {
        assert_eq!(validation(&token).reason(), Some(Reason::Unparsable), "{token}");
    }
    assert!(matches!(validation(&json!("x".repeat(64))).open(), Ok(Opened::Handshake(_))));
}

#[test]
fn a_validation_is_answered_with_the_key_that_signed_it() {
    let old = validation(&json!("t")).keys(&[("new", None), (replay::key(Zoom), None)]);
    let answer = |gate: &Gate| match gate.open() {
        Ok(Opened::Handshake(answer)) => answer.body,
        other => panic!("{other:?}"),
    };
    assert_eq!(answer(&old), answer(&validation(&json!("t"))));
}

#[test]
fn tampered_stale_and_doubled_requests_are_refused() {
    let gate = Gate::sample(Zoom);
    let mut tampered = gate.clone();
    tampered.body.push(b' ');
    let signature = gate.headers[SIGNATURE].to_str().unwrap().to_owned();
    let bare = signature.strip_prefix("v0=").unwrap().to_owned();
    for (name, gate, reason) in [
        ("as it is", gate.clone(), None),
        ("tampered", tampered, Some(Reason::BadSignature)),
        ("wrong secret", gate.clone().keys(&[("other", None)]), Some(Reason::BadSignature)),
        ("no signature", gate.clone().without(SIGNATURE), Some(Reason::MissingSignature)),
        ("no clock", gate.clone().without(TIMESTAMP), Some(Reason::MissingTimestamp)),
        (
            "two signatures",
            gate.clone().more(SIGNATURE, &signature),
            Some(Reason::DuplicateHeader),
        ),
        (
            "two clocks",
            gate.clone().more(TIMESTAMP, "1531420618"),
            Some(Reason::DuplicateHeader),
        ),
        ("two ids", gate.clone().more("x-zm-trackingid", "b"), Some(Reason::DuplicateHeader)),
        ("no version", gate.clone().header(SIGNATURE, &bare), Some(Reason::BadSignature)),
        (
            "upper case",
            gate.clone().header(SIGNATURE, &format!("v0={}", bare.to_uppercase())),
            Some(Reason::BadSignature),
        ),
        (
            "other clock",
            gate.clone().header(TIMESTAMP, "1531420619"),
            Some(Reason::BadSignature),
        ),
        (
            "junk clock",
            gate.clone().header(TIMESTAMP, "1531420618:"),
            Some(Reason::BadTimestamp),
        ),
        ("edge", gate.clone().at(NOW.0 + 300), None),
        ("stale", gate.clone().at(NOW.0 + 301), Some(Reason::StaleTimestamp)),
        ("future", gate.clone().at(NOW.0 - 301), Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(gate.reason(), reason, "{name}");
    }
}

#[test]
fn the_boundary_between_clock_and_body_cannot_be_moved() {
    // Both sign `v0:1531420618:1:{…}`.
    let gate = Gate::with(Zoom, br#"1:{"event":"x"}"#);
    let mut moved = gate.clone().header(TIMESTAMP, "1531420618:1");
    moved.body = br#"{"event":"x"}"#.to_vec();
    assert_eq!(moved.reason(), Some(Reason::BadTimestamp));
}

#[test]
fn a_meeting_is_a_session() {
    let seen = activity(&Gate::sample(Zoom).event());
    assert_eq!(seen["session"]["key"], "acme:zoom:4444AAAiAAAAAiAiAiiAii==:user");
    assert_eq!(
        (&seen["metadata"]["type"], &seen["metadata"]["event"], &seen["timestamp"]),
        (&json!("event"), &json!("meeting.started"), &json!("2026-02-19T10:00:00+00:00"))
    );
    assert_eq!(seen["channel_data"], json!({"type": "meeting.started", "topic": "The gate"}));
    assert_eq!(Gate::sample(Zoom).event().account(), Some("AAAAAABBBB"));
}

#[test]
fn chats_have_text_thread_and_files() {
    let body = json!({"event": "chat_message.replied", "event_ts": 1_771_495_200_000_u64, "payload": {"account_id": "A1", "operator_id": "U1", "object": {
        "id": "M2", "type": "to_channel", "channel_id": "C1", "channel_name": "gate", "message": "see https://a.example/x.", "reply_main_message_id": "M1",
        "files": [{"file_id": "F1", "file_name": "a.png", "file_size": 12, "download_url": "https://files.example/a"}]}}});
    let seen = seen(&body);
    assert_eq!(
        seen["provider_ids"],
        json!({"workspace_id": "A1", "conversation_id": "M1", "thread_id": "M1", "channel_id": "C1", "user_id": "U1", "message_id": "M2", "event_id": "chat_message.replied/M2/M2/U1/1771495200000"})
    );
    assert_eq!(
        seen["session"],
        json!({"key": "acme:zoom:M1:U1", "scopes": ["chat", "attachments"]})
    );
    assert_eq!(
        (&seen["text"], &seen["entities"]["urls"]),
        (&json!("see https://a.example/x."), &json!(["https://a.example/x"]))
    );
    assert_eq!(
        seen["attachments"],
        json!([{"type": "file", "name": "a.png", "mime": null, "size": 12, "url": "https://files.example/a", "data_inline_b64": null}])
    );
}

#[test]
fn kinds_are_told_apart() {
    for (event, kind) in [
        ("chat_message.sent", "message"),
        ("chat_message.updated", "edit"),
        ("chat_message.deleted", "deletion"),
        ("chat_message.reaction_added", "reaction"),
        ("meeting.chat_message_sent", "message"),
        ("meeting.participant_joined", "membership"),
        ("chat_channel.member_invited", "membership"),
        ("interactive_message_actions", "action"),
        ("chat_message.submit", "view"),
        ("bot_notification", "command"),
        ("app_deauthorized", "event"),
        ("meeting.deleted", "event"),
        ("recording.completed", "event"),
    ] {
        let seen = seen(&json!({"event": event, "event_ts": 1, "payload": {"object": {"id": "M1", "message": "hi"}}}));
        assert_eq!(seen["metadata"]["type"], kind, "{event}");
        assert_eq!(seen["text"].is_null(), kind == "deletion", "{event}");
    }
}

#[test]
fn chatbots_have_commands_and_buttons() {
    let command = seen(
        &json!({"event": "bot_notification", "payload": {"accountId": "A1", "cmd": "open", "robotJid": "v1@xmpp.zoom.us", "toJid": "u1@xmpp.zoom.us", "userId": "U1", "userJid": "u1@xmpp.zoom.us", "timestamp": 1_771_495_200_000_u64}}),
    );
    assert_eq!(
        (&command["text"], &command["session"]["key"], &command["timestamp"]),
        (
            &json!("open"),
            &json!("acme:zoom:u1@xmpp.zoom.us:U1"),
            &json!("2018-07-12T18:36:58+00:00")
        )
    );
    let click = seen(
        &json!({"event": "interactive_message_actions", "payload": {"accountId": "A1", "actionItem": {"text": "Yes", "value": "y"}, "messageId": "M1", "toJid": "c1@xmpp.zoom.us", "userId": "U1"}}),
    );
    assert_eq!(
        (&click["buttons"], &click["provider_ids"]["message_id"]),
        (&json!([{"id": "y", "title": "Yes", "payload": "y"}]), &json!("M1"))
    );
}

#[test]
fn what_is_signed_is_the_mark_and_else_the_body_counts_beside_the_tracking_id() {
    let tracked = |body: &str, id: &str| Gate::with(Zoom, body.as_bytes()).header("x-zm-trackingid", id).event();
    let sample = sign::sample(Zoom);
    let (one, two) = (tracked(sample, "a"), tracked(sample, "b"));
    assert!(one.id_mark().is_some() && one.body_mark().is_none());
    assert_eq!(one.id_mark(), two.id_mark());
    let bare = r#"{"event":"app_deauthorized","event_ts":1,"payload":{}}"#;
    let (one, two) = (tracked(bare, "a"), tracked(bare, "b"));
    assert_ne!(one.id_mark(), two.id_mark());
    assert!(one.body_mark().is_some() && one.body_mark() == two.body_mark());
    // Two who join at the same moment are two events, whatever their names.
    let joined = |meeting: &str, who: &str| {
        let body = json!({"event": "meeting.participant_joined", "event_ts": 5, "payload": {"object": {"uuid": meeting, "participant": {"user_id": who}}}});
        Gate::with(Zoom, body.to_string().as_bytes()).event().id_mark()
    };
    assert_ne!(joined("m", "1"), joined("m", "2"));
    assert_ne!(joined("m/", "1"), joined("m", "/1"));
    // Too long for an id, and still an event.
    assert!(joined(&"m".repeat(200), &"1".repeat(100)).is_some());
}

#[test]
fn a_fresh_event_is_about_another_meeting_now_and_numbers_stay_numbers() {
    let signed = |payload: &str, id| {
        let body = sign::sign(Zoom, payload.as_bytes(), &key(replay::key(Zoom)), NOW, id).unwrap().body;
        String::from_utf8(body).unwrap()
    };
    let fresh = signed(sign::sample(Zoom), Some("fresh-1"));
    assert_eq!(
        fresh,
        sign::sample(Zoom)
            .replace("4444AAAiAAAAAiAiAiiAii==", "fresh-1")
            .replace("1771495200000", "1531420618000")
    );
    let numbered: Value =
        serde_json::from_str(&signed(r#"{"event":"x","event_ts":1,"payload":{"object":{"id":123}}}"#, Some("a"))).unwrap();
    assert!(
        numbered["payload"]["object"]["id"]
            .as_u64()
            .is_some_and(|id| id.to_string().len() == 11),
        "{numbered}"
    );
    for as_it_is in [r#"{"event":"x"}"#, "no json"] {
        assert_eq!(signed(as_it_is, Some("a")), as_it_is);
    }
}

#[test]
fn what_is_no_object_is_unparsable() {
    for body in ["", "[]", "x", "5"] {
        assert_eq!(Gate::with(Zoom, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn recorded_payloads() {
    let (activities, handshakes, refused) = corpus::run(Zoom, "zoom", "");
    let (_, more, odd) = corpus::run(Zoom, "handshake", "zoom.");
    assert!((activities, handshakes, more) == (0, 0, 0) || (activities, handshakes, more) == (0, 1, 1));
    assert_eq!((refused, odd), (vec![], vec![]));
}
