//! `tollgate check`.

use crate::run::{Told, tollgate};
use std::fs;

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

#[test]
fn secrets_are_looked_for_only_when_asked() {
    for (value, status, said) in [(Some("s3cret"), 0, ""), (Some("  "), 1, "HOOK_SECRET"), (None, 1, "HOOK_SECRET")] {
        let told = check(GOOD, &["--resolve"], value);
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
fn a_missing_manifest_is_named() {
    let (kind, message) = tollgate(["check", "/nowhere/tollgate.yaml"]).error();
    assert!(kind == "manifest" && message.contains("/nowhere/tollgate.yaml"), "{message}");
}
