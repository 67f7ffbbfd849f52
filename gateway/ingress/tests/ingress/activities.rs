//! What a worker gets.

use crate::gate::{Gate, activity, tenant};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::{Github, Slack, StandardWebhooks};

fn slack(event: &Value) -> Value {
    let body = json!({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event_time": 1_771_495_200, "event": event});
    activity(&Gate::with(Slack, body.to_string().as_bytes()).event())
}

fn interactive(payload: &Value) -> Value {
    let body = format!(
        "payload={}",
        payload.to_string().replace('%', "%25").replace('+', "%2B").replace('&', "%26")
    );
    activity(&Gate::with(Slack, body.as_bytes()).event())
}

#[test]
fn a_slack_message_has_every_member_as_the_platform_writes_it() {
    let body = r#"{"type":"event_callback","team_id":"T1","event_id":"Ev1","event_time":5,"event":{"type":"message","channel":"C1","user":"U1","text":"hi <@U2> <https://a.example|a>","ts":"1771495200.000100","thread_ts":"1731315600.000100","files":[{"mimetype":"image/png","name":"a.png","size":12,"url_private":"https://files.example/a"},{"mimetype":"text/plain"}],"blocks":[{"type":"actions","elements":[{"type":"button","action_id":"b1","text":{"type":"plain_text","text":"Yes"},"value":"yes"},{"type":"datepicker"},{"type":"button","action_id":"b2"}]},{"type":"section","accessory":{"type":"button","action_id":"b3","value":"3"}}]}}"#;
    let event = Gate::with(Slack, body.as_bytes()).event();
    assert_eq!(
        activity(&event),
        json!({
            "tenant": "acme", "provider": "slack",
            "provider_ids": {"workspace_id": "T1", "conversation_id": "1731315600.000100", "thread_id": "1731315600.000100", "channel_id": "C1", "user_id": "U1", "message_id": "1771495200.000100", "event_id": "Ev1"},
            "session": {"key": "acme:slack:1731315600.000100:U1", "scopes": ["chat", "attachments", "buttons"]},
            "timestamp": "2026-02-19T10:00:00+00:00", "locale": null, "text": "hi <@U2> <https://a.example|a>",
            "attachments": [
                {"type": "image", "name": "a.png", "mime": "image/png", "size": 12, "url": "https://files.example/a", "data_inline_b64": null},
                {"type": "file", "name": null, "mime": "text/plain", "size": 0, "url": null, "data_inline_b64": null},
            ],
            "buttons": [{"id": "b1", "title": "Yes", "payload": "yes"}, {"id": "b2", "title": "Button", "payload": ""}, {"id": "b3", "title": "Button", "payload": "3"}],
            "entities": {"mentions": [{"id": "U2", "name": null, "text": "<@U2>"}], "urls": ["https://a.example"]},
            "metadata": {"raw_headers": {"content-type": "application/json", "x-slack-request-timestamp": "1531420618"}, "ip": null, "type": "message", "event": "message", "bot": false, "event_mismatch": false},
            "channel_data": {"type": "message", "subtype": null},
            "raw": serde_json::from_str::<Value>(body).unwrap(),
        })
    );
    assert_eq!(
        (event.event_id(), event.account(), event.content_type()),
        (Some("Ev1"), Some("T1"), Some("application/json"))
    );
    assert_eq!(event.raw().as_ref(), body.as_bytes());
}

#[test]
fn explicit_nulls_and_left_out_ids_are_the_platforms() {
    let seen = slack(&json!({"type": "team_rename", "name": "x"}));
    assert_eq!(seen["provider_ids"], json!({"workspace_id": "T1", "event_id": "Ev1"}));
    assert_eq!(
        (&seen["text"], &seen["locale"], &seen["attachments"], &seen["buttons"]),
        (&Value::Null, &Value::Null, &json!([]), &json!([]))
    );
    assert!(seen.as_object().unwrap().contains_key("text"));
    assert_eq!(seen["session"], json!({"key": "acme:slack:Ev1:user", "scopes": ["chat"]}));
    assert_eq!(
        seen["timestamp"], "2026-02-19T10:00:00+00:00",
        "the envelope's time where the event has none"
    );
}

#[test]
fn kinds_of_slack_events_are_told_apart() {
    let change = |subtype: &str| json!({"type": "message", "subtype": subtype, "channel": "C1", "ts": "9.0", "message": {"user": "U1", "text": "new", "ts": "7.0", "thread_ts": "6.0"}, "previous_message": {"user": "U2", "text": "old", "ts": "7.0"}, "deleted_ts": "7.0"});
    for (event, kind, session, message) in [
        (
            json!({"type": "message", "channel": "C1", "user": "U1", "ts": "1.0"}),
            "message",
            "C1:U1",
            Some("1.0"),
        ),
        (
            json!({"type": "app_mention", "channel": "C1", "user": "U1", "ts": "1.0", "thread_ts": "0.5"}),
            "message",
            "0.5:U1",
            Some("1.0"),
        ),
        (change("message_changed"), "edit", "6.0:U1", Some("7.0")),
        (change("message_deleted"), "deletion", "C1:U2", Some("7.0")),
        (
            json!({"type": "message", "subtype": "channel_join", "channel": "C1", "user": "U1", "ts": "1.0"}),
            "membership",
            "C1:U1",
            Some("1.0"),
        ),
        (
            json!({"type": "reaction_added", "user": "U1", "reaction": "tada", "item": {"type": "message", "channel": "C1", "ts": "1.0"}}),
            "reaction",
            "C1:U1",
            Some("1.0"),
        ),
        (
            json!({"type": "member_left_channel", "user": "U1", "channel": "C1"}),
            "membership",
            "C1:U1",
            None,
        ),
        (
            json!({"type": "user_change", "user": {"id": "U1", "locale": "de-DE"}}),
            "event",
            "U1:U1",
            None,
        ),
        (
            json!({"type": "channel_created", "channel": {"id": "C1"}}),
            "event",
            "C1:user",
            None,
        ),
        (
            json!({"type": "assistant_thread_started", "assistant_thread": {"user_id": "U1", "channel_id": "D1", "thread_ts": "5.0"}}),
            "event",
            "5.0:U1",
            None,
        ),
    ] {
        let seen = slack(&event);
        assert_eq!(
            (seen["metadata"]["type"].as_str(), seen["session"]["key"].as_str()),
            (Some(kind), Some(format!("acme:slack:{session}").as_str())),
            "{event}"
        );
        assert_eq!(seen["provider_ids"].get("message_id").and_then(Value::as_str), message, "{event}");
    }
    assert_eq!(slack(&change("message_changed"))["text"], "new");
    assert_eq!(slack(&change("message_deleted"))["text"], Value::Null);
    assert_eq!(
        slack(&json!({"type": "reaction_added", "reaction": "tada"}))["channel_data"],
        json!({"type": "reaction_added", "subtype": null, "reaction": "tada"})
    );
    assert_eq!(
        slack(&json!({"type": "user_change", "user": {"id": "U1", "locale": "de-DE"}}))["locale"],
        "de-DE"
    );
}

#[test]
fn what_a_bot_said_is_marked_and_kept() {
    for (event, bot) in [
        (json!({"type": "message", "bot_id": "B1", "channel": "C1"}), true),
        (json!({"type": "message", "subtype": "bot_message", "channel": "C1"}), true),
        (
            json!({"type": "message", "subtype": "message_changed", "channel": "C1", "message": {"bot_id": "B1"}}),
            true,
        ),
        (json!({"type": "message", "user": "U1", "channel": "C1"}), false),
    ] {
        assert_eq!(slack(&event)["metadata"]["bot"], bot, "{event}");
    }
}

#[test]
fn a_click_in_a_thread_is_in_the_threads_session() {
    let payload = json!({"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1"}, "channel": {"id": "C1"}, "trigger_id": "1.2", "response_url": "https://hooks.slack.com/x",
        "container": {"type": "message", "message_ts": "7.0", "channel_id": "C1", "thread_ts": "6.0"}, "message": {"text": "Pick", "ts": "7.0"},
        "actions": [{"action_id": "yes", "type": "button", "text": {"type": "plain_text", "text": "Yes"}, "value": "1", "action_ts": "1771495200.5"},
                    {"action_id": "menu", "type": "static_select", "selected_option": {"value": "two"}},
                    {"action_id": "many", "type": "multi_users_select", "selected_users": ["U1", "U2"]},
                    {"action_id": "boxes", "type": "checkboxes", "selected_options": [{"value": "a"}, {"value": "b"}]},
                    {"action_id": "when", "type": "datetimepicker", "selected_date_time": 1_628_633_820}]});
    let seen = interactive(&payload);
    assert_eq!(seen["session"], json!({"key": "acme:slack:6.0:U1", "scopes": ["chat", "buttons"]}));
    assert_eq!(
        (&seen["text"], &seen["timestamp"], &seen["metadata"]["type"]),
        (&json!("Pick"), &json!("2026-02-19T10:00:00+00:00"), &json!("action"))
    );
    assert_eq!(
        seen["buttons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|button| button["payload"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["1", "two", "U1,U2", "a,b", "1628633820"]
    );
    assert_eq!(
        seen["channel_data"],
        json!({"type": "block_actions", "trigger_id": "1.2", "response_url": "https://hooks.slack.com/x"})
    );
    assert_eq!((&seen["raw"], &seen["provider_ids"]["event_id"]), (&payload, &json!("1.2")));
}

#[test]
fn interactive_ids_come_from_the_trigger_the_action_or_the_view() {
    let event = |payload: Value| Gate::with(Slack, format!("payload={payload}").as_bytes()).event();
    let id = |payload: Value| event(payload).event_id().map(str::to_owned);
    assert_eq!(id(json!({"type": "shortcut", "trigger_id": "1.2"})).as_deref(), Some("1.2"));
    assert_eq!(
        id(json!({"type": "block_actions", "container": {"message_ts": "7.0"}, "actions": [{"action_ts": "8.0"}]})).as_deref(),
        Some("7.0%2B8.0".replace("%2B", "+").as_str())
    );
    assert_eq!(
        id(json!({"type": "view_closed", "view": {"id": "V1", "hash": "156.abc"}})).as_deref(),
        Some("V1+156.abc")
    );
    // A view asks for choices at every keystroke, in the same state.
    assert_eq!(
        id(json!({"type": "block_suggestion", "value": "a", "view": {"id": "V1", "hash": "156.abc"}})),
        None
    );
    // The same text as two kinds of ids is two marks.
    let marks = [
        event(json!({"type": "shortcut", "trigger_id": "V1+h"})).id_mark(),
        event(json!({"type": "view_closed", "view": {"id": "V1", "hash": "h"}})).id_mark(),
    ];
    assert!(marks[0].is_some() && marks[0] != marks[1]);
}

#[test]
fn a_slash_command_is_a_form() {
    let event = Gate::with(Slack, b"token=x&team_id=T1&channel_id=C1&user_id=U1&command=%2Fweather&text=94070+now&trigger_id=13.7&response_url=https%3A%2F%2Fhooks.slack.com%2Fx").event();
    let seen = activity(&event);
    assert_eq!(
        (&seen["text"], &seen["metadata"]["type"], &seen["session"]["key"]),
        (&json!("94070 now"), &json!("command"), &json!("acme:slack:C1:U1"))
    );
    assert_eq!(seen["raw"]["form"]["command"], "/weather");
    assert_eq!(seen["channel_data"]["command"], "/weather");
    assert_eq!((event.event_id(), event.account()), (Some("13.7"), Some("T1")));
    assert_eq!(seen["timestamp"], "2018-07-12T18:36:58+00:00", "the time that Slack signed");
}

#[test]
fn numbers_survive_digit_for_digit() {
    let text = br#"{"type":"x","id":820982911946154508123456789,"small":1e-999,"exact":0.10,"big":1E400}"#;
    for provider in [Github, StandardWebhooks, Slack] {
        let event = Gate::with(provider, text).event();
        let seen = serde_json::to_string(&event.activity(&tenant())).unwrap();
        assert!(
            seen.ends_with(&format!("\"raw\":{}}}", std::str::from_utf8(text).unwrap())),
            "{seen}"
        );
    }
    let event = Gate::with(Github, br#"{"sender":{"id":820982911946154508123456789}}"#).event();
    assert_eq!(activity(&event)["provider_ids"]["user_id"], "820982911946154508123456789");
}

#[test]
fn a_github_event_is_a_session_of_its_own() {
    let event = Gate::with(Github, br#"{"action":"opened","issue":{"number":3,"title":"Creaks"},"installation":{"id":5},"organization":{"id":6},"repository":{"id":7,"owner":{"id":8}},"sender":{"id":9,"type":"Bot"}}"#)
        .header("x-github-event", "issues")
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .event();
    let seen = activity(&event);
    assert_eq!(seen["session"]["key"], "acme:github:72d3162e-cc78-11e3-81ab-4c9367dc0958:user");
    assert_eq!(
        seen["provider_ids"],
        json!({"workspace_id": "6", "conversation_id": "7/issues/3", "channel_id": "7", "user_id": "9", "event_id": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    );
    assert_eq!(
        seen["channel_data"],
        json!({"type": "issues", "action": "opened", "number": "3", "ref": null})
    );
    assert_eq!(
        (&seen["text"], &seen["metadata"]["event_mismatch"]),
        (&json!("Creaks"), &json!(false))
    );
    assert_eq!(
        (&seen["metadata"]["event"], &seen["metadata"]["type"], &seen["metadata"]["bot"]),
        (&json!("issues"), &json!("event"), &json!(true))
    );
    assert_eq!(event.account(), Some("5"));
}

#[test]
fn a_github_form_carries_the_same_json() {
    let event = Gate::with(Github, b"payload=%7B%22id%22%3A+12345678901234567890123%7D").event();
    assert_eq!(
        serde_json::to_string(&event.activity(&tenant()).raw).unwrap(),
        r#"{"id": 12345678901234567890123}"#
    );
}

#[test]
fn standard_webhooks_of_any_format_keep_their_body() {
    for (content_type, body, raw) in [
        ("application/json", &b"{\"type\":\"a.b\"}"[..], json!({"type": "a.b"})),
        ("application/vnd.a+json", b"[1]", json!([1])),
        ("text/plain", b"hello", json!({"text": "hello"})),
        ("text/plain", b"", json!({"text": ""})),
        (
            "application/x-www-form-urlencoded",
            b"a=1&a=2&b=%20",
            json!({"form": {"a": ["1", "2"], "b": " "}}),
        ),
        ("application/octet-stream", b"\xff\x00", json!({"base64": "/wA="})),
    ] {
        let event = Gate::with(StandardWebhooks, body).header("content-type", content_type).event();
        assert_eq!(activity(&event)["raw"], raw, "{content_type}");
    }
    let seen = activity(&Gate::sample(StandardWebhooks).event());
    assert_eq!(seen["metadata"]["event"], "contact.created");
    assert_eq!(seen["timestamp"], "2018-07-12T18:36:58+00:00", "the time that was signed");
    assert_eq!(
        seen["session"]["key"],
        format!("acme:standard-webhooks:{}:user", seen["provider_ids"]["event_id"].as_str().unwrap())
    );
}
