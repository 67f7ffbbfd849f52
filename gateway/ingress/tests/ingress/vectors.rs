//! Published signatures: accepted or refused as their sources say, at the time that they say.

use crate::gate::shared;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write as _};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Key, Keys, Scheme, UnixTime, open, recorded::Recorded};

#[derive(Deserialize)]
struct Vector {
    id: String,
    #[serde(default)]
    provider: Option<String>,
    secret: String,
    headers: BTreeMap<String, String>,
    body_b64: String,
    now: Option<i64>,
    expect: String,
}

/// Whether the vector behaves; the verdict speaks of verification alone.
fn wrong(provider: Provider, vector: &Vector) -> Option<String> {
    let mut file = String::from("POST /hook HTTP/1.1\r\nHost: gate.example\r\n");
    for (name, value) in &vector.headers {
        write!(file, "{name}: {value}\r\n").unwrap();
    }
    file.push_str("\r\n");
    let file = [file.into_bytes(), STANDARD.decode(&vector.body_b64).unwrap()].concat();
    let recorded = Recorded::parse(&file).unwrap();
    let accepted = match Key::new(vector.secret.clone().into_bytes(), None) {
        Err(_) => Err("blank".to_owned()),
        Ok(key) => {
            let scheme = Scheme::example(provider);
            match open(
                &scheme,
                &recorded.request(),
                &Keys::signed_by(vec![key]),
                UnixTime(vector.now.unwrap_or_default()),
            ) {
                Ok(_) => Ok(()),
                Err(refusal) if refusal.reason.is_verified() => Ok(()),
                Err(refusal) => Err(refusal.to_string()),
            }
        }
    };
    let fine = match vector.expect.as_str() {
        "accept" => accepted.is_ok(),
        "reject" => accepted.is_err(),
        _ => true,
    };
    (!fine).then(|| format!("{}: wants {}, got {accepted:?}", vector.id, vector.expect))
}

#[test]
fn published_vectors_behave_as_their_sources_say() {
    let files = [
        (Provider::Slack, include_str!("../vectors/slack.json"), 5),
        (Provider::Stripe, include_str!("../vectors/stripe.json"), 1),
        (Provider::Bitbucket, include_str!("../vectors/bitbucket.json"), 1),
        (Provider::Sendgrid, include_str!("../vectors/sendgrid.json"), 4),
        (Provider::Github, include_str!("../vectors/github.json"), 3),
        (Provider::Line, include_str!("../vectors/line.json"), 3),
        (Provider::StandardWebhooks, include_str!("../vectors/standard-webhooks.json"), 13),
    ];
    for (provider, text, count) in files {
        let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), count, "{}", provider.as_str());
        let wrong: Vec<_> = vectors.iter().filter_map(|vector| wrong(provider, vector)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn all_vectors_beside_the_workspace_behave_too() {
    #[derive(Deserialize)]
    struct All {
        vectors: Vec<Vector>,
    }
    let Some(path) = shared("vectors/published.json") else { return };
    let all: All = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let provider = |vector: &Vector| match vector.provider.as_deref() {
        Some("openai" | "anthropic") => Some(Provider::StandardWebhooks),
        // Its URL is an option, which this test does not give.
        Some("twilio") => None,
        name => name.and_then(Provider::from_name),
    };
    let tried: Vec<_> = all.vectors.iter().filter_map(|vector| Some((provider(vector)?, vector))).collect();
    assert!(tried.len() >= 21, "{}", tried.len());
    let wrong: Vec<_> = tried.iter().filter_map(|(provider, vector)| wrong(*provider, vector)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
