//! GitLab at the gate.

use crate::{
    corpus,
    gate::{Gate, NOW, activity, key, tenant},
    schema,
};
use serde_json::Value;
use tollgate_config::manifest::Provider::Gitlab;
use tollgate_ingress::{Reason, sign};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "my-token";

fn signed() -> Gate {
    Gate::sample(Gitlab)
}

fn with_token() -> Gate {
    let mut gate = signed().keys(&[(TOKEN, None)]);
    gate.headers = sign::sign(Gitlab, &gate.body, &key(TOKEN), NOW, Some("d-1")).unwrap().headers;
    gate
}

fn made(body: &str) -> Value {
    let made = activity(&Gate::with(Gitlab, body.as_bytes()).event());
    assert_eq!(schema::wrong(&made), Vec::<String>::new());
    made
}

#[test]
fn both_proofs_open() {
    assert_eq!(signed().event().matched_key(), 0);
    assert_eq!(with_token().event().matched_key(), 0);
}

#[test]
fn a_signature_made_elsewhere_opens() {
    // Standard Webhooks' v1 under the key's decoded bytes, computed with another implementation (Python's hmac).
    let mut gate = signed().header("webhook-id", "d-7").header("webhook-timestamp", "1531420618");
    gate.body = br#"{"object_kind":"push"}"#.to_vec();
    let gate = gate.header("webhook-signature", "v1,22IIn0/xWMbGhg/s2/tkHfkPmOdmppyfJHhArdpnbpU=");
    assert_eq!(gate.reason(), None);
    assert_eq!(gate.event().event_id(), Some("d-7"));
}

#[test]
fn an_endpoint_with_a_signing_key_never_falls_back_to_the_token() {
    for keys in [
        &[(KEY, None), (TOKEN, None)][..],
        &[(TOKEN, None), (KEY, None)],
        // Not even when the signing key is past its end.
        &[(TOKEN, None), (KEY, Some(NOW.0 - 1))],
    ] {
        assert_eq!(with_token().keys(keys).reason(), Some(Reason::MissingSignature), "{keys:?}");
    }
    // A wrong signature beside the right token opens no more.
    let both = signed().header("x-gitlab-token", TOKEN).keys(&[(KEY, None), (TOKEN, None)]);
    assert_eq!(both.reason(), None);
    assert_eq!(
        both.header("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .reason(),
        Some(Reason::BadSignature)
    );
    // The key itself, sent as a token, opens nothing; nor do Svix's names.
    assert_eq!(
        with_token().header("x-gitlab-token", KEY).keys(&[(KEY, None)]).reason(),
        Some(Reason::MissingSignature)
    );
    let mut svix = signed();
    for (ours, theirs) in [
        ("webhook-id", "svix-id"),
        ("webhook-timestamp", "svix-timestamp"),
        ("webhook-signature", "svix-signature"),
    ] {
        let value = svix.headers[ours].to_str().unwrap().to_owned();
        svix = svix.without(ours).header(theirs, &value);
    }
    assert_eq!(svix.reason(), Some(Reason::MissingSignature));
}

#[test]
fn a_token_is_no_signing_key() {
    // The same bytes, as a key without its prefix: a token, which is sent in clear and must not sign.
    let bare = KEY.strip_prefix("whsec_").unwrap();
    assert_eq!(signed().keys(&[(bare, None)]).reason(), Some(Reason::MissingSignature));
    let other = ("whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3", None);
    assert_eq!(signed().keys(&[other, (bare, None)]).reason(), Some(Reason::BadSignature));
    assert_eq!(signed().keys(&[(TOKEN, None), other, (KEY, None)]).event().matched_key(), 2);
}

#[test]
fn tampered_stale_and_repeated_signed_requests_are_refused() {
    let mut tampered = signed();
    tampered.body = String::from_utf8(tampered.body).unwrap().replace("creaks", "opens").into_bytes();
    assert_eq!(tampered.reason(), Some(Reason::BadSignature));
    assert_eq!(signed().header("webhook-id", "other").reason(), Some(Reason::BadSignature));
    assert_eq!(signed().header("webhook-id", "a.b").reason(), Some(Reason::BadId));
    assert_eq!(signed().without("webhook-timestamp").reason(), Some(Reason::MissingTimestamp));
    assert_eq!(signed().at(NOW.0 + 301).reason(), Some(Reason::StaleTimestamp));
    assert_eq!(signed().at(NOW.0 - 301).reason(), Some(Reason::FutureTimestamp));
    for name in [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "idempotency-key",
        "x-gitlab-event",
    ] {
        let gate = signed();
        let value = gate.headers[name].to_str().unwrap().to_owned();
        assert_eq!(gate.more(name, &value).reason(), Some(Reason::DuplicateHeader), "{name}");
    }
}

#[test]
fn wrong_missing_and_repeated_tokens_are_refused() {
    for wrong in ["", "my-toke", "my-token2", "My-token", " my-token "] {
        assert_eq!(
            with_token().header("x-gitlab-token", wrong).reason(),
            Some(Reason::BadToken),
            "{wrong:?}"
        );
    }
    assert_eq!(with_token().without("x-gitlab-token").reason(), Some(Reason::MissingSignature));
    assert_eq!(with_token().more("x-gitlab-token", TOKEN).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(with_token().keys(&[(TOKEN, Some(NOW.0 - 1))]).reason(), Some(Reason::NoLiveKey));
}

#[test]
fn a_signed_id_is_the_mark_and_an_unsigned_one_is_not_alone() {
    let event = signed().header("idempotency-key", "other").event();
    assert!(event.body_mark().is_none());
    assert_eq!(
        event.id_mark(),
        signed().event().id_mark(),
        "the unsigned copy of the id counts for nothing"
    );
    let event = with_token().event();
    assert!(event.body_mark().is_some());
    assert_eq!(event.event_id(), Some("d-1"));
    let other = with_token().header("idempotency-key", "d-2").event();
    assert_ne!(other.id_mark(), event.id_mark());
    assert_eq!(other.body_mark(), event.body_mark());
}

#[test]
fn a_comment_is_a_message_with_its_place_and_time() {
    let body = r#"{"object_kind":"note","event_type":"note","user":{"id":1,"username":"ada"},"project_id":5,"project":{"id":5},"object_attributes":{"id":12419007199254740993,"note":"@bob see https://a.example/x.","action":"create","discussion_id":"d9","created_at":"2026-02-19 10:00:00 UTC","system":false},"issue":{"id":92,"iid":17}}"#;
    let note = made(body);
    assert_eq!(note["metadata"]["type"], "message");
    assert_eq!(note["metadata"]["event"], "note");
    assert_eq!(note["text"], "@bob see https://a.example/x.");
    assert_eq!(note["entities"]["mentions"][0]["id"], "bob");
    assert_eq!(note["entities"]["urls"][0], "https://a.example/x");
    assert_eq!(note["timestamp"], "2026-02-19T10:00:00+00:00");
    let ids = &note["provider_ids"];
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
            &"d9".into(),
            &"5/issues/17".into(),
            &"5".into(),
            &"1".into()
        )
    );
    let kind = |from: &str, to: &str| made(&body.replace(from, to))["metadata"]["type"].clone();
    assert_eq!(kind("create\"", "update\""), "edit");
    assert_eq!(kind("\"system\":false", "\"system\":true"), "event");
    assert_eq!(made(&body.replace("\"ada\"", "\"project_5_bot_x\""))["metadata"]["bot"], true);
    assert_eq!(note["metadata"]["bot"], false);
}

