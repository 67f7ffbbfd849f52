//! Real payloads, where they lie beside the workspace: signed here, each gives activities that fit the schema, a handshake, or a named reason.

use crate::{
    gate::{Gate, activity, shared},
    schema,
};
use std::{fs, path::PathBuf};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Deliveries, Opened, Reason, replay};

fn files(folder: &str) -> Vec<PathBuf> {
    let Some(folder) = shared(&format!("corpus/{folder}")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Opens every payload; returns activities, handshakes and the files that are not parsable.
pub(crate) fn run(provider: Provider, folder: &str, only: &str) -> (usize, usize, Vec<String>) {
    let (mut activities, mut handshakes, mut refused) = (0, 0, Vec::new());
    for path in files(folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with(only) {
            continue;
        }
        let body = fs::read(&path).unwrap();
        replay::payload(&body).unwrap();
        match Gate::with(provider, &body).open() {
            Ok(Opened::Handshake(_)) => handshakes += 1,
            Ok(Opened::Deliveries(Deliveries { events, .. })) => {
                for event in &events {
                    assert_eq!(schema::wrong(&activity(event)), Vec::<String>::new(), "{name}");
                }
                activities += events.len();
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::Unparsable, "{name}: {refusal}");
                refused.push(name);
            }
        }
    }
    (activities, handshakes, refused)
}

#[test]
fn slack_payloads() {
    let (activities, handshakes, refused) = run(Provider::Slack, "slack", "");
    if activities + refused.len() == 0 {
        return;
    }
    // Two begin with a byte order mark, one is a command that its recorder rewrote as JSON.
    assert_eq!(
        refused,
        [
            "bb.ReactionAddedEvent.json",
            "bb.SlackActivity.json",
            "vc.slash-commands-slack.slashCommand.json"
        ]
    );
    // One more is an edit of the app's own message, and dropped.
    assert_eq!((activities, handshakes), (137, 1));
}

#[test]
fn github_payloads() {
    let (activities, _, refused) = run(Provider::Github, "github", "");
    let (more, _, odd) = run(Provider::Github, "github-goplayground", "");
    if activities == 0 {
        return;
    }
    assert!(
        activities + more >= 170 && refused.is_empty() && odd.is_empty(),
        "{activities} {more} {refused:?} {odd:?}"
    );
}

#[test]
fn github_payloads_fit_the_events_that_their_names_tell() {
    let (mut kinds, mut wrong) = (std::collections::BTreeSet::new(), Vec::new());
    for path in files("github") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let event = name.split('.').next().unwrap();
        let gate = Gate::with(Provider::Github, &fs::read(&path).unwrap()).header("x-github-event", event);
        if event == "ping" {
            assert!(matches!(gate.open(), Ok(Opened::Handshake(_))), "{name}");
            continue;
        }
        let seen = activity(&gate.event());
        if seen["metadata"]["event_mismatch"] != false || seen["metadata"]["event"] != event {
            wrong.push(name.to_owned());
        }
        kinds.insert(seen["metadata"]["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        kinds.is_empty() || kinds.iter().eq(["deletion", "edit", "event", "membership", "message"]),
        "{kinds:?}"
    );
}

#[test]
fn openai_payloads_are_standard_webhooks() {
    let (activities, _, refused) = run(Provider::StandardWebhooks, "openai", "");
    assert!(activities == 0 || activities > refused.len(), "{activities} {refused:?}");
}

#[test]
fn handshakes() {
    let (_, handshakes, refused) = run(Provider::Slack, "handshake", "slack.");
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(
        handshakes,
        files("handshake")
            .iter()
            .filter(|path| path.to_str().unwrap().contains("slack."))
            .count()
    );
}
