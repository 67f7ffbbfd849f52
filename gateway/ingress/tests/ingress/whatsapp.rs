//! WhatsApp: batches of several numbers, messages told apart, statuses in their conversation.

use crate::gate::{Gate, NOW, activity, key};
use crate::{corpus, schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tollgate_config::manifest::Provider::Whatsapp;
use tollgate_ingress::{Deliveries, DropReason, Opened, Verified, replay, sign};

fn deliveries(body: &str) -> Deliveries {
    match Gate::with(Whatsapp, body.as_bytes()).open() {
        Ok(Opened::Deliveries(found)) => found,
        other => panic!("{other:?}"),
    }
}

fn value(number: &str, lists: &Value) -> Value {
    let mut value = json!({"messaging_product": "whatsapp", "metadata": {"display_phone_number": "4930", "phone_number_id": number},
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": "491", "user_id": "US.1"}]});
    value.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    value
}

fn body(changes: &[Value]) -> Value {
    let changes: Vec<_> = changes.iter().map(|value| json!({"field": "messages", "value": value})).collect();
    json!({"object": "whatsapp_business_account", "entry": [{"id": "waba", "changes": changes}]})
}

fn one(lists: &Value) -> Verified {
    let body = body(&[value("P1", lists)]).to_string();
    let mut found = deliveries(&body);
    assert_eq!((found.events.len(), found.dropped.len()), (1, 0), "{body}");
    found.events.remove(0)
}

fn read(lists: &Value) -> Value {
    let read = activity(&one(lists));
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{lists}");
    read
}

/// A message of this type.
fn message(what: &str, content: &Value) -> Value {
    let mut message = json!({"from": "491", "id": "wamid.A", "timestamp": "1771495200", "type": what});
    message[what] = content.clone();
    read(&json!({"messages": [message]}))
}

#[test]
fn every_item_of_every_change_is_a_delivery() {
    let text = |id: &str, from: &str| json!({"from": from, "id": id, "timestamp": "1771495200", "type": "text", "text": {"body": id}});
    let first = value(
        "P1",
        &json!({"messages": [text("m1", "491"), text("m2", "492")], "statuses": [{"id": "s1", "status": "read", "recipient_id": "493"}]}),
    );
    let second = value(
        "P2",
        &json!({"messages": [text("m3", "491")], "errors": [{"code": 131000, "title": "Something went wrong"}]}),
    );
    let mut two = body(&[first, second]);
    two["entry"].as_array_mut().unwrap().push(json!({"id": "other", "time": 1771495200,
        "changes": [{"field": "messages", "value": value("P3", &json!({"messages": [text("m4", "491")]}))}, {"field": "account_update", "value": {"event": "DISABLED_UPDATE"}}]}));
    let found = deliveries(&two.to_string()).events;
    let seen: Vec<_> = found
        .iter()
        .map(|event| (event.account().unwrap(), activity(event)["metadata"]["event"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("P1", json!("messages.text")),
            ("P1", json!("messages.text")),
            ("P1", json!("statuses.read")),
            ("P2", json!("messages.text")),
            ("P2", json!("errors")),
            ("P3", json!("messages.text")),
            // A change of the business account has no number.
            ("other", json!("account_update")),
        ]
    );
    let ids: BTreeSet<_> = found.iter().map(|event| event.id_mark().unwrap()).collect();
    assert_eq!(ids.len(), found.len());
    assert!(found.iter().all(|event| event.body_mark().is_none()), "ids are signed");
    assert_eq!(found[1].event_id(), Some("m2"));
    // Each has its own bytes, not the whole body's.
    assert_eq!(serde_json::from_slice::<Value>(found[1].raw()).unwrap(), text("m2", "492"));
    assert_eq!(activity(&found[1])["raw"], text("m2", "492"));
}

#[test]
fn a_retry_is_the_same_event_however_it_is_batched() {
    let item = |id: &str| json!({"from": "491", "id": id, "timestamp": "1771495200", "type": "text", "text": {"body": "x"}});
    let apart = one(&json!({"messages": [item("m2")]}));
    let together = deliveries(&body(&[value("P1", &json!({"messages": [item("m1"), item("m2")]}))]).to_string());
    assert_eq!(together.events[1].id_mark(), apart.id_mark());
    assert_ne!(together.events[0].id_mark(), apart.id_mark());
    // What has no id is known by its bytes, its number and what stands beside it.
    let preference = |number: &str, at: i64| {
        let lists = json!({"user_preferences": [{"wa_id": "491", "value": "stop", "timestamp": at}]});
        deliveries(&body(&[value(number, &lists)]).to_string()).events[0].id_mark()
    };
    assert_eq!(preference("P1", 1), preference("P1", 1));
    assert_ne!(preference("P1", 1), preference("P1", 2));
    assert_ne!(preference("P1", 1), preference("P2", 1));
}

#[test]
fn ids_keep_their_digits() {
    let raw = r#"{"object":"whatsapp_business_account","entry":[{"id":123456789098765432101,"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":98765432109876543210},"messages":[{"from":49111111111111111111,"id":"wamid.A","timestamp":1771495200,"type":"image","image":{"id":12345678901234567890123}}]}}]}]}"#;
    let mut found = deliveries(raw);
    let event = found.events.remove(0);
    let read = activity(&event);
    assert_eq!(event.account(), Some("98765432109876543210"));
    assert_eq!(read["provider_ids"]["workspace_id"], "123456789098765432101");
    assert_eq!(read["session"]["key"], "acme:whatsapp:49111111111111111111:49111111111111111111");
    assert_eq!(read["channel_data"]["media_id"], "12345678901234567890123");
    assert!(std::str::from_utf8(event.raw()).unwrap().contains("12345678901234567890123"));
}

#[test]
fn a_text_has_all_that_is_known_of_it() {
    let read = read(
        &json!({"messages": [{"from": "491", "id": "wamid.A", "timestamp": "1771495200", "type": "text", "text": {"body": "see https://a.example/x."},
        "context": {"id": "wamid.Q", "from": "4930", "forwarded": true}, "referral": {"source_url": "https://fb.example/ad", "source_id": "77", "ctwa_clid": "c"}}]}),
    );
    assert_eq!(read["session"]["key"], "acme:whatsapp:491:491");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": "waba", "conversation_id": "491", "channel_id": "P1", "user_id": "491", "message_id": "wamid.A", "event_id": "wamid.A"})
    );
    assert_eq!(
        (&read["text"], &read["timestamp"]),
        (&json!("see https://a.example/x."), &json!("2026-02-19T10:00:00+00:00"))
    );
    assert_eq!(read["entities"]["urls"], json!(["https://a.example/x"]));
    assert_eq!(
        read["channel_data"],
        json!({"type": "text", "field": "messages", "phone_number_id": "P1", "display_phone_number": "4930", "profile_name": "Ada", "wa_id": "491", "user_id": "US.1",
            "reply_to_message_id": "wamid.Q", "forwarded": true, "referral": {"source_url": "https://fb.example/ad", "source_id": "77", "ctwa_clid": "c"}})
    );
}

#[test]
fn files_have_their_type_name_and_address() {
    for (what, kind) in [
        ("image", "image"),
        ("sticker", "image"),
        ("video", "video"),
        ("audio", "audio"),
        ("document", "file"),
    ] {
        let read = message(
            what,
            &json!({"id": "55", "mime_type": "x/y", "filename": "a.pdf", "caption": "look", "url": "https://a.example/f"}),
        );
        assert_eq!(
            read["attachments"],
            json!([{"type": kind, "name": "a.pdf", "mime": "x/y", "size": 0, "url": "https://a.example/f", "data_inline_b64": null}]),
            "{what}"
        );
        assert_eq!((&read["text"], &read["metadata"]["type"]), (&json!("look"), &json!("message")));
        assert_eq!(read["channel_data"]["media_id"], "55");
        assert_eq!(read["session"]["scopes"], json!(["chat", "attachments"]));
    }
}

#[test]
fn kinds_are_told_apart() {
    for (what, content, kind) in [
        ("text", json!({"body": "x"}), "message"),
        ("location", json!({"latitude": 1.5, "longitude": 2}), "message"),
        ("contacts", json!([{}]), "message"),
        ("order", json!({"catalog_id": "c"}), "message"),
        ("unsupported", json!({}), "message"),
        ("reaction", json!({"message_id": "wamid.B", "emoji": "x"}), "reaction"),
        (
            "edit",
            json!({"original_message_id": "wamid.B", "message": {"type": "text", "text": {"body": "new"}}}),
            "edit",
        ),
        ("revoke", json!({"original_message_id": "wamid.B"}), "deletion"),
        ("button", json!({"payload": "p", "text": "Yes"}), "action"),
        (
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "p", "title": "Yes", "description": "d"}}),
            "action",
        ),
        (
            "interactive",
            json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"}}),
            "view",
        ),
        ("interactive", json!({}), "event"),
        ("system", json!({"type": "user_changed_number", "body": "new number"}), "event"),
        ("request_welcome", json!({}), "event"),
        ("of_tomorrow", json!({}), "event"),
    ] {
        let read = message(what, &content);
        assert_eq!(read["metadata"]["type"], kind, "{what}");
        assert_eq!(read["metadata"]["event"], format!("messages.{what}"));
        assert_eq!(read["session"]["key"], "acme:whatsapp:491:491", "{what}");
        assert_eq!(read["provider_ids"]["event_id"], "wamid.A", "{what}");
        let about = if matches!(kind, "reaction" | "edit" | "deletion") {
            "wamid.B"
        } else {
            "wamid.A"
        };
        assert_eq!(read["provider_ids"]["message_id"], about, "{what}");
    }
}

