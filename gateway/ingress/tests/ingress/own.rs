//! What the app itself said comes back to it: acknowledged with a reason, never run. What other bots say runs, and is marked.

use crate::gate::{Gate, activity};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::{self, Discord, Slack, TeamsOutgoing};
use tollgate_ingress::{Deliveries, DropReason, Dropped, Opened};

fn gate(provider: Provider, body: &Value) -> Gate {
    Gate::with(provider, body.to_string().as_bytes())
}

fn slack(event: &Value) -> Gate {
    let body = json!({"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev 1", "event": event,
        "authorizations": [{"user_id": "UBOT", "is_bot": true}, {"user_id": "UADA", "is_bot": false}]});
    gate(Slack, &body)
}

#[test]
fn slack_messages_of_the_app_are_dropped_however_it_wrote_them() {
    for event in [
        json!({"type": "message", "channel": "C1", "user": "UBOT"}),
        json!({"type": "message", "channel": "C1", "user": "UADA", "app_id": "A1"}),
        json!({"type": "message", "channel": "C1", "bot_id": "B1", "bot_profile": {"app_id": "A1"}}),
        json!({"type": "message", "subtype": "bot_message", "channel": "C1", "app_id": "A1"}),
        json!({"type": "message", "subtype": "file_share", "channel": "C1", "user": "UBOT"}),
        json!({"type": "app_mention", "channel": "C1", "user": "UBOT"}),
        // An unfurled link and a first answer change a message too, and the app's author is still the app.
        json!({"type": "message", "subtype": "message_changed", "channel": "C1", "message": {"user": "UBOT", "text": "x"}}),
        json!({"type": "message", "subtype": "message_changed", "channel": "C1", "message": {"bot_profile": {"app_id": "A1"}}}),
        json!({"type": "message", "subtype": "message_deleted", "channel": "C1", "previous_message": {"app_id": "A1"}}),
    ] {
        match slack(&event).open() {
            Ok(Opened::Deliveries(Deliveries { events, dropped })) => {
                let expected = Dropped {
                    reason: DropReason::OwnMessage,
                    event_id: Some("Ev%201".to_owned()),
                };
                assert!(events.is_empty() && dropped == [expected], "{event}: {dropped:?}");
            }
            other => panic!("{event}: {other:?}"),
        }
    }
}

#[test]
fn slack_messages_of_others_and_what_the_bot_did_without_words_run() {
    for (event, kind, bot) in [
        (json!({"type": "message", "channel": "C1", "user": "UADA"}), "message", false),
        (
            json!({"type": "message", "channel": "C1", "bot_id": "B2", "app_id": "A2"}),
            "message",
            true,
        ),
        (
            json!({"type": "message", "channel": "C1", "user": "U3", "bot_profile": {"app_id": "A2"}}),
            "message",
            true,
        ),
        (
            json!({"type": "message", "subtype": "message_changed", "channel": "C1", "message": {"user": "UADA"}, "previous_message": {"user": "UADA"}}),
            "edit",
            false,
        ),
        (
            json!({"type": "message", "subtype": "message_deleted", "channel": "C1", "previous_message": {"user": "UADA"}}),
            "deletion",
            false,
        ),
        (
            json!({"type": "reaction_added", "user": "UBOT", "item": {"channel": "C1", "ts": "1.0"}}),
            "reaction",
            true,
        ),
        (
            json!({"type": "member_joined_channel", "user": "UBOT", "channel": "C1"}),
            "membership",
            true,
        ),
        (
            json!({"type": "message", "subtype": "channel_join", "user": "UBOT", "channel": "C1"}),
            "membership",
            true,
        ),
        (
            json!({"type": "message", "subtype": "channel_topic", "user": "UBOT", "channel": "C1"}),
            "event",
            true,
        ),
    ] {
        let seen = activity(&slack(&event).event());
        assert_eq!(
            (&seen["metadata"]["type"], &seen["metadata"]["bot"]),
            (&json!(kind), &json!(bot)),
            "{event}"
        );
    }
    // Without an app's id in the envelope, a message without one is nobody's.
    let nameless = json!({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message", "channel": "C1", "text": "hi"}});
    assert_eq!(activity(&gate(Slack, &nameless).event())["text"], "hi");
}

#[test]
fn teams_messages_to_the_bot_from_itself_are_dropped() {
    let from = |name: &str, from: &str, recipient: Value| {
        gate(
            TeamsOutgoing,
            &json!({"type": name, "id": "1", "from": {"id": from}, "recipient": recipient, "conversation": {"id": "c"}, "text": "x"}),
        )
    };
    for name in ["message", "messageUpdate", "messageDelete"] {
        assert_eq!(
            from(name, "28:gate", json!({"id": "28:gate"})).dropped(),
            DropReason::OwnMessage,
            "{name}"
        );
    }
    let other = activity(&from("message", "28:other", json!({"id": "28:gate"})).event());
    assert_eq!(other["metadata"]["bot"], true);
    assert_eq!(activity(&from("message", "29:ada", Value::Null).event())["metadata"]["bot"], false);
    assert_eq!(
        activity(&from("conversationUpdate", "28:gate", json!({"id": "28:gate"})).event())["metadata"]["type"],
        "membership"
    );
}

#[test]
fn discord_messages_of_the_application_are_dropped() {
    let body = |data: &Value| {
        gate(
            Discord,
            &json!({"version": 1, "application_id": "7", "type": 1, "event": {"type": "LOBBY_MESSAGE_CREATE", "data": data}}),
        )
    };
    for data in [
        json!({"id": "1", "lobby_id": "2", "author": {"id": "7", "bot": true}, "content": "x"}),
        json!({"id": "1", "lobby_id": "2", "author": {"id": "8", "bot": true}, "application_id": "7", "content": "x"}),
    ] {
        assert_eq!(body(&data).dropped(), DropReason::OwnMessage, "{data}");
    }
    let other = activity(&body(&json!({"id": "1", "lobby_id": "2", "author": {"id": "8", "bot": true}, "content": "x"})).event());
    assert_eq!(other["metadata"]["bot"], true);
}
