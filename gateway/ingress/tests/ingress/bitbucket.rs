//! Bitbucket at the gate.

use crate::{
    corpus,
    gate::{Gate, NOW, activity, key, tenant},
    schema,
};
use serde_json::Value;
use tollgate_config::manifest::Provider::Bitbucket;
use tollgate_ingress::{Opened, Reason, sign};

const SIGNATURE: &str = "x-hub-signature";

fn sample() -> Gate {
    Gate::sample(Bitbucket)
}

fn made(body: &str, event: &str) -> Value {
    let made = activity(&Gate::with(Bitbucket, body.as_bytes()).header("x-event-key", event).event());
    assert_eq!(schema::wrong(&made), Vec::<String>::new());
    made
}

#[test]
fn the_published_example_opens() {
    // "Hello World!" under "It's a Secret to Everybody", as Atlassian's documents compute it.
    let mut gate = sample()
        .keys(&[("It's a Secret to Everybody", None)])
        .header(SIGNATURE, "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9");
    gate.body = b"Hello World!".to_vec();
    assert_eq!(gate.reason(), Some(Reason::Unparsable), "verified, and no JSON");
}

#[test]
fn tampered_wrong_missing_and_repeated_are_refused() {
    let mut tampered = sample();
    tampered.body = String::from_utf8(tampered.body).unwrap().replace("creaks", "opens").into_bytes();
    assert_eq!(tampered.reason(), Some(Reason::BadSignature));
    assert_eq!(sample().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(sample().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    let good = sample().headers[SIGNATURE].to_str().unwrap().to_owned();
    assert_eq!(sample().more(SIGNATURE, &good).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(sample().more("x-event-key", "x").reason(), Some(Reason::DuplicateHeader));
    for bad in [
        good.replace("sha256=", ""),
        good.replace("sha256=", "sha1="),
        good.to_uppercase(),
        format!("{good},{good}"),
        "sha1=d03207e4b030cf234e3447bac4d93add4c6643d8".to_owned(),
    ] {
        assert_eq!(sample().header(SIGNATURE, &bad).reason(), Some(Reason::BadSignature), "{bad}");
    }
    assert_eq!(
        sample().without(SIGNATURE).header("x-hub-signature-256", &good).reason(),
        Some(Reason::MissingSignature)
    );
}

#[test]
fn a_ping_is_answered_when_it_is_verified_and_is_one() {
    let ping = Gate::with(Bitbucket, br#"{"test":true}"#).header("x-event-key", "diagnostics:ping");
    assert!(matches!(ping.open(), Ok(Opened::Handshake(answer)) if answer.status == 200));
    assert_eq!(ping.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(ping.clone().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    // The header alone swallows no event.
    assert_eq!(
        sample().header("x-event-key", "diagnostics:ping").event().account(),
        sample().event().account()
    );
}

#[test]
fn a_replay_under_a_new_id_is_the_same_body() {
    let (one, two) = (sample().event(), sample().header("x-request-uuid", "2").event());
    assert_ne!(one.id_mark(), two.id_mark());
    assert!(one.body_mark().is_some() && one.body_mark() == two.body_mark());
    assert_eq!(two.session_key(&tenant()), "acme:bitbucket:2:user");
    let server = sample().without("x-request-uuid").header("x-request-id", "r-1").event();
    assert_eq!(server.event_id(), Some("r-1"));
}

#[test]
fn an_event_name_is_signed_or_fits_the_body() {
    let signed = r#"{"eventKey":"pr:opened","pullRequest":{"id":5,"toRef":{"repository":{"id":4}}}}"#;
    assert_eq!(made(signed, "repo:refs_changed")["metadata"]["event"], "pr:opened");
    let issue = r#"{"issue":{"id":7},"repository":{"uuid":"{r}"}}"#;
    for (claimed, event) in [
        ("issue:created", Value::from("issue:created")),
        ("issue:updated", "issue:updated".into()),
        ("issue:comment_created", Value::Null),
        ("repo:push", Value::Null),
        ("pullrequest:created", Value::Null),
        ("repo:updated", Value::Null),
    ] {
        let made = made(issue, claimed);
        assert_eq!(made["metadata"]["event"], event, "{claimed}");
        assert_eq!(made["metadata"]["raw_headers"]["x-event-key"], claimed);
    }
}

#[test]
fn clouds_comments_are_told_apart_and_filled_in() {
    let body = r#"{"actor":{"uuid":"{a}","type":"user"},"repository":{"uuid":"{r}"},"pullrequest":{"id":1,"title":"t"},"comment":{"id":12419007199254740993,"parent":{"id":16},"content":{"raw":"@{557058:x} https://a.example/"},"updated_on":"2026-02-19T10:00:00.982346+00:00"}}"#;
    let comment = made(body, "pullrequest:comment_created");
    assert_eq!(comment["metadata"]["type"], "message");
    assert_eq!(comment["text"], "@{557058:x} https://a.example/");
    assert_eq!(comment["entities"]["mentions"][0]["id"], "557058:x");
    assert_eq!(comment["entities"]["urls"][0], "https://a.example/");
    assert_eq!(comment["timestamp"], "2026-02-19T10:00:00+00:00");
    let ids = &comment["provider_ids"];
    assert_eq!(
        (
            &ids["message_id"],
            &ids["thread_id"],
            &ids["conversation_id"],
            &ids["channel_id"],
            &ids["user_id"]
        ),
        (
            &"12419007199254740993".into(),
            &"16".into(),
            &"{r}/pullrequests/1".into(),
            &"{r}".into(),
            &"{a}".into()
        )
    );
    for (event, kind) in [
        ("pullrequest:comment_updated", "edit"),
        ("pullrequest:comment_deleted", "deletion"),
        ("pullrequest:approved", "event"),
    ] {
        assert_eq!(made(body, event)["metadata"]["type"], kind);
    }
    assert_eq!(made(&body.replace("\"user\"", "\"app_user\""), "x")["metadata"]["bot"], true);
    assert_eq!(comment["metadata"]["bot"], false);
}

#[test]
fn servers_comments_are_told_apart_and_filled_in() {
    let body = r#"{"eventKey":"pr:comment:added","date":"2026-02-19T11:00:00+0100","actor":{"id":3231,"type":"SERVICE"},"pullRequest":{"id":5,"toRef":{"repository":{"id":4}}},"comment":{"id":167,"text":"test"},"commentParentId":164}"#;
    let comment = made(body, "pr:comment:added");
    assert_eq!(comment["metadata"]["type"], "message");
    assert_eq!(comment["metadata"]["bot"], true);
    assert_eq!(comment["text"], "test");
    assert_eq!(comment["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(comment["provider_ids"]["thread_id"], "164");
    assert_eq!(comment["provider_ids"]["workspace_id"], "4");
    assert_eq!(made(&body.replace("added\"", "edited\""), "x")["metadata"]["type"], "edit");
    assert_eq!(made(&body.replace("added\"", "deleted\""), "x")["metadata"]["type"], "deletion");
}

#[test]
fn what_is_sent_has_bitbuckets_headers() {
    let headers = sign::sign(Bitbucket, sign::sample(Bitbucket).as_bytes(), &key("k"), NOW, Some("d-9"))
        .unwrap()
        .headers;
    assert_eq!(headers["x-request-uuid"], "d-9");
    assert_eq!(headers["x-event-key"], "issue:created");
    // A name that could stand in no header is left out.
    let odd = sign::sign(Bitbucket, br#"{"eventKey":"a\nb"}"#, &key("k"), NOW, None).unwrap();
    assert!(!odd.headers.contains_key("x-event-key"));
}

#[test]
fn corpus_payloads() {
    for folder in ["bitbucket", "bitbucket-server"] {
        let (activities, handshakes, refused) = corpus::run(Bitbucket, folder, "");
        assert!(
            activities == 0 || (activities == 8 && handshakes == 0 && refused.is_empty()),
            "{activities} {refused:?}"
        );
    }
}