#[test]
fn what_was_chosen_is_a_button_and_its_title_the_text() {
    for (what, content) in [
        ("button", json!({"payload": "p", "text": "Yes"})),
        (
            "interactive",
            json!({"type": "button_reply", "button_reply": {"id": "p", "title": "Yes"}}),
        ),
        (
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "p", "title": "Yes"}}),
        ),
    ] {
        let read = message(what, &content);
        assert_eq!(read["buttons"], json!([{"id": "p", "title": "Yes", "payload": "p"}]), "{content}");
        assert_eq!(read["text"], "Yes");
    }
    let form = json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{\"n\":12345678901234567890}"}});
    let read = message("interactive", &form);
    assert_eq!(
        read["buttons"],
        json!([{"id": "flow", "title": "Sent", "payload": "{\"n\":12345678901234567890}"}])
    );
}

#[test]
fn edits_have_the_new_text_and_reactions_their_emoji() {
    let edit = json!({"original_message_id": "wamid.B", "message": {"type": "image", "image": {"id": "5", "caption": "new"}}});
    let read = message("edit", &edit);
    assert_eq!((&read["text"], &read["attachments"][0]["type"]), (&json!("new"), &json!("image")));
    for (emoji, action) in [(json!("x"), "react"), (json!(""), "unreact"), (Value::Null, "unreact")] {
        let read = message("reaction", &json!({"message_id": "wamid.B", "emoji": emoji}));
        assert_eq!(read["channel_data"]["action"], action, "{emoji}");
        assert_eq!(read["text"], Value::Null);
    }
}

