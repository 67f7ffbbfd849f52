//! An event's name that nothing signs, on a body that is of another event: noted, never refused, and never believed; and what bodies tell beside it.

use crate::{
    gate::{Gate, activity},
    schema,
};
use serde_json::Value;
use tollgate_config::manifest::Provider::{self, Bitbucket, Gitea, Github, Gitlab, Shopify, Slack};

fn claimed(provider: Provider, body: &str, header: &'static str, name: &str) -> Value {
    let seen = activity(&Gate::with(provider, body.as_bytes()).header(header, name).event());
    assert_eq!(schema::wrong(&seen), Vec::<String>::new(), "{body}");
    seen
}

const COMMENT: &str = r#"{"action":"created","issue":{"number":7,"title":"x"},"comment":{"id":1,"body":"Close it","content":{"raw":"Close it"}},"repository":{"id":1,"uuid":"{1}"},"sender":{"id":2},"actor":{"uuid":"{2}"}}"#;

#[test]
fn a_name_that_does_not_fit_is_noted_and_the_body_counts() {
    for (provider, header, fits, others) in [
        (
            Github,
            "x-github-event",
            "issue_comment",
            &["issues", "push", "ping", "watch", "member"][..],
        ),
        (Gitea, "x-gitea-event", "issue_comment", &["push", "release", "fork"]),
        (
            Bitbucket,
            "x-event-key",
            "issue:comment_created",
            &["repo:push", "pullrequest:created"],
        ),
    ] {
        let seen = claimed(provider, COMMENT, header, fits);
        assert_eq!(seen["metadata"]["event_mismatch"], false, "{}", provider.as_str());
        assert_eq!(
            (&seen["metadata"]["event"], &seen["metadata"]["type"]),
            (&Value::from(fits), &Value::from("message")),
            "{}",
            provider.as_str()
        );
        for other in others {
            let seen = claimed(provider, COMMENT, header, other);
            assert_eq!(seen["metadata"]["event_mismatch"], true, "{} {other}", provider.as_str());
            assert_ne!(seen["metadata"]["event"], *other, "{}", provider.as_str());
            assert_eq!(
                seen["metadata"]["raw_headers"][header],
                *other,
                "{}: shown as the header that it is",
                provider.as_str()
            );
            assert_eq!(seen["text"], "Close it");
        }
        if provider != Bitbucket {
            assert_eq!(
                claimed(provider, COMMENT, header, others[0])["metadata"]["type"],
                "message",
                "the kind is the body's"
            );
        }
    }
}

#[test]
fn gitlabs_header_is_compared_with_the_bodys_own_kind() {
    let note = r#"{"object_kind":"note","event_type":"confidential_note","project":{"id":1},"object_attributes":{"id":3,"note":"hi"}}"#;
    let member = r#"{"event_name":"user_add_to_group","group_id":1,"user_id":2}"#;
    for (body, header, mismatch) in [
        (note, "Note Hook", false),
        (note, "Confidential Note Hook", false),
        (note, "System Hook", false),
        (note, "Push Hook", true),
        (note, "nonsense", true),
        (member, "System Hook", false),
        (member, "Member Hook", false),
        (member, "Push Hook", true),
        (r#"{"object_kind":"something_new"}"#, "Something New Hook", false),
        (r#"{"object_kind":"something_new"}"#, "Push Hook", true),
    ] {
        let seen = claimed(Gitlab, body, "x-gitlab-event", header);
        assert_eq!(seen["metadata"]["event_mismatch"], mismatch, "{body} {header}");
    }
    assert_eq!(claimed(Gitlab, note, "x-gitlab-event", "Push Hook")["metadata"]["event"], "note");
}

#[test]
fn shopifys_topic_is_compared_with_the_bodys_global_id() {
    let order = r#"{"id":1,"admin_graphql_api_id":"gid://shopify/Order/1"}"#;
    for (topic, mismatch) in [
        ("orders/paid", false),
        ("app/uninstalled", false),
        ("products/update", true),
        ("shop/redact", true),
    ] {
        assert_eq!(
            claimed(Shopify, order, "x-shopify-topic", topic)["metadata"]["event_mismatch"],
            mismatch,
            "{topic}"
        );
    }
}

#[test]
fn a_body_that_tells_a_language_or_links_has_them() {
    use tollgate_config::manifest::Provider::Stripe;
    let order = claimed(Shopify, r#"{"id":1,"customer_locale":"de-DE"}"#, "x-shopify-topic", "orders/paid");
    assert_eq!(order["locale"], "de-DE");
    for (object, locale) in [
        (r#"{"id":"cs_1","locale":"fr"}"#, Value::from("fr")),
        (r#"{"id":"cs_1","locale":"auto"}"#, Value::Null),
        (r#"{"id":"cus_1","preferred_locales":["pt-BR","en"]}"#, Value::from("pt-BR")),
        (r#"{"id":"cus_1","preferred_locales":[]}"#, Value::Null),
    ] {
        let body = format!(r#"{{"id":"evt_1","object":"event","type":"x","data":{{"object":{object}}}}}"#);
        assert_eq!(activity(&Gate::with(Stripe, body.as_bytes()).event())["locale"], locale, "{object}");
    }
    let links = br#"{"type":"event_callback","event_id":"Ev1","event":{"type":"link_shared","channel":"C1","user":"U1","links":[{"domain":"a.example","url":"https://a.example/1"}]}}"#;
    assert_eq!(
        activity(&Gate::with(Slack, links).event())["entities"]["urls"][0],
        "https://a.example/1"
    );
}

#[test]
fn where_no_name_is_claimed_or_it_is_signed_nothing_differs() {
    for gate in [Gate::sample(Github).without("x-github-event"), Gate::sample(Slack)] {
        assert_eq!(activity(&gate.event())["metadata"]["event_mismatch"], false);
    }
    // An event that nobody knew when this was written.
    let new = claimed(Github, r#"{"action":"made","gadget":{}}"#, "x-github-event", "gadget");
    assert_eq!(
        (&new["metadata"]["event"], &new["metadata"]["event_mismatch"]),
        (&Value::from("gadget"), &Value::from(false))
    );
}
