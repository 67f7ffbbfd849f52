//! Linear: a clock that stands in the signed body, an id that nothing signs.

use crate::gate::{Gate, NOW, activity, key};
use crate::{corpus, schema};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::Linear;
use tollgate_ingress::{Reason, replay, sign};

const SIGNATURE: &str = "linear-signature";

/// A signed request with this body as it is, whatever its clock.
fn bare(body: &str) -> Gate {
    use hmac::{Hmac, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(replay::key(Linear).as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let mut gate = Gate::sample(Linear).header(SIGNATURE, &data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()));
    gate.body = body.as_bytes().to_vec();
    gate
}

fn seen(body: &Value) -> Value {
    let seen = activity(&Gate::with(Linear, body.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&seen), Vec::<String>::new());
    seen
}

#[test]
fn tampered_and_doubled_requests_are_refused() {
    let gate = Gate::sample(Linear);
    let mut tampered = gate.clone();
    tampered.body.push(b' ');
    let signature = gate.headers[SIGNATURE].to_str().unwrap().to_owned();
    for (name, gate, reason) in [
        ("as it is", gate.clone(), None),
        ("tampered", tampered, Some(Reason::BadSignature)),
        ("wrong secret", gate.clone().keys(&[("other", None)]), Some(Reason::BadSignature)),
        ("no signature", gate.clone().without(SIGNATURE), Some(Reason::MissingSignature)),
        (
            "two signatures",
            gate.clone().more(SIGNATURE, &signature),
            Some(Reason::DuplicateHeader),
        ),
        ("two ids", gate.clone().more("linear-delivery", "b"), Some(Reason::DuplicateHeader)),
        ("two names", gate.clone().more("linear-event", "b"), Some(Reason::DuplicateHeader)),
        (
            "two clocks",
            gate.clone().more("linear-timestamp", "b"),
            Some(Reason::DuplicateHeader),
        ),
        (
            "upper case",
            gate.clone().header(SIGNATURE, &signature.to_uppercase()),
            Some(Reason::BadSignature),
        ),
        (
            "a prefix",
            gate.clone().header(SIGNATURE, &format!("sha256={signature}")),
            Some(Reason::BadSignature),
        ),
    ] {
        assert_eq!(gate.reason(), reason, "{name}");
    }
}

#[test]
fn the_window_is_a_minute_both_ways() {
    for (shift, reason) in [
        (60, None),
        (61, Some(Reason::StaleTimestamp)),
        (-60, None),
        (-61, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(Gate::sample(Linear).at(NOW.0 + shift).reason(), reason, "{shift}");
    }
}

#[test]
fn the_header_is_no_clock() {
    // Nothing signs it: it neither opens a body without a clock, nor freshens an old one, nor spoils a good one.
    let fresh = format!("{}000", NOW.0);
    for body in [r#"{"type":"Issue"}"#, r#"{"webhookTimestamp":null}"#, "[]", "x", ""] {
        let gate = bare(body).header("linear-timestamp", &fresh);
        assert_eq!(gate.reason(), Some(Reason::MissingTimestamp), "{body}");
        assert_eq!(gate.without("linear-timestamp").reason(), Some(Reason::MissingTimestamp), "{body}");
    }
    let old = bare(r#"{"webhookTimestamp":1531420000000}"#).header("linear-timestamp", &fresh);
    assert_eq!(old.reason(), Some(Reason::StaleTimestamp));
    for gate in [
        Gate::sample(Linear).header("linear-timestamp", "1"),
        Gate::sample(Linear).without("linear-timestamp"),
    ] {
        assert_eq!(gate.reason(), None);
    }
}

#[test]
fn junk_clocks_are_refused() {
    for junk in [
        r#""1531420618000""#,
        "1531420618",
        "1531420618000.0",
        "1.531420618e12",
        "-1531420618000",
        "{}",
        "true",
        "15314206180000",
    ] {
        assert_eq!(
            bare(&format!(r#"{{"webhookTimestamp":{junk}}}"#)).reason(),
            Some(Reason::BadTimestamp),
            "{junk}"
        );
    }
    assert_eq!(bare(r#"{"webhookTimestamp":1531420618999}"#).reason(), None);
    // A clock that is not the outermost object's is none; of two, the last counts, as it does for who reads the body.
    assert_eq!(
        bare(r#"{"data":{"webhookTimestamp":1531420618999}}"#).reason(),
        Some(Reason::MissingTimestamp)
    );
    assert_eq!(
        bare(r#"{"webhookTimestamp":1531420618999,"webhookTimestamp":1}"#).reason(),
        Some(Reason::BadTimestamp)
    );
    // An unsigned body tells nothing of its clock.
    assert_eq!(bare("{}").keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
}

#[test]
fn a_new_delivery_id_does_not_make_a_known_body_new() {
    let event = |id: &str| Gate::sample(Linear).header("linear-delivery", id).event();
    let (one, two) = (event("a"), event("b"));
    assert_eq!(
        (one.event_id(), one.account()),
        (Some("a"), Some("dd6f3c0c-6b0a-4bd5-9f5b-0d2c1c8e7a11"))
    );
    assert_ne!(one.id_mark(), two.id_mark());
    assert!(one.body_mark().is_some() && one.body_mark() == two.body_mark());
    let nameless = Gate::sample(Linear).without("linear-delivery").event();
    assert_eq!((nameless.id_mark(), nameless.body_mark()), (None, one.body_mark()));
}

#[test]
fn a_comment_is_a_message_in_its_issues_session() {
    let body = json!({"action": "create", "type": "Comment", "createdAt": "2026-02-19T10:00:00.084Z", "organizationId": "O1", "url": "https://linear.app/x",
        "actor": {"id": "U1", "type": "user"}, "data": {"id": "C1", "body": "see https://a.example.", "issueId": "I1", "userId": "U1", "parentId": "C0"}});
    let seen = seen(&body);
    assert_eq!(seen["session"]["key"], "acme:linear:I1:U1");
    assert_eq!(
        (&seen["text"], &seen["entities"]["urls"]),
        (&json!("see https://a.example."), &json!(["https://a.example"]))
    );
    assert_eq!(
        (&seen["timestamp"], &seen["provider_ids"]["message_id"], &seen["metadata"]["bot"]),
        (&json!("2026-02-19T10:00:00+00:00"), &json!("C1"), &json!(false))
    );
    assert_eq!(
        seen["channel_data"],
        json!({"type": "Comment", "action": "create", "url": "https://linear.app/x", "parent_id": "C0"})
    );
    // The issue itself is the same conversation.
    let issue = activity(&Gate::sample(Linear).event());
    assert_eq!(
        (&issue["session"]["key"], &issue["metadata"]["type"]),
        (
            &json!("acme:linear:2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9:b5ea8f1f-8adc-4f52-b4bd-ab4e84cf51ba"),
            &json!("event")
        )
    );
}

#[test]
fn kinds_are_told_apart_and_apps_are_marked() {
    for (name, action, kind) in [
        ("Comment", "create", "message"),
        ("Comment", "update", "edit"),
        ("Comment", "remove", "deletion"),
        ("Reaction", "create", "reaction"),
        ("AgentSessionEvent", "prompted", "message"),
        ("Issue", "create", "event"),
        ("IssueLabel", "remove", "event"),
    ] {
        let seen = seen(&json!({"type": name, "action": action, "data": {"id": "x", "body": "hi", "emoji": "tada"}}));
        assert_eq!(seen["metadata"]["type"], kind, "{name} {action}");
        assert_eq!(seen["text"].is_null(), kind == "deletion", "{name}");
        assert_eq!(
            seen["timestamp"], "2018-07-12T18:36:58+00:00",
            "the signed clock where the event has no time"
        );
    }
    for (actor, data, bot) in [
        (json!({"type": "OauthClient"}), json!({}), true),
        (json!({"type": "integration"}), json!({}), true),
        (json!({"type": "user"}), json!({"botActor": {"id": "B1"}}), true),
        (json!({"type": "User"}), json!({"botActor": null}), false),
        (Value::Null, json!({}), false),
    ] {
        let seen = seen(&json!({"type": "Comment", "action": "create", "actor": actor, "data": data}));
        assert_eq!(seen["metadata"]["bot"], bot, "{actor} {data}");
    }
}

#[test]
fn what_people_tell_an_agent_is_a_message_in_its_session() {
    let seen = seen(&json!({"type": "AgentSessionEvent", "action": "prompted", "organizationId": "O1",
        "agentSession": {"id": "S1", "creatorId": "U1", "issueId": "I1"}, "agentActivity": {"id": "A1", "userId": "U2", "content": {"type": "prompt", "body": "open it"}}}));
    assert_eq!(
        (&seen["session"]["key"], &seen["text"], &seen["provider_ids"]["message_id"]),
        (&json!("acme:linear:S1:U2"), &json!("open it"), &json!("A1"))
    );
}

#[test]
fn signing_sets_the_clock_and_nothing_else() {
    let signed = |payload: &str| sign::sign(Linear, payload.as_bytes(), &key(replay::key(Linear)), NOW, Some("fresh-1"));
    let text = |payload: &str| String::from_utf8(signed(payload).unwrap().body).unwrap();
    assert_eq!(
        text(r#"{ "n": 12345678901234567890123, "webhookTimestamp" : 5 }"#),
        r#"{ "n": 12345678901234567890123, "webhookTimestamp" : 1531420618000 }"#
    );
    assert_eq!(text("{}"), r#"{"webhookTimestamp":1531420618000}"#);
    let headers = signed(sign::sample(Linear)).unwrap().headers;
    assert!(
        headers["linear-delivery"] == "fresh-1" && headers["linear-event"] == "Issue",
        "{headers:?}"
    );
    for odd in ["", "[]", "x"] {
        assert!(signed(odd).unwrap_err().to_string().contains("webhookTimestamp"), "{odd}");
    }
}

#[test]
fn recorded_payloads() {
    let (activities, handshakes, refused) = corpus::run(Linear, "linear", "");
    assert!(activities <= 1 && handshakes == 0 && refused.is_empty(), "{activities} {refused:?}");
}