#[test]
fn a_status_belongs_to_the_conversation_with_its_recipient() {
    let status = |status: &str| json!({"statuses": [{"id": "wamid.S", "status": status, "timestamp": "1771495200", "recipient_id": "499", "conversation": {"id": "c"}, "errors": [{"code": 130472, "title": "t"}]}]});
    let failed = read(&status("failed"));
    assert_eq!(
        (&failed["metadata"]["type"], &failed["metadata"]["event"]),
        (&json!("event"), &json!("statuses.failed"))
    );
    assert_eq!(failed["session"]["key"], "acme:whatsapp:499:499");
    assert_eq!(failed["provider_ids"]["message_id"], "wamid.S");
    assert_eq!(
        (&failed["channel_data"]["status"], &failed["channel_data"]["error_code"]),
        (&json!("failed"), &json!("130472"))
    );
    assert_eq!(failed["text"], Value::Null);
    // Sent, delivered and read are three events of one message, which is another one than a message of that id.
    let marks: BTreeSet<_> = ["sent", "delivered", "read"]
        .iter()
        .map(|text| one(&status(text)).id_mark())
        .collect();
    assert_eq!(marks.len(), 3);
    assert_eq!(one(&status("sent")).id_mark(), one(&status("sent")).id_mark());
    let message = one(&json!({"messages": [{"from": "491", "id": "wamid.S.sent", "type": "text"}]}));
    assert_ne!(message.id_mark(), one(&status("sent")).id_mark());
}

