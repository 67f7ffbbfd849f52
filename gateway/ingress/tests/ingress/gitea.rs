//! Gitea, Gogs and Forgejo at the gate.

use crate::{
    corpus,
    gate::{Gate, NOW, activity, key, tenant},
    schema,
};
use serde_json::Value;
use tollgate_config::manifest::Provider::Gitea;
use tollgate_ingress::{Reason, sign};

const SIGNATURES: [&str; 3] = ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"];

fn sample() -> Gate {
    Gate::sample(Gitea)
}

/// The sample with its signature under these names alone.
fn under(names: &[&'static str]) -> Gate {
    let mut gate = sample();
    let value = gate.headers["x-gitea-signature"].to_str().unwrap().to_owned();
    for name in SIGNATURES {
        gate = gate.without(name);
    }
    names.iter().fold(gate, |gate, name| gate.header(name, &value))
}

fn made(body: &str, event: &str) -> Value {
    let gate = Gate::with(Gitea, body.as_bytes());
    let gate = ["x-gitea-event", "x-gogs-event"]
        .into_iter()
        .fold(gate, |gate, name| gate.header(name, event));
    let made = activity(&gate.event());
    assert_eq!(schema::wrong(&made), Vec::<String>::new());
    made
}

#[test]
fn each_name_opens_alone_and_all_together() {
    for names in [&SIGNATURES[..1], &SIGNATURES[1..2], &SIGNATURES[2..], &SIGNATURES] {
        assert_eq!(under(names).reason(), None, "{names:?}");
    }
    assert_eq!(under(&[]).reason(), Some(Reason::MissingSignature));
}

#[test]
fn of_several_signatures_all_must_fit() {
    let wrong = "0".repeat(64);
    for name in SIGNATURES {
        for bad in [wrong.as_str(), "", "junk"] {
            assert_eq!(
                under(&SIGNATURES).header(name, bad).reason(),
                Some(Reason::BadSignature),
                "{name} {bad}"
            );
        }
        let gate = under(&SIGNATURES);
        let value = gate.headers[name].to_str().unwrap().to_owned();
        assert_eq!(gate.more(name, &value).reason(), Some(Reason::DuplicateHeader), "{name}");
    }
}

#[test]
fn tampered_bodies_wrong_secrets_and_other_spellings_are_refused() {
    let mut tampered = sample();
    tampered.body = String::from_utf8(tampered.body).unwrap().replace("creaks", "opens").into_bytes();
    assert_eq!(tampered.reason(), Some(Reason::BadSignature));
    assert_eq!(sample().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    let good = sample().headers["x-gitea-signature"].to_str().unwrap().to_owned();
    for bad in [
        format!("sha256={good}"),
        good.to_uppercase(),
        format!("{good}00"),
        good[..62].to_owned(),
        format!(" {good}"),
    ] {
        assert_eq!(
            under(&[]).header("x-gitea-signature", &bad).reason(),
            Some(Reason::BadSignature),
            "{bad}"
        );
    }
    // GitHub's header, which Gitea sends too, is not what counts here.
    assert_eq!(
        under(&[]).header("x-hub-signature-256", &format!("sha256={good}")).reason(),
        Some(Reason::MissingSignature)
    );
}

#[test]
fn a_signature_made_elsewhere_opens() {
    // Computed with another implementation (Python's hmac).
    let mut gate = under(&[]).keys(&[("s3cret", None)]).header(
        "x-forgejo-signature",
        "c2daa39c4c21e25081c38d695885a9bc54f9049317db1b0848b0c6e578bc4c69",
    );
    gate.body = br#"{"secret":"no"}"#.to_vec();
    assert_eq!(gate.reason(), None);
}

#[test]
fn names_of_one_delivery_must_be_the_same() {
    assert_eq!(
        sample().header("x-forgejo-delivery", "other").reason(),
        Some(Reason::DuplicateHeader)
    );
    let id = sample().headers["x-gitea-delivery"].to_str().unwrap().to_owned();
    let all = sample().header("x-forgejo-delivery", &id).event();
    assert_eq!(all.id_mark(), sample().event().id_mark());
}

#[test]
fn a_replay_under_a_new_id_is_the_same_body() {
    let (one, two) = (
        sample().event(),
        sample().header("x-gitea-delivery", "2").header("x-gogs-delivery", "2").event(),
    );
    assert_ne!(one.id_mark(), two.id_mark());
    assert!(one.body_mark().is_some() && one.body_mark() == two.body_mark());
    assert_eq!(two.session_key(&tenant()), "acme:gitea:2:user");
    let nameless = sample().without("x-gitea-delivery").without("x-gogs-delivery").event();
    assert!(nameless.id_mark().is_none() && nameless.body_mark().is_some());
}

#[test]
fn an_event_name_is_believed_only_of_a_body_of_its_shape() {
    let issue = r#"{"action":"opened","issue":{"number":7},"repository":{"id":12}}"#;
    for (claimed, event) in [
        ("issues", Value::from("issues")),
        ("issue_assign", "issue_assign".into()),
        ("push", "issues".into()),
        ("release", "issues".into()),
        ("package", "issues".into()),
    ] {
        let made = made(issue, claimed);
        assert_eq!(made["metadata"]["event"], event, "{claimed}");
        assert_eq!(made["metadata"]["raw_headers"]["x-gitea-event"], claimed);
    }
    assert_eq!(made("{}", "repository")["metadata"]["event"], "repository");
}

#[test]
fn comments_are_told_apart_and_filled_in() {
    let body = r#"{"action":"created","issue":{"id":1,"number":7,"title":"t"},"comment":{"id":12419007199254740993,"body":"@bob https://a.example/","updated_at":"2026-02-19T11:00:00+01:00","user":{"id":3}},"repository":{"id":12},"sender":{"id":3,"login":"ada"}}"#;
    let comment = made(body, "issue_comment");
    assert_eq!(comment["metadata"]["type"], "message");
    assert_eq!(comment["text"], "@bob https://a.example/");
    assert_eq!(comment["entities"]["mentions"][0]["id"], "bob");
    assert_eq!(comment["entities"]["urls"][0], "https://a.example/");
    assert_eq!(comment["timestamp"], "2026-02-19T10:00:00+00:00");
    let ids = &comment["provider_ids"];
    assert_eq!(
        (
            &ids["message_id"],
            &ids["conversation_id"],
            &ids["channel_id"],
            &ids["workspace_id"],
            &ids["user_id"]
        ),
        (
            &"12419007199254740993".into(),
            &"12/issues/7".into(),
            &"12".into(),
            &"12".into(),
            &"3".into()
        )
    );
    for (action, kind) in [("edited", "edit"), ("deleted", "deletion"), ("odd", "event")] {
        assert_eq!(made(&body.replace("created", action), "issue_comment")["metadata"]["type"], kind);
    }
    assert_eq!(
        made(&body.replace(r#""sender":{"id":3"#, r#""sender":{"id":-2"#), "issue_comment")["metadata"]["bot"],
        true
    );
    assert_eq!(comment["metadata"]["bot"], false);
    assert_eq!(Gate::with(Gitea, body.as_bytes()).event().account(), Some("12"));
}

#[test]
fn a_release_shows_its_files() {
    let release = made(
        r#"{"action":"published","release":{"name":"1.0","body":"","assets":[{"name":"g.zip","size":9,"browser_download_url":"https://a.example/g.zip"}]}}"#,
        "release",
    );
    assert_eq!(release["attachments"][0]["size"], 9);
    assert_eq!(release["text"], "1.0");
}

#[test]
fn what_is_sent_has_giteas_headers() {
    let headers = sign::sign(Gitea, sign::sample(Gitea).as_bytes(), &key("k"), NOW, Some("d-9"))
        .unwrap()
        .headers;
    assert_eq!(headers["x-gitea-delivery"], "d-9");
    assert_eq!(
        (&headers["x-gitea-event"], &headers["x-gogs-event"]),
        (&headers["x-gogs-event"], &headers["x-gitea-event"])
    );
    assert_eq!(headers["x-gitea-event"], "issues");
    assert_eq!(headers["x-gitea-signature"], headers["x-gogs-signature"]);
}

#[test]
fn corpus_payloads() {
    for (folder, count) in [("gitea", 10), ("gogs", 4)] {
        let (activities, _, refused) = corpus::run(Gitea, folder, "");
        assert!(
            activities == 0 || (activities == count && refused.is_empty()),
            "{activities} {refused:?}"
        );
    }
}
