//! Teams' outgoing webhooks: one MAC in `Authorization`, a key in base64, activities told apart.

use crate::gate::{Gate, NOW, activity, key, shared};
use crate::schema;
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::TeamsOutgoing;
use tollgate_ingress::{Reason, replay, sign};

const SIGNATURE: &str = "authorization";

/// HMAC-SHA256 of `{"a":1}` under the decoded key of all seeds, by another implementation (Python's `hmac`).
const MAC: &str = "sjAC+RYxJtUzX2Lf0iPQQXSKqk1i6RQEzb4eUyVYB8k=";

fn read(body: &Value) -> Value {
    let read = activity(&Gate::with(TeamsOutgoing, body.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{body}");
    read
}

fn sample() -> Value {
    serde_json::from_str(sign::sample(TeamsOutgoing)).unwrap()
}

#[test]
fn the_mac_is_taken_under_the_decoded_key() {
    let gate = Gate::with(TeamsOutgoing, br#"{"a":1}"#);
    assert_eq!(gate.headers[SIGNATURE], format!("HMAC {MAC}"));
    assert_eq!(gate.reason(), Some(Reason::Unparsable), "verified, and then no activity");
    // The token's own text is not the key, and what is no base64 is none.
    for odd in [&replay::key(TeamsOutgoing)[..40], "not base64!", "====", "dGhl"] {
        assert_eq!(
            Gate::sample(TeamsOutgoing).keys(&[(odd, None)]).reason(),
            Some(Reason::BadSignature),
            "{odd}"
        );
    }
    assert_eq!(
        Gate::sample(TeamsOutgoing)
            .keys(&[("dGhl", None), (replay::key(TeamsOutgoing), None)])
            .event()
            .matched_key(),
        1
    );
}

#[test]
fn only_the_scheme_as_teams_writes_it_opens() {
    let good = Gate::sample(TeamsOutgoing);
    let text = good.headers[SIGNATURE].to_str().unwrap().to_owned();
    let mac = text.strip_prefix("HMAC ").unwrap();
    for wrong in [
        String::new(),
        mac.to_owned(),
        format!("Bearer {mac}"),
        format!("HMAC  {mac}"),
        format!("HMAC {}", mac.trim_end_matches('=')),
        format!("HMAC {mac}="),
        format!("HMAC {}", mac.to_lowercase()),
        "HMAC ".to_owned(),
        format!("HMAC {mac}, HMAC {mac}"),
    ] {
        assert_eq!(
            good.clone().header(SIGNATURE, &wrong).reason(),
            Some(Reason::BadSignature),
            "{wrong}"
        );
    }
    assert_eq!(good.clone().more(SIGNATURE, &text).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(good.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    let mut other = good;
    other.body = sign::sample(TeamsOutgoing).replace("Ada", "Eve").into_bytes();
    assert_eq!(other.reason(), Some(Reason::BadSignature));
}

#[test]
fn a_message_has_everything() {
    let read = read(&sample());
    assert_eq!(read["metadata"]["type"], "message");
    assert_eq!(
        read["session"]["key"],
        "acme:teams-outgoing:19%3Agate@thread.tacv2;messageid=1771495200000:29%3A1a2b"
    );
    assert_eq!(
        read["provider_ids"],
        json!({"team_id": "19:team@thread.tacv2", "workspace_id": "7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f",
            "conversation_id": "19:gate@thread.tacv2;messageid=1771495200000", "thread_id": "19:gate@thread.tacv2;messageid=1771495200000",
            "channel_id": "19:gate@thread.tacv2", "user_id": "29:1a2b", "message_id": "1771495200000", "event_id": "1771495200000"})
    );
    assert_eq!(read["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(read["locale"], "en-GB");
    assert_eq!(
        read["entities"]["mentions"],
        json!([{"id": "28:gate", "name": "Gate", "text": "<at>Gate</at>"}])
    );
    assert_eq!(read["channel_data"]["serviceUrl"], "https://smba.trafficmanager.net/emea/");
    assert_eq!(read["metadata"]["bot"], false);
}

#[test]
fn kinds_are_told_apart() {
    for (name, more, kind) in [
        ("message", json!({"text": "hi"}), "message"),
        ("message", json!({"value": {"actionId": "info"}}), "action"),
        ("message", json!({"value": {"actionId": "info"}, "text": "hi"}), "message"),
        ("messageUpdate", json!({}), "edit"),
        ("messageDelete", json!({}), "deletion"),
        ("messageReaction", json!({"replyToId": "9"}), "reaction"),
        ("conversationUpdate", json!({}), "membership"),
        ("invoke", json!({"name": "adaptiveCard/action", "value": {"n": 1}}), "action"),
        ("typing", json!({}), "event"),
    ] {
        let mut body = json!({"type": name, "id": "1", "conversation": {"id": "c"}, "from": {"id": "29:a"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let read = read(&body);
        assert_eq!(read["metadata"]["type"], kind, "{name}");
        assert_eq!(read["session"]["key"], "acme:teams-outgoing:c:29%3Aa");
        assert_eq!(read["buttons"].as_array().unwrap().len(), usize::from(kind == "action"), "{name}");
    }
    let pressed = read(&json!({"type": "message", "replyToId": "8", "value": {"actionId": "info"}}));
    assert_eq!(
        pressed["buttons"],
        json!([{"id": "info", "title": "info", "payload": "{\"actionId\":\"info\"}"}])
    );
    assert_eq!(pressed["provider_ids"]["message_id"], "8");
    for odd in ["{}", r#"{"type":""}"#, "[]", "{", r#"{"type":5}"#] {
        assert_eq!(
            Gate::with(TeamsOutgoing, odd.as_bytes()).reason(),
            Some(Reason::Unparsable),
            "{odd}"
        );
    }
}

#[test]
fn files_are_files_and_cards_are_buttons() {
    let mut body = sample();
    body["attachments"] = json!([
        {"contentType": "text/html", "content": "<p>Is the gate open?</p>"},
        {"contentType": "image/png", "contentUrl": "https://smba.example/1", "name": "a.png"},
        {"contentType": "application/vnd.microsoft.teams.file.download.info", "contentUrl": "https://site.example/a.pdf", "name": "a.pdf", "content": {"downloadUrl": "https://site.example/download", "fileType": "pdf"}},
        {"contentType": "application/vnd.microsoft.card.hero", "content": {"buttons": [{"type": "openUrl", "title": "Read", "value": "https://a.example"}]}},
        {"contentType": "application/vnd.microsoft.card.adaptive", "content": {"actions": [{"type": "Action.Submit", "id": "ok", "title": "OK", "data": {"n": 1}}]}},
    ]);
    let read = read(&body);
    assert_eq!(
        read["attachments"],
        json!([
            {"type": "image", "name": "a.png", "mime": "image/png", "size": 0, "url": "https://smba.example/1", "data_inline_b64": null},
            {"type": "file", "name": "a.pdf", "mime": "application/vnd.microsoft.teams.file.download.info", "size": 0, "url": "https://site.example/download", "data_inline_b64": null}
        ])
    );
    assert_eq!(
        read["buttons"],
        json!([{"id": "", "title": "Read", "payload": "https://a.example"}, {"id": "ok", "title": "OK", "payload": "{\"n\":1}"}])
    );
}

#[test]
fn bots_are_marked() {
    for (from, bot) in [
        (json!({"id": "28:gate"}), true),
        (json!({"id": "29:ada"}), false),
        (json!({"id": "x", "role": "bot"}), true),
        (json!({"id": "x", "role": "user"}), false),
    ] {
        let mut body = sample();
        body["from"] = from;
        assert_eq!(read(&body)["metadata"]["bot"], bot);
    }
}

#[test]
fn the_signed_id_is_the_mark_and_the_organisation_the_account() {
    let event = Gate::sample(TeamsOutgoing).option("same_body", "drop").event();
    assert!(event.id_mark().is_some() && event.body_mark().is_none());
    assert_eq!(event.account(), Some("7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f"));
    let signed = sign::sign(
        TeamsOutgoing,
        sign::sample(TeamsOutgoing).as_bytes(),
        &key(replay::key(TeamsOutgoing)),
        NOW,
        Some("17"),
    )
    .unwrap();
    let mut gate = Gate::sample(TeamsOutgoing);
    (gate.headers, gate.body) = (signed.headers, signed.body);
    assert_eq!(gate.event().event_id(), Some("17"));
    assert_ne!(gate.event().id_mark(), event.id_mark());
    assert!(sign::sign(TeamsOutgoing, b"{}", &key("not base64!"), NOW, None).is_err());
}

#[test]
fn activities_of_the_bot_framework_fit_too() {
    let Some(folder) = shared("corpus/botframework") else { return };
    for path in std::fs::read_dir(folder).unwrap() {
        let path = path.unwrap().path();
        let gate = Gate::with(TeamsOutgoing, &std::fs::read(&path).unwrap());
        if gate.reason() == Some(Reason::Unparsable) {
            // Some are kept without their type.
            let body: Value = serde_json::from_slice(&gate.body).unwrap();
            assert!(body.get("type").is_none(), "{}", path.display());
            continue;
        }
        assert_eq!(schema::wrong(&activity(&gate.event())), Vec::<String>::new(), "{}", path.display());
    }
}