#[test]
fn in_a_group_the_group_is_the_conversation() {
    let said = read(&json!({"messages": [{"from": "491", "group_id": "G", "id": "wamid.A", "type": "text", "text": {"body": "x"}}]}));
    assert_eq!(said["session"]["key"], "acme:whatsapp:G:491");
    let seen = |member: &str| json!({"statuses": [{"id": "wamid.S", "status": "read", "recipient_id": "G", "recipient_type": "group", "recipient_participant_id": member}]});
    assert_eq!(read(&seen("491"))["session"]["key"], "acme:whatsapp:G:491");
    assert_ne!(
        one(&seen("491")).id_mark(),
        one(&seen("492")).id_mark(),
        "each member reads for himself"
    );
}

#[test]
fn who_shows_no_number_is_known_by_the_business_scoped_id() {
    let lists = json!({"contacts": [{"profile": {"name": "Eve", "username": "eve"}, "user_id": "US.9"}], "messages": [{"from_user_id": "US.9", "id": "wamid.A", "type": "text", "text": {"body": "x"}}]});
    let seen = read(&lists);
    assert_eq!(seen["session"]["key"], "acme:whatsapp:US.9:US.9");
    assert_eq!(seen["channel_data"]["username"], "eve");
    let lists = json!({"contacts": [{"user_id": "US.9"}], "messages": [{"id": "wamid.A", "type": "text", "text": {"body": "x"}}]});
    assert_eq!(read(&lists)["provider_ids"]["user_id"], "US.9");
}

#[test]
fn calls_belong_to_the_customer_whoever_called() {
    for (direction, from, to) in [("USER_INITIATED", "491", "4930"), ("BUSINESS_INITIATED", "4930", "491")] {
        let read = read(&json!({"calls": [{"id": "wacid.A", "event": "connect", "direction": direction, "from": from, "to": to}]}));
        assert_eq!(read["session"]["key"], "acme:whatsapp:491:491", "{direction}");
        assert_eq!(
            (&read["metadata"]["event"], &read["provider_ids"]["event_id"]),
            (&json!("calls.connect"), &json!("wacid.A.connect"))
        );
    }
}

#[test]
fn what_the_business_wrote_itself_is_dropped() {
    let echo = json!({"from": "4930", "to": "491", "id": "wamid.E", "type": "text", "text": {"body": "x"}});
    let found = deliveries(&body(&[value("P1", &json!({"message_echoes": [echo]}))]).to_string());
    assert!(found.events.is_empty());
    assert_eq!(
        (found.dropped[0].reason, found.dropped[0].event_id.as_deref()),
        (DropReason::OwnMessage, Some("wamid.E"))
    );
}

#[test]
fn a_fresh_id_is_that_of_each_event() {
    let text = |id: &str| json!({"from": "491", "id": id, "type": "text", "text": {"body": "id"}});
    let payload = body(&[value(
        "P1",
        &json!({"messages": [text("a"), text("b")], "statuses": [{"status": "read"}]}),
    )])
    .to_string();
    let signed = sign::sign(Whatsapp, payload.as_bytes(), &key(replay::signing_key(Whatsapp)), NOW, Some("f\"1")).unwrap();
    let found = deliveries(std::str::from_utf8(&signed.body).unwrap()).events;
    let ids: Vec<_> = found.iter().map(|event| event.event_id().unwrap()).collect();
    assert_eq!(ids, ["f\"1", "f\"1.2", "f\"1.3.read"]);
    let other = payload.replace("\"a\"", r#""f\"1""#).replace("\"b\"", r#""f\"1.2""#);
    let other = other.replace(r#"[{"status""#, r#"[{"id":"f\"1.3","status""#);
    assert_eq!(std::str::from_utf8(&signed.body).unwrap(), other, "nothing else changed");
    for (payload, error) in [
        ("[]", "no JSON object"),
        (r#"{"object":"x"}"#, "no event with an id"),
        ("{", "no JSON object"),
    ] {
        let wrong = sign::sign(Whatsapp, payload.as_bytes(), &key("k"), NOW, Some("x")).unwrap_err();
        assert!(wrong.to_string().contains(error), "{wrong}");
    }
}

#[test]
fn recorded_payloads_are_read() {
    let (activities, _, refused) = corpus::run(Whatsapp, "whatsapp", "");
    assert_eq!(refused, Vec::<String>::new());
    // Of the 39 files three are the business's own words, and two carry an error beside their event.
    assert!(activities == 0 || activities == 38, "{activities}");
}