#[test]
fn events_are_told_apart_by_their_signed_names() {
    for (body, event, kind) in [
        (
            r#"{"object_kind":"emoji","event_type":"award","project_id":5}"#,
            "emoji",
            "reaction",
        ),
        (
            r#"{"event_name":"user_add_to_team","project_id":74,"user_id":41}"#,
            "user_add_to_team",
            "membership",
        ),
        (
            r#"{"event_name":"user_remove_from_group","group_id":78}"#,
            "user_remove_from_group",
            "membership",
        ),
        (r#"{"object_kind":"push","event_name":"push","project_id":15}"#, "push", "event"),
        (r#"{"event_name":"user_create","user_id":41}"#, "user_create", "event"),
    ] {
        let made = activity(&Gate::with(Gitlab, body.as_bytes()).header("x-gitlab-event", "Note Hook").event());
        assert_eq!(made["metadata"]["event"], event);
        assert_eq!(made["metadata"]["type"], kind);
        assert_eq!(made["metadata"]["raw_headers"]["x-gitlab-event"], "Note Hook");
    }
    let account = |body: &str| Gate::with(Gitlab, body.as_bytes()).event().account().map(str::to_owned);
    assert_eq!(account(r#"{"project":{"id":7},"project_id":8}"#).as_deref(), Some("7"));
    assert_eq!(account(r#"{"group_id":78}"#).as_deref(), Some("78"));
    assert_eq!(account("{}"), None);
}

#[test]
fn a_release_shows_its_files_and_every_event_is_its_own_session() {
    let release = made(
        r#"{"object_kind":"release","action":"create","created_at":"2026-02-19T11:00:00+01:00","description":"Opens","assets":{"links":[{"name":"gate.zip","url":"https://a.example/gate.zip"}]},"project":{"id":2}}"#,
    );
    assert_eq!(release["attachments"][0]["name"], "gate.zip");
    assert_eq!(release["text"], "Opens");
    assert_eq!(release["timestamp"], "2026-02-19T10:00:00+00:00");
    let event = with_token().event();
    assert_eq!(event.session_key(&tenant()), "acme:gitlab:d-1:user");
    let nameless = with_token().without("idempotency-key").event();
    assert!(nameless.id_mark().is_none() && nameless.body_mark().is_some());
}

#[test]
fn what_is_sent_has_gitlabs_headers() {
    let headers = |secret: &str| {
        sign::sign(Gitlab, sign::sample(Gitlab).as_bytes(), &key(secret), NOW, Some("d-9"))
            .unwrap()
            .headers
    };
    let (signed, token) = (headers(KEY), headers(TOKEN));
    assert_eq!(
        (&signed["webhook-id"], &signed["idempotency-key"]),
        (&signed["idempotency-key"], &token["idempotency-key"])
    );
    assert!(!signed.contains_key("x-gitlab-token") && !token.contains_key("webhook-signature"));
    assert_eq!(token["x-gitlab-token"], TOKEN);
    assert_eq!(token["x-gitlab-event"], "Issue Hook");
}

#[test]
fn corpus_payloads() {
    let (activities, _, refused) = corpus::run(Gitlab, "gitlab", "");
    assert!(
        activities == 0 || (activities == 38 && refused.is_empty()),
        "{activities} {refused:?}"
    );
}
