//! What holds for every command: where answers go, exit statuses, and that a secret is never repeated.

use crate::run::tollgate;

#[test]
fn a_wrong_command_line_is_status_2_and_says_why() {
    for (arguments, told) in [
        (&["serve"][..], "--config"),
        (&["serv", "--config", "x"], "serve"),
        (&["check"], "<FILE>"),
        (&["pack", "verify", "x"], "--key"),
        (&["explain", "--provider", "slak", "x"], "slack, telegram"),
        (&["explain", "--provider", "slack", "x"], "--secret"),
        (
            &["explain", "--provider", "slack", "--secret", "env://S", "--now", "soon", "x"],
            "--now",
        ),
        (
            &["explain", "--provider", "slack", "--secret", "verify=env://S", "x"],
            "handshake token",
        ),
        (
            &["explain", "--provider", "slack", "--secret", "env://S", "--jwks", "x", "x"],
            "--jwks",
        ),
        (
            &["explain", "--provider", "slack", "--secret", "env://S", "--cert", "x", "x"],
            "--cert",
        ),
        (
            &["explain", "--provider", "teams", "--set", "app_id=a", "--secret", "env://S", "x"],
            "no signing secret",
        ),
        (
            &["explain", "--provider", "teams", "--set", "app_id=a", "--cert", "x", "x"],
            "--cert",
        ),
        (
            &["explain", "--provider", "paypal", "--set", "webhook_id=a", "--jwks", "x", "x"],
            "--jwks",
        ),
        (
            &["explain", "--provider", "slack", "--secret", "env://S", "--url", "x", "x"],
            "--url",
        ),
        (
            &["explain", "--provider", "slack", "--secret", "env://S", "--set", "colour=red", "x"],
            "colour",
        ),
        (&["send", "slack", "--url", "ftp://x/", "--secret", "env://S"], "--url"),
        (
            &[
                "send",
                "slack",
                "--url",
                "http://x/",
                "--secret",
                "env://S",
                "--insecure",
                "--ca",
                "x",
            ],
            "--ca",
        ),
    ] {
        let text = tollgate(arguments).env("S", "x").run();
        assert_eq!((text.status, text.out.as_str()), (2, ""), "{arguments:?}: {}", text.err);
        assert!(text.err.contains(told), "{arguments:?}: {}", text.err);
        let (kind, message) = tollgate(arguments).env("S", "x").error();
        assert_eq!(kind, "usage", "{arguments:?}");
        assert!(message.contains(told), "{arguments:?}: {message}");
    }
}

#[test]
fn an_unfinished_command_line_is_told_what_can_follow() {
    for (arguments, told) in [(&[][..], "serve, demo"), (&["pack"], "build, sign"), (&["keys"], "generate")] {
        let (kind, message) = tollgate(arguments).error();
        assert!(kind == "usage" && message.contains(told), "{arguments:?}: {kind}: {message}");
        for hidden in ["traffic", "revisions", "push", "pull"] {
            assert!(!message.contains(hidden), "{message}");
        }
        let text = tollgate(arguments).run();
        assert_eq!((text.status, text.out.as_str()), (2, ""), "{arguments:?}");
        assert!(text.err.contains("Usage: "), "{arguments:?}: {}", text.err);
    }
    for (typed, near, suggested) in [
        ("trafic", "traffic", false),
        ("revision", "revisions", false),
        ("chek", "check", true),
    ] {
        let told = tollgate([typed]).run();
        assert_eq!((told.status, told.err.contains(near)), (2, suggested), "{typed}: {}", told.err);
    }
}

#[test]
fn what_is_not_built_yet_says_so() {
    for (arguments, named) in [
        (
            &["traffic", "set", "support", "r1=50%", "--if-generation", "3"][..],
            "tollgate traffic",
        ),
        (&["revisions", "list", "support"], "tollgate revisions"),
        (&["deliveries", "list"], "tollgate deliveries"),
        (&["sessions", "clear"], "tollgate sessions"),
        (&["pack", "push", "x.gtpack", "oci://r/x", "--plain-http"], "tollgate pack push"),
        (&["pack", "pull", "oci://r/x", "x.gtpack"], "tollgate pack pull"),
    ] {
        let (kind, message) = tollgate(arguments).error();
        assert_eq!(kind, "not_built", "{arguments:?}");
        assert!(message.contains(named) && message.contains("not built yet"), "{message}");
    }
    let (kind, message) = tollgate(["explain", "--provider", "slack", "--secret", "secret://e/t/m/c/n", "x"]).error();
    assert!(kind == "not_built" && message.contains("secret://"), "{message}");
}

#[test]
fn a_secret_given_by_mistake_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.http");
    std::fs::write(&file, "GET / HTTP/1.1\r\n\r\n").unwrap();
    let file = file.to_str().unwrap();
    for literal in ["hunter2", "whsec_hunter2", "env://hunter2=", "env://", "verify=hunter2"] {
        for arguments in [
            vec!["explain", "--provider", "slack", "--secret", literal, file],
            vec!["send", "slack", "--url", "http://localhost:1/", "--secret", literal],
        ] {
            for json in [None, Some("--json")] {
                let told = tollgate(arguments.iter().copied().chain(json)).run();
                assert_eq!(told.status, 2, "{arguments:?}");
                assert!(!told.err.contains("hunter2") && !told.out.contains("hunter2"), "{}", told.err);
            }
        }
    }
}

#[test]
fn providers_are_those_that_are_built() {
    let rows = tollgate(["providers"]).result();
    let names: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["provider"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "slack",
            "telegram",
            "teams",
            "teams-outgoing",
            "webex",
            "whatsapp",
            "messenger",
            "instagram",
            "github",
            "gitlab",
            "gitea",
            "bitbucket",
            "stripe",
            "paypal",
            "shopify",
            "twilio",
            "discord",
            "line",
            "standard-webhooks",
            "zoom",
            "linear",
            "sendgrid",
            "hmac",
            "http-signature",
            "webhook",
            "webchat"
        ]
    );
    for row in rows.as_array().unwrap() {
        let options = row["options"].as_array().unwrap();
        assert!(
            options.iter().any(|option| option["key"] == "raw" && option["required"] == false),
            "{row}"
        );
    }
    let text = tollgate(["providers"]).run().out;
    assert!(text.contains("\nOPTIONS\n") && text.contains("public_url"), "{text}");
}
