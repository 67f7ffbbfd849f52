//! `tollgate check`.

use crate::run::{Told, tollgate};
use serde_json::Value;
use std::fs;
use tollgate::demo::{Ports, write};

const GOOD: &str = "\
schema: tollgate.environment/v1
environment: local
listeners: [{ address: 127.0.0.1:0 }]
store: { kind: memory }
tenants: { acme: { hosts: [acme.localhost] } }
endpoints:
  - { id: hook, tenant: acme, provider: github, path: /github, deployment: app, secrets: { signing: [env://HOOK_SECRET] } }
deployments:
  - { id: app, tenant: acme, revisions: [{ id: r1, pack: app.gtpack }], traffic: { r1: 10000 } }
";

fn check(manifest: &str, more: &[&str], env: Option<&str>) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.yaml");
    fs::write(&file, manifest).unwrap();
    let command = tollgate(["check"]).arg(&file);
    let command = more.iter().fold(command, |command, argument| command.arg(argument));
    let command = env.into_iter().fold(command, |command, value| command.env("HOOK_SECRET", value));
    command.run()
}

#[test]
fn a_good_manifest_is_good_without_its_secrets() {
    let told = check(GOOD, &[], None);
    assert_eq!(told.status, 0, "{}", told.err);
    assert!(told.out.contains("environment local"), "{}", told.out);
}

/// [`GOOD`] with the demo's key and pack.
fn signed() -> String {
    GOOD.replace("store:", "trust: { keys: [demo.pub] }\nstore:")
        .replace("app.gtpack", "support.gtpack")
}

/// As [`check`] with `--resolve`, beside the demo's files, less one of them.
fn resolve(manifest: &str, env: Option<&str>, less: Option<&str>) -> Told {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Ports::Free).unwrap();
    let file = folder.path().join("mine.yaml");
    fs::write(&file, manifest).unwrap();
    if let Some(less) = less {
        fs::remove_file(folder.path().join(less)).unwrap();
    }
    let command = tollgate(["check", "--resolve", "--json"]).arg(&file);
    env.into_iter()
        .fold(command, |command, value| command.env("HOOK_SECRET", value))
        .run()
}

#[test]
fn nothing_that_is_trusted_is_worth_a_warning() {
    for (manifest, warned) in [(GOOD.to_owned(), true), (signed(), false)] {
        let told = check(&manifest, &[], None);
        assert_eq!((told.status, told.err.contains("no pack will run")), (0, warned), "{}", told.err);
        assert!(
            told.out.contains("1 listener, 1 tenant, 1 endpoint, 1 deployment: good"),
            "{}",
            told.out
        );
        let answer: Value = serde_json::from_str(&check(&manifest, &["--json"], None).out).unwrap();
        assert_eq!(
            answer["result"]["warnings"].as_array().unwrap().len(),
            usize::from(warned),
            "{answer}"
        );
    }
}

#[test]
fn what_the_manifest_names_is_read_when_asked() {
    let tls = |stem: &str| {
        let files = format!("{{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: {stem}.pem, key: {stem}.key }}] }} }}");
        signed().replace("{ address: 127.0.0.1:0 }", &files)
    };
    for (manifest, less, path, line, named) in [
        (signed(), None, "", None, ""),
        (tls("localhost"), None, "", None, ""),
        (signed(), Some("demo.pub"), "trust.keys[0]", None, "demo.pub"),
        (
            signed(),
            Some("support.gtpack"),
            "deployments[0].revisions[0].pack",
            Some(10),
            "support.gtpack",
        ),
        (
            signed().replace("support.gtpack", "slack.secret"),
            None,
            "deployments[0].revisions[0].pack",
            Some(10),
            "slack.secret",
        ),
        (
            GOOD.replace("app.gtpack", "support.gtpack"),
            None,
            "deployments[0].revisions[0].pack",
            Some(9),
            "trust.keys",
        ),
        (tls("gone"), None, "listeners[0].tls", Some(3), "gone.pem"),
    ] {
        let told = resolve(&manifest, Some("s3cret"), less);
        if path.is_empty() {
            assert_eq!(told.status, 0, "{}", told.err);
            continue;
        }
        let answer: Value = serde_json::from_str(&told.err).unwrap();
        assert_eq!((told.status, answer["error"]["kind"].as_str()), (1, Some("resolve")), "{answer}");
        let [error] = answer["error"]["errors"].as_array().unwrap().as_slice() else {
            panic!("not one error: {answer}");
        };
        assert_eq!((error["path"].as_str(), error["line"].as_u64()), (Some(path), line), "{answer}");
        assert!(error["message"].as_str().unwrap().contains(named), "{named}: {answer}");
        assert!(error["file"].as_str().unwrap().ends_with("mine.yaml"), "{answer}");
    }
}

#[test]
fn secrets_are_looked_for_only_when_asked() {
    for (value, status, said) in [(Some("s3cret"), 0, ""), (Some("  "), 1, "HOOK_SECRET"), (None, 1, "HOOK_SECRET")] {
        let told = resolve(&signed(), value, None);
        assert_eq!(told.status, status, "{value:?}: {}", told.err);
        assert!(told.err.contains(said) && !told.err.contains("s3cret"), "{value:?}: {}", told.err);
    }
}

#[test]
fn every_error_is_told_at_once_with_its_place_and_no_secret() {
    let bad = GOOD
        .replace("env://HOOK_SECRET", "hunter2")
        .replace("provider: github", "provider: gitub")
        .replace("10000", "9999")
        .replace("store:", "storr:");
    let told = check(&bad, &[], None);
    assert_eq!((told.status, told.out.as_str()), (1, ""));
    for word in ["tollgate.yaml:4:1", "storr", "gitub", "9999", "secret"] {
        assert!(told.err.contains(word), "{word}: {}", told.err);
    }
    assert!(!told.err.contains("hunter2"), "{}", told.err);

    let answer: Value = serde_json::from_str(&check(&bad, &["--json"], None).err).unwrap();
    let errors = answer["error"]["errors"].as_array().unwrap();
    assert_eq!(errors.len(), told.err.lines().count(), "{answer}");
    let store = errors.iter().find(|error| error["line"] == 4).unwrap();
    assert!(
        store["column"] == 1 && store["path"] == "storr" && store["message"].is_string(),
        "{store}"
    );
}

#[test]
fn options_are_checked_by_the_provider() {
    let bad = GOOD.replace("path: /github,", "path: /github, options: { colour: red },");
    let told = check(&bad, &[], None);
    assert!(
        told.status == 1 && told.err.contains("colour") && told.err.contains("tollgate.yaml:7:"),
        "{}",
        told.err
    );
}

#[test]
fn a_handshakes_token_stands_only_where_one_is_asked_for() {
    let with = |provider: &str| {
        GOOD.replace("provider: github", &format!("provider: {provider}"))
            .replace("signing: [env://HOOK_SECRET]", "signing: [env://HOOK_SECRET], verify: env://VERIFY")
    };
    let told = check(&with("github"), &[], None);
    assert!(
        told.status == 1 && told.err.contains("endpoints[0].secrets.verify: `github` has no handshake token"),
        "{}",
        told.err
    );
    assert_eq!(check(&with("whatsapp"), &[], None).status, 0);
}

#[test]
fn a_missing_manifest_is_named() {
    let (kind, message) = tollgate(["check", "/nowhere/tollgate.yaml"]).error();
    assert!(
        kind == "manifest" && message.starts_with("/nowhere/tollgate.yaml: cannot be read: "),
        "{message}"
    );
}
