//! Webex: labelled MACs that must all fit, the old header only on request, events told apart.

use crate::gate::{Gate, NOW, activity, key, shared};
use crate::schema;
use serde_json::{Value, json};
use tollgate_config::manifest::{Provider::Webex, Scalar};
use tollgate_ingress::{Deliveries, DropReason, Opened, Reason, replay, sign};

const SIGNATURE: &str = "x-webex-signature";
const OLD: &str = "x-spark-signature";

/// HMAC-SHA1 of `{"a":1}` and of the key of all seeds, by another implementation (Python's `hmac`).
const SHA1: &str = "69d59d02f101b5e6aefcaf5b1c2ac1a5729b67d3";
const SHA1_BODY: &[u8] = br#"{"a":1}"#;

fn read(body: &Value) -> Value {
    let read = activity(&Gate::with(Webex, body.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{body}");
    read
}

fn event(resource: &str, event: &str, data: &Value) -> Value {
    json!({"id": "hook", "name": "Gate", "resource": resource, "event": event, "orgId": "org", "createdBy": "bot", "actorId": "ada",
        "created": "2019-07-17T12:14:37.522Z", "data": data})
}

/// Both MACs of a good request.
fn parts(gate: &Gate) -> (String, String) {
    let text = gate.headers[SIGNATURE].to_str().unwrap();
    let (short, long) = text.split_once(", ").unwrap();
    (
        short.strip_prefix("SHA-256=").unwrap().to_owned(),
        long.strip_prefix("SHA-512=").unwrap().to_owned(),
    )
}

#[test]
fn every_known_label_must_fit() {
    let good = Gate::sample(Webex);
    let (short, long) = parts(&good);
    let (bad_short, bad_long) = ("0".repeat(64), "0".repeat(128));
    for fine in [
        format!("SHA-256={short}"),
        format!("SHA-512={long}"),
        format!("sha-512={long},Sha-256={short}"),
        format!("SHA-999=whatever, SHA-256={short}"),
    ] {
        assert_eq!(good.clone().header(SIGNATURE, &fine).reason(), None, "{fine}");
    }
    for wrong in [
        String::new(),
        format!("SHA-256={short}, SHA-512={bad_long}"),
        format!("SHA-256={bad_short}, SHA-512={long}"),
        format!("SHA-256={short}, SHA-256={bad_short}"),
        format!("SHA-256={bad_short}, SHA-256={short}"),
        // What third parties guess.
        short.clone(),
        format!("sha256={short}"),
        format!("SHA-256={}", short.to_uppercase()),
        format!("SHA-256={long}"),
        format!("SHA-256={short}, SHA-512="),
        format!("SHA-256={short},"),
        format!("SHA-999={short}"),
        format!("SHA-256={short}{}", ", SHA-999=x".repeat(8)),
    ] {
        assert_eq!(
            good.clone().header(SIGNATURE, &wrong).reason(),
            Some(Reason::BadSignature),
            "{wrong}"
        );
    }
    let text = format!("SHA-256={short}");
    assert_eq!(good.clone().more(SIGNATURE, &text).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(good.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(good.keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
}

#[test]
fn the_old_header_counts_only_on_request_and_never_beside_the_new_one() {
    let old = |gate: Gate| gate.without(SIGNATURE).header(OLD, SHA1);
    let plain = Gate::with(Webex, SHA1_BODY);
    assert_eq!(old(plain.clone()).reason(), Some(Reason::AlgorithmNotAllowed));
    let allowed = plain.scalar("allow_sha1", Scalar::Bool(true));
    // Verified, and then no event.
    assert_eq!(old(allowed.clone()).reason(), Some(Reason::Unparsable));
    assert_eq!(old(allowed.clone()).keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    for wrong in [&SHA1.to_uppercase(), &SHA1[2..], "", &format!("sha1={SHA1}")] {
        assert_eq!(
            old(allowed.clone()).header(OLD, wrong).reason(),
            Some(Reason::BadSignature),
            "{wrong}"
        );
    }
    assert_eq!(old(allowed.clone()).more(OLD, SHA1).reason(), Some(Reason::DuplicateHeader));
    // Both are sent: the new one decides, and a SHA-1 MAC in it is none.
    let both = |text: &str| allowed.clone().header(OLD, SHA1).header(SIGNATURE, text).reason();
    assert_eq!(both(&format!("SHA-256={}", "0".repeat(64))), Some(Reason::BadSignature));
    assert_eq!(both(""), Some(Reason::BadSignature));
    assert_eq!(both(&format!("SHA-1={SHA1}")), Some(Reason::BadSignature));
    let (short, _) = parts(&allowed);
    let wrong = allowed
        .clone()
        .header(SIGNATURE, &format!("SHA-256={short}"))
        .header(OLD, &"0".repeat(40));
    assert_eq!(wrong.reason(), Some(Reason::Unparsable), "the old one does not count");
}

#[test]
fn what_is_no_event_is_told() {
    for body in [
        "{",
        "{}",
        "[]",
        r#"{"resource":"messages","event":"created"}"#,
        r#"{"resource":"messages","event":"created","data":{}}"#,
        r#"{"event":"created","data":{"id":"1"}}"#,
        r#"{"resource":"messages","data":{"id":"1"}}"#,
    ] {
        assert_eq!(Gate::with(Webex, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn a_message_is_in_its_thread() {
    let data = json!({"id": "m", "roomId": "r", "parentId": "p", "roomType": "group", "personId": "ada", "personEmail": "ada@a.example",
        "created": "2026-02-19T10:00:00.000Z", "files": ["https://webexapis.com/v1/contents/1"], "mentionedPeople": ["bot"]});
    let read = read(&event("messages", "created", &data));
    assert_eq!(read["session"]["key"], "acme:webex:p:ada");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": "org", "conversation_id": "p", "thread_id": "p", "channel_id": "r", "user_id": "ada", "message_id": "m", "event_id": "messages.created.m"})
    );
    assert_eq!(
        read["timestamp"], "2026-02-19T10:00:00+00:00",
        "the message's time, not the webhook's"
    );
    assert_eq!(read["attachments"][0]["url"], "https://webexapis.com/v1/contents/1");
    assert_eq!(read["entities"]["mentions"][0]["id"], "bot");
    assert_eq!(read["channel_data"]["roomType"], "group");
    assert_eq!((&read["text"], &read["metadata"]["bot"]), (&Value::Null, &json!(false)));
}

#[test]
fn kinds_are_told_apart() {
    for (resource, what, kind, key) in [
        ("messages", "created", "message", "acme:webex:r:ada"),
        ("messages", "updated", "edit", "acme:webex:r:ada"),
        ("messages", "deleted", "deletion", "acme:webex:r:ada"),
        ("attachmentActions", "created", "action", "acme:webex:r:ada"),
        ("memberships", "created", "membership", "acme:webex:r:ada"),
        ("memberships", "deleted", "membership", "acme:webex:r:ada"),
        ("rooms", "updated", "event", "acme:webex:x:ada"),
        ("meetings", "started", "event", "acme:webex:r:ada"),
    ] {
        let read = read(&event(resource, what, &json!({"id": "x", "roomId": "r"})));
        assert_eq!(read["metadata"]["type"], kind, "{resource}.{what}");
        assert_eq!(read["metadata"]["event"], format!("{resource}.{what}"));
        assert_eq!(read["session"]["key"], key, "{resource}.{what}");
    }
    let sent = read(&event(
        "attachmentActions",
        "created",
        &json!({"id": "a", "type": "submit", "messageId": "m", "roomId": "r", "inputs": {"n": 1}}),
    ));
    assert_eq!(sent["buttons"], json!([{"id": "a", "title": "submit", "payload": "{\"n\":1}"}]));
    assert_eq!(sent["provider_ids"]["message_id"], "m");
}

#[test]
fn what_the_application_did_itself_is_marked() {
    let by = |resource: &str, actor: &str, email: &str| {
        let mut body = event(resource, "created", &json!({"id": "x", "personEmail": email}));
        body["actorId"] = json!(actor);
        body
    };
    let bot = |resource: &str, actor: &str, email: &str| read(&by(resource, actor, email))["metadata"]["bot"].clone();
    assert_eq!(bot("messages", "ada", "ada@a.example"), false);
    assert_eq!(bot("messages", "other", "other@webex.bot"), true);
    assert_eq!(bot("messages", "other", "webex.bot@a.example"), false);
    // The bot was added by somebody; somebody was added by the bot.
    assert_eq!(bot("memberships", "ada", "gate@webex.bot"), false);
    assert_eq!(bot("memberships", "bot", "ada@a.example"), true);
    assert_eq!(bot("attachmentActions", "bot", ""), false);
}

#[test]
fn what_the_webhooks_own_account_wrote_is_dropped() {
    let by = |what: &str, actor: Value, person: Value| {
        let mut body = event("messages", what, &json!({"id": "x", "personId": person}));
        body["actorId"] = actor;
        Gate::with(Webex, body.to_string().as_bytes())
    };
    for what in ["created", "updated", "deleted"] {
        assert_eq!(by(what, json!("bot"), json!("bot")).dropped(), DropReason::OwnMessage, "{what}");
        // Somebody took back what the bot had said.
        assert_eq!(activity(&by(what, json!("ada"), json!("bot")).event())["metadata"]["bot"], false);
    }
    assert_eq!(by("created", Value::Null, json!("bot")).dropped(), DropReason::OwnMessage);
    // Nobody is not the same as nobody.
    let mut nobody = event("messages", "created", &json!({"id": "x"}));
    nobody["actorId"] = Value::Null;
    nobody["createdBy"] = Value::Null;
    assert!(Gate::with(Webex, nobody.to_string().as_bytes()).event().id_mark().is_some());
}

#[test]
fn what_may_happen_again_has_marks_of_its_own() {
    let mark = |resource: &str, what: &str, data: Value| {
        Gate::with(Webex, event(resource, what, &data).to_string().as_bytes())
            .event()
            .id_mark()
            .unwrap()
    };
    let at = |time: &str| json!({"id": "x", "created": time, "updated": time});
    // A message is made once, whatever a retry's body looks like; it is changed many times.
    assert_eq!(mark("messages", "created", at("1")), mark("messages", "created", at("2")));
    assert_eq!(mark("messages", "deleted", at("1")), mark("messages", "deleted", at("2")));
    for (resource, what) in [
        ("messages", "updated"),
        ("memberships", "created"),
        ("memberships", "deleted"),
        ("rooms", "updated"),
    ] {
        assert_eq!(mark(resource, what, at("1")), mark(resource, what, at("1")), "{resource}.{what}");
        assert_ne!(mark(resource, what, at("1")), mark(resource, what, at("2")), "{resource}.{what}");
    }
    assert_ne!(mark("messages", "created", at("1")), mark("messages", "deleted", at("1")));
    let event = Gate::sample(Webex).option("same_body", "drop").event();
    assert!(event.id_mark().is_some() && event.body_mark().is_none());
    assert_eq!(event.account(), Some("OTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh"));
}

#[test]
fn a_fresh_id_is_the_things_own() {
    let payload = br#"{ "id":"hook", "resource":"messages","event":"created","data": {"id" : "old","n":9007199254740993} }"#;
    let signed = sign::sign(Webex, payload, &key(replay::key(Webex)), NOW, Some("fresh")).unwrap();
    assert_eq!(
        signed.body,
        String::from_utf8_lossy(payload).replace("\"old\"", "\"fresh\"").into_bytes()
    );
    let mut gate = Gate::sample(Webex);
    (gate.headers, gate.body) = (signed.headers, signed.body);
    assert_eq!(gate.event().event_id(), Some("messages.created.fresh"));
    assert!(sign::sign(Webex, b"{}", &key("k"), NOW, Some("x")).is_err());
}

#[test]
fn payloads_of_the_corpus() {
    let Some(folder) = shared("corpus/webex") else { return };
    let manifest = std::fs::read_to_string(shared("corpus/MANIFEST.jsonl").unwrap()).unwrap();
    let objects: Vec<Value> = manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for path in std::fs::read_dir(folder).unwrap() {
        let path = path.unwrap().path();
        let name = format!("webex/{}", path.file_name().unwrap().to_str().unwrap());
        let gate = Gate::with(Webex, &std::fs::read(&path).unwrap());
        // Answers of the interface are no events.
        if objects
            .iter()
            .any(|entry| entry["file"] == name.as_str() && entry["tag"] == "api-object")
        {
            assert_eq!(gate.reason(), Some(Reason::Unparsable), "{name}");
        } else {
            match gate.open() {
                Ok(Opened::Deliveries(Deliveries { events, dropped })) => {
                    assert_eq!(events.len() + dropped.len(), 1, "{name}");
                    assert!(dropped.iter().all(|dropped| dropped.reason == DropReason::OwnMessage), "{name}");
                    for event in &events {
                        assert_eq!(schema::wrong(&activity(event)), Vec::<String>::new(), "{name}");
                    }
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
