//! Messenger and Instagram: events of conversations told apart, the page's own left out.

use crate::gate::{Gate, NOW, activity, key};
use crate::{corpus, schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tollgate_config::manifest::Provider::{self, Instagram, Messenger};
use tollgate_ingress::{Deliveries, DropReason, Opened, Verified, replay, sign};

fn deliveries(provider: Provider, entry: &Value) -> Deliveries {
    let object = if provider == Messenger { "page" } else { "instagram" };
    let body = json!({"object": object, "entry": [entry]}).to_string();
    match Gate::with(provider, body.as_bytes()).open() {
        Ok(Opened::Deliveries(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// Ada writes to the page; `more` says what.
fn item(more: &Value) -> Value {
    let mut item = json!({"sender": {"id": "ada"}, "recipient": {"id": "page"}, "timestamp": 1771495200123_u64});
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

fn one(more: &Value) -> Verified {
    let mut found = deliveries(
        Messenger,
        &json!({"id": "page", "time": 1771495300000_u64, "messaging": [item(more)]}),
    );
    assert_eq!((found.events.len(), found.dropped.len()), (1, 0), "{more}");
    found.events.remove(0)
}

fn read(more: &Value) -> Value {
    let read = activity(&one(more));
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{more}");
    read
}

#[test]
fn a_message_has_all_that_is_known_of_it() {
    let read = read(
        &json!({"message": {"mid": "m_1", "text": "see https://a.example/x", "reply_to": {"mid": "m_0"},
        "referral": {"ref": "r", "source": "ADS", "ad_id": "7"}, "attachments": [
            {"type": "image", "payload": {"url": "https://cdn.example/i.jpg"}}, {"type": "file", "payload": {"url": "https://cdn.example/f", "title": "a.pdf"}},
            {"type": "reel", "payload": {"url": "https://cdn.example/r"}}, {"type": "fallback", "payload": {"url": "https://b.example/"}}, {"type": "location", "payload": {}}]}}),
    );
    assert_eq!(read["session"]["key"], "acme:messenger:ada:ada");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": "page", "conversation_id": "ada", "user_id": "ada", "message_id": "m_1", "event_id": "m_1"})
    );
    assert_eq!(
        read["timestamp"], "2026-02-19T10:00:00+00:00",
        "the message's time, not the request's"
    );
    let files: Vec<_> = read["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (&file["type"], &file["name"]))
        .collect();
    assert_eq!(
        files,
        [
            (&json!("image"), &Value::Null),
            (&json!("file"), &json!("a.pdf")),
            (&json!("video"), &Value::Null)
        ]
    );
    assert_eq!(read["entities"]["urls"], json!(["https://a.example/x", "https://b.example/"]));
    assert_eq!(
        read["channel_data"],
        json!({"type": "message", "page_id": "page", "reply_to_message_id": "m_0", "referral": {"ref": "r", "source": "ADS", "ad_id": "7"}})
    );
}

#[test]
fn kinds_are_told_apart() {
    for (name, event, kind, message, id) in [
        ("message", json!({"mid": "m_1", "text": "x"}), "message", Some("m_1"), Some("m_1")),
        (
            "message",
            json!({"mid": "m_1", "text": "Yes", "quick_reply": {"payload": "p"}}),
            "action",
            Some("m_1"),
            Some("m_1"),
        ),
        (
            "message",
            json!({"mid": "m_1", "is_deleted": true}),
            "deletion",
            Some("m_1"),
            Some("m_1.deleted"),
        ),
        (
            "message_edit",
            json!({"mid": "m_1", "text": "y", "num_edit": 2}),
            "edit",
            Some("m_1"),
            Some("m_1.edit.2"),
        ),
        (
            "postback",
            json!({"mid": "m_2", "title": "Start", "payload": "GO"}),
            "action",
            Some("m_2"),
            Some("m_2"),
        ),
        ("postback", json!({"title": "Start", "payload": "GO"}), "action", None, None),
        (
            "reaction",
            json!({"mid": "m_1", "action": "react", "emoji": "x"}),
            "reaction",
            Some("m_1"),
            None,
        ),
        ("read", json!({"watermark": 1771495200123_u64}), "event", None, None),
        ("delivery", json!({"mids": ["m_1"], "watermark": 1}), "event", None, None),
        ("optin", json!({"type": "notification_messages"}), "event", None, None),
        ("referral", json!({"ref": "r", "source": "SHORTLINK"}), "event", None, None),
        ("account_linking", json!({"status": "linked"}), "event", None, None),
        (
            "pass_thread_control",
            json!({"new_owner_app_id": 12345678901234567890_u64}),
            "event",
            None,
            None,
        ),
    ] {
        let more = json!({name: event});
        let seen = read(&more);
        assert_eq!(
            (&seen["metadata"]["type"], &seen["metadata"]["event"]),
            (&json!(kind), &json!(name))
        );
        assert_eq!(seen["session"]["key"], "acme:messenger:ada:ada", "{name}");
        assert_eq!(seen["provider_ids"]["message_id"].as_str(), message, "{name}");
        match id {
            Some(id) => assert_eq!(seen["provider_ids"]["event_id"], id),
            // Known by its bytes.
            None => assert_eq!(one(&more).id_mark(), one(&more).id_mark()),
        }
        assert!(one(&more).body_mark().is_none());
    }
    let unknown = read(&json!({"of_tomorrow": {}}));
    assert_eq!(
        (&unknown["metadata"]["type"], &unknown["metadata"]["event"]),
        (&json!("event"), &json!("messaging"))
    );
}

#[test]
fn what_was_pressed_is_a_button_and_its_title_the_text() {
    for more in [
        json!({"postback": {"mid": "m", "title": "Yes", "payload": "p"}}),
        json!({"message": {"mid": "m", "text": "Yes", "quick_reply": {"payload": "p"}}}),
    ] {
        let read = read(&more);
        assert_eq!(read["buttons"], json!([{"id": "p", "title": "Yes", "payload": "p"}]), "{more}");
        assert_eq!(read["text"], "Yes");
    }
}

#[test]
fn what_may_happen_again_has_marks_of_its_own() {
    let mark = |more: Value| one(&more).id_mark().unwrap();
    let marks = BTreeSet::from([
        mark(json!({"message": {"mid": "m_1", "text": "x"}})),
        mark(json!({"message": {"mid": "m_1", "is_deleted": true}})),
        mark(json!({"message_edit": {"mid": "m_1", "num_edit": 1}})),
        mark(json!({"message_edit": {"mid": "m_1", "num_edit": 2}})),
        mark(json!({"postback": {"mid": "m_1"}})),
        mark(json!({"reaction": {"mid": "m_1", "action": "react"}})),
        mark(json!({"reaction": {"mid": "m_1", "action": "unreact"}})),
        mark(json!({"timestamp": 1, "reaction": {"mid": "m_1", "action": "react"}})),
        mark(json!({"read": {"watermark": 1}})),
    ]);
    assert_eq!(marks.len(), 9);
    // The request's own time is another at each retry.
    let at = |time: i64| {
        deliveries(
            Messenger,
            &json!({"id": "page", "time": time, "messaging": [item(&json!({"read": {"watermark": 1}}))]}),
        )
    };
    assert_eq!(at(1).events[0].id_mark(), at(2).events[0].id_mark());
}

#[test]
fn what_the_page_wrote_itself_is_dropped() {
    let ours = |more: Value| {
        let mut item = json!({"sender": {"id": "page"}, "recipient": {"id": "ada"}, "timestamp": 1});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        deliveries(Messenger, &json!({"id": "page", "messaging": [item]}))
    };
    for more in [
        json!({"message": {"mid": "m_1", "text": "x", "is_echo": true, "app_id": 1}}),
        json!({"message": {"mid": "m_1", "text": "x"}}),
        json!({"reaction": {"mid": "m_1", "action": "react"}}),
    ] {
        let found = ours(more.clone());
        assert!(found.events.is_empty(), "{more}");
        assert_eq!(found.dropped[0].reason, DropReason::OwnMessage);
    }
    assert_eq!(
        ours(json!({"message": {"mid": "m_1", "is_echo": true}})).dropped[0]
            .event_id
            .as_deref(),
        Some("m_1")
    );
    let echo = item(&json!({"message": {"mid": "m_1", "is_echo": true}}));
    let found = deliveries(
        Instagram,
        &json!({"id": "page", "messaging": [echo, item(&json!({"message": {"mid": "m_2", "text": "x"}}))]}),
    );
    assert_eq!((found.events.len(), found.dropped.len()), (1, 1), "the rest of the batch runs");
}

#[test]
fn several_pages_stand_in_one_request() {
    let entry = |page: &str| json!({"id": page, "messaging": [{"sender": {"id": "ada"}, "recipient": {"id": page}, "message": {"mid": format!("m_{page}"), "text": "x"}}]});
    let body = json!({"object": "page", "entry": [entry("1"), entry("2"), {"id": "3", "standby": [item(&json!({"message": {"mid": "m_3", "text": "x"}}))]}]});
    let Ok(Opened::Deliveries(found)) = Gate::with(Messenger, body.to_string().as_bytes()).open() else {
        panic!("no deliveries")
    };
    let accounts: Vec<_> = found.events.iter().map(|event| event.account().unwrap()).collect();
    assert_eq!(accounts, ["1", "2", "3"]);
    assert_eq!(
        serde_json::from_slice::<Value>(found.events[1].raw()).unwrap(),
        entry("2")["messaging"][0]
    );
    let listening = activity(&found.events[2]);
    assert_eq!(
        (&listening["channel_data"]["mode"], &listening["metadata"]["type"]),
        (&json!("standby"), &json!("message"))
    );
}

#[test]
fn comments_and_mentions_are_events_and_own_comments_are_dropped() {
    let comment = |from: &str| {
        let value = json!({"id": "c1", "text": "nice https://a.example/", "from": {"id": from, "username": "ada"}, "media": {"id": "media"}, "parent_id": "p"});
        deliveries(
            Instagram,
            &json!({"id": "account", "time": 1771495200, "changes": [{"field": "comments", "value": value}]}),
        )
    };
    let read = activity(&comment("ada").events[0]);
    assert_eq!(schema::wrong(&read), Vec::<String>::new());
    assert_eq!(
        (&read["metadata"]["type"], &read["metadata"]["event"]),
        (&json!("event"), &json!("comments"))
    );
    assert_eq!(
        (&read["text"], &read["provider_ids"]["message_id"]),
        (&json!("nice https://a.example/"), &json!("c1"))
    );
    assert_eq!(
        (&read["channel_data"]["media_id"], &read["timestamp"]),
        (&json!("media"), &json!("2026-02-19T10:00:00+00:00"))
    );
    assert_eq!(comment("account").dropped[0].reason, DropReason::OwnMessage);
    // Instagram writes messages as changes, too; times are seconds in strings there.
    let value =
        json!({"sender": {"id": "ada"}, "recipient": {"id": "account"}, "timestamp": "1771495200", "message": {"mid": "m_1", "text": "x"}});
    let found = deliveries(
        Instagram,
        &json!({"id": "account", "changes": [{"field": "messages", "value": value}]}),
    );
    let read = activity(&found.events[0]);
    assert_eq!(
        (&read["metadata"]["type"], &read["provider_ids"]["event_id"]),
        (&json!("message"), &json!("m_1"))
    );
    assert_eq!(
        (&read["session"]["key"], &read["timestamp"]),
        (&json!("acme:instagram:ada:ada"), &json!("2026-02-19T10:00:00+00:00"))
    );
}

#[test]
fn a_fresh_id_is_the_messages() {
    for provider in [Messenger, Instagram] {
        for part in ["message", "postback"] {
            let payload = sign::sample(provider).replace(r#""message""#, &format!("{part:?}"));
            let signed = sign::sign(
                provider,
                payload.as_bytes(),
                &key(replay::signing_key(provider)),
                NOW,
                Some("fresh"),
            )
            .unwrap();
            assert_eq!(Gate::with(provider, &signed.body).event().event_id(), Some("fresh"));
        }
        let receipt = br#"{"object":"page","entry":[{"id":"1","messaging":[{"read":{"watermark":1}}]}]}"#;
        let wrong = sign::sign(provider, receipt, &key("k"), NOW, Some("fresh")).unwrap_err();
        assert!(wrong.to_string().contains("send it as it is"), "{wrong}");
    }
}

#[test]
fn recorded_payloads_are_read() {
    let (activities, _, refused) = corpus::run(Messenger, "messenger", "");
    if activities > 0 {
        // Two are lists and activities of a library; two begin with a byte order mark.
        assert_eq!(refused.len(), 5, "{refused:?}");
    }
    let (activities, _, refused) = corpus::run(Instagram, "instagram", "");
    assert!(
        refused.is_empty() && (activities == 0 || activities == 3),
        "{activities} {refused:?}"
    );
}
