//! HTTP message signatures: the RFC's own, each algorithm, and what must be covered.

use crate::gate::{Gate, NOW, activity, key};
use crate::schema;
use http::Method;
use serde::Deserialize;
use std::collections::BTreeMap;
use tollgate_config::manifest::{Provider::HttpSignature, Scalar};
use tollgate_ingress::{Key, Reason, UnixTime, replay, sign};

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "content-digest";
const BODY: &str = r#"{"type":"gate.opened","n":12345678901234567890123}"#;
const SECRET: &str = "a secret of thirty-two characters";

/// An endpoint with these options, and a request for it, signed by `private`.
fn made(algorithm: &str, keys: (&str, &str), options: &[(&str, &str)], nonce: Option<&str>) -> Gate {
    let mut gate = Gate::sample(HttpSignature)
        .option("algorithm", algorithm)
        .option("public_url", "https://gate.example/hook");
    for (name, value) in options {
        gate = gate.option(name, value);
    }
    let signed = sign::sign_for(&gate.scheme(), BODY.as_bytes(), &key(keys.1), NOW, nonce).unwrap();
    (gate.headers, gate.body) = (signed.headers, signed.body);
    gate.keys(&[(keys.0, None)])
}

fn hmac(options: &[(&str, &str)]) -> Gate {
    made("hmac-sha256", (SECRET, SECRET), options, None)
}

/// The same request, signed by hand: components and parameters as they are given.
fn by_hand(gate: &Gate, list: &str, text: &[(&str, &str)]) -> Gate {
    use hmac::{Hmac, Mac};
    let mut base: String = text.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    base.push_str(&format!("\"@signature-params\": {list}"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(base.as_bytes());
    let mac = data_encoding::BASE64.encode(&mac.finalize().into_bytes());
    gate.clone()
        .header(INPUT, &format!("sig1={list}"))
        .header(SIGNATURE, &format!("sig1=:{mac}:"))
}

#[test]
fn the_rfcs_own_signatures_behave() {
    #[derive(Deserialize)]
    struct Vector {
        id: String,
        algorithm: String,
        secret: String,
        url: String,
        method: String,
        target: String,
        headers: BTreeMap<String, String>,
        body: String,
        now: i64,
        components: Option<String>,
        expect: String,
    }
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/http-signature.json")).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let mut gate = Gate::sample(HttpSignature)
            .option("algorithm", &vector.algorithm)
            .option("public_url", &vector.url);
        if let Some(components) = &vector.components {
            gate = gate.option("components", components);
        }
        if vector.algorithm == "hmac-sha256" {
            gate = gate.option("key_encoding", "base64");
        }
        gate.headers.clear();
        for (name, value) in &vector.headers {
            gate.headers
                .insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        gate.method = Method::from_bytes(vector.method.as_bytes()).unwrap();
        (gate.target, gate.body, gate.now) = (vector.target, vector.body.into_bytes(), UnixTime(vector.now));
        gate.keys.signing = vec![Key::new(vector.secret.into_bytes(), None).unwrap()];
        let reason = gate.reason().map(|reason| reason.code());
        assert_eq!(reason.unwrap_or("accept"), vector.expect, "{}", vector.id);
        gate.target = gate.target.replace("dog", "cat");
        assert!(gate.reason().is_some(), "{}: another query", vector.id);
    }
}

#[test]
fn each_algorithm_opens_what_it_signed_and_nothing_else() {
    let ed25519 = (replay::key(HttpSignature), replay::signing_key(HttpSignature));
    let p256 = (
        replay::key(tollgate_config::manifest::Provider::Sendgrid),
        replay::signing_key(tollgate_config::manifest::Provider::Sendgrid),
    );
    for (algorithm, keys) in [("ed25519", ed25519), ("ecdsa-p256-sha256", p256), ("hmac-sha256", (SECRET, SECRET))] {
        let gate = made(algorithm, keys, &[], None);
        assert_eq!(schema::wrong(&activity(&gate.event())), Vec::<String>::new(), "{algorithm}");
        let mut other = gate.clone();
        other.body[0] = b' ';
        assert_eq!(other.reason(), Some(Reason::BadSignature), "{algorithm}: another body");
        for name in [INPUT, SIGNATURE] {
            assert_eq!(
                gate.clone().without(name).reason(),
                Some(Reason::MissingSignature),
                "{algorithm} {name}"
            );
        }
        let elsewhere = gate.clone().option("public_url", "https://other.example/hook");
        assert_eq!(elsewhere.reason(), Some(Reason::BadSignature), "{algorithm}: another host");
        let mut method = gate.clone();
        method.method = Method::PUT;
        assert_eq!(method.reason(), Some(Reason::BadSignature), "{algorithm}: another method");
        // The request says its algorithm, and never chooses it.
        let other = if algorithm == "ed25519" { "hmac-sha256" } else { "ed25519" };
        assert_eq!(
            gate.clone().option("algorithm", other).reason(),
            Some(Reason::AlgorithmNotAllowed),
            "{algorithm}"
        );
        let input = gate.headers[INPUT].to_str().unwrap().replace(algorithm, other);
        assert_eq!(gate.clone().header(INPUT, &input).reason(), Some(Reason::AlgorithmNotAllowed));
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    // Signed with HMAC under the public key's text, which anyone knows.
    let public = replay::key(HttpSignature);
    let forged = made("hmac-sha256", (public, public), &[], None);
    assert_eq!(forged.reason(), None);
    let input = forged.headers[INPUT].to_str().unwrap().replace(";alg=\"hmac-sha256\"", "");
    for input in [input.clone(), input.replace("created", "alg=\"ed25519\";created")] {
        let gate = forged.clone().option("algorithm", "ed25519").header(INPUT, &input);
        assert_eq!(gate.reason(), Some(Reason::BadSignature));
    }
}

#[test]
fn the_body_is_covered_by_a_strong_digest() {
    let gate = hmac(&[]);
    for (digest, reason) in [
        ("sha-256=:AAAA:", Reason::BadSignature),
        ("md5=:AAAA:", Reason::UnauthenticatedBody),
        ("sha-256", Reason::BadSignature),
        ("sha-256=(1 2)", Reason::BadSignature),
        ("sha-256=\"x\"", Reason::BadSignature),
        ("", Reason::UnauthenticatedBody),
        ("=", Reason::BadSignature),
    ] {
        assert_eq!(gate.clone().header(DIGEST, digest).reason(), Some(reason), "{digest:?}");
    }
    assert_eq!(gate.clone().without(DIGEST).reason(), Some(Reason::UnauthenticatedBody));
    // One that fits beside one that does not.
    let two = format!("{}, sha-512=:AAAA:", gate.headers[DIGEST].to_str().unwrap());
    assert_eq!(gate.clone().header(DIGEST, &two).reason(), Some(Reason::BadSignature));
    let uncovered = by_hand(
        &gate,
        &format!("(\"@method\" \"@target-uri\");created={}", NOW.0),
        &[("\"@method\"", "POST"), ("\"@target-uri\"", "https://gate.example/hook")],
    );
    assert_eq!(uncovered.reason(), Some(Reason::UnauthenticatedBody));
}

#[test]
fn what_the_endpoint_wants_must_be_covered() {
    let gate = hmac(&[]);
    let digest = gate.headers[DIGEST].to_str().unwrap().to_owned();
    let all = [
        ("\"@method\"", "POST"),
        ("\"@authority\"", "gate.example"),
        ("\"@path\"", "/hook"),
        ("\"@query\"", "?a=1"),
        ("\"content-digest\"", digest.as_str()),
    ];
    let with = |gate: &Gate, parts: &[(&str, &str)]| {
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        by_hand(gate, &format!("({});created={}", names.join(" "), NOW.0), parts)
    };
    let mut query = gate.clone();
    query.target = "/?a=1".to_owned();
    assert_eq!(with(&query, &all).reason(), None, "the parts of a target are the target");
    for left_out in 0..all.len() {
        let mut parts = all.to_vec();
        let (name, _) = parts.remove(left_out);
        assert!(with(&query, &parts).reason().is_some(), "{name}");
    }
    let twice = [&all[..], &all[..1]].concat();
    assert_eq!(with(&query, &twice).reason(), Some(Reason::BadSignature), "a component twice");
    let more = |name: &str, value: &str| with(&query, &[&all[..], &[(name, value)]].concat()).reason();
    assert_eq!(more("\"@query-param\";name=\"a\"", "1"), None);
    assert_eq!(more("\"@scheme\"", "https"), None);
    assert_eq!(more("\"@request-target\"", "/hook?a=1"), None);
    assert_eq!(more("\"content-type\"", "application/json"), None);
    for (name, value) in [
        ("\"@query-param\";name=\"b\"", ""),
        ("\"@query-param\"", "1"),
        ("\"@status\"", "200"),
        ("\"@signature-params\"", ""),
        ("\"x-absent\"", ""),
        ("\"Content-Type\"", "application/json"),
        ("\"content-type\";sf", "application/json"),
        ("\"content-type\";req", "application/json"),
        ("content-type", "application/json"),
        ("\"@nothing\"", ""),
    ] {
        assert_eq!(more(name, value), Some(Reason::BadSignature), "{name}");
    }
    let many: Vec<_> = (0..65).map(|n| format!("\"x-{n}\"")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(with(&query, &[&all[..], &many].concat()).reason(), Some(Reason::BadSignature));
}

#[test]
fn the_clock_must_be_there_and_near() {
    let gate = hmac(&[]);
    for (shift, reason) in [
        (300, None),
        (301, Some(Reason::StaleTimestamp)),
        (-300, None),
        (-301, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(gate.clone().at(NOW.0 + shift).reason(), reason, "{shift}");
    }
    let digest = gate.headers[DIGEST].to_str().unwrap().to_owned();
    let text = [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://gate.example/hook"),
        ("\"content-digest\"", digest.as_str()),
    ];
    let now = NOW.0;
    for (params, reason) in [
        (String::new(), Some(Reason::MissingTimestamp)),
        (";created=\"now\"".to_owned(), Some(Reason::BadTimestamp)),
        (";created=1.5".to_owned(), Some(Reason::BadTimestamp)),
        (format!(";created={now};expires={now}"), None),
        (format!(";created={now};expires={}", now - 1), Some(Reason::StaleTimestamp)),
        (format!(";created={now};expires=soon"), Some(Reason::BadTimestamp)),
        (format!(";created={now};nonce=\"\""), Some(Reason::BadId)),
        (format!(";created={now};nonce=1"), Some(Reason::BadSignature)),
        (format!(";created={now};nonce=\"{}\"", "n".repeat(257)), Some(Reason::BadId)),
        (format!(";created={now};nonce=\"{}\"", "n".repeat(256)), None),
    ] {
        let list = format!("(\"@method\" \"@target-uri\" \"content-digest\"){params}");
        assert_eq!(by_hand(&gate, &list, &text).reason(), reason, "{params}");
    }
    // A proof that is a retry is old; one from the future would outlive the mark that knows it.
    let wide = gate.clone().scalar("window", Scalar::Integer(3600));
    for (at, reason) in [
        (now + 3600, None),
        (now + 3601, Some(Reason::StaleTimestamp)),
        (now - 300, None),
        (now - 301, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(wide.clone().at(at).reason(), reason, "{at}");
    }
}

#[test]
fn a_nonce_opens_once_and_what_has_none_is_known_by_what_was_signed() {
    let keys = (SECRET, SECRET);
    let once = made("hmac-sha256", keys, &[], Some("n-1")).event();
    assert!(once.is_single_use());
    assert_eq!(once.event_id(), Some("n-1"));
    let other = made("hmac-sha256", keys, &[], Some("n-2")).event();
    assert_ne!(once.id_mark(), other.id_mark());
    let plain = hmac(&[]).event();
    assert!(!plain.is_single_use() && plain.body_mark().is_none());
    assert_eq!(plain.id_mark(), hmac(&[]).event().id_mark());
    // Two signatures of ECDSA over one text are one proof.
    let provider = tollgate_config::manifest::Provider::Sendgrid;
    let p256 = (replay::key(provider), replay::signing_key(provider));
    let (one, two) = (
        made("ecdsa-p256-sha256", p256, &[], None),
        made("ecdsa-p256-sha256", p256, &[], None),
    );
    assert_ne!(one.headers[SIGNATURE], two.headers[SIGNATURE]);
    assert_eq!(one.event().id_mark(), two.event().id_mark());
    let wanted = hmac(&[]).scalar("require_nonce", Scalar::Bool(true));
    assert_eq!(wanted.reason(), Some(Reason::BadId));
}

#[test]
fn label_key_and_tag_are_the_endpoints() {
    let gate = hmac(&[("label", "one"), ("keyid", "k-1 k-2"), ("tag", "app")]);
    let read = activity(&gate.event());
    assert_eq!(
        [
            &read["channel_data"]["label"],
            &read["channel_data"]["keyid"],
            &read["channel_data"]["tag"]
        ],
        ["one", "k-1", "app"]
    );
    assert_eq!(gate.clone().option("keyid", "k-2").reason(), Some(Reason::BadSignature));
    assert_eq!(gate.clone().option("tag", "other").reason(), Some(Reason::BadSignature));
    assert_eq!(gate.clone().option("label", "two").reason(), Some(Reason::MissingSignature));
    // A second signature beside it: with the label it is passed over, without one nobody knows which counts.
    let both = |gate: &Gate, label: &str| {
        let of = |name: &str| gate.headers[name].to_str().unwrap().to_owned();
        let (input, signature) = (of(INPUT), of(SIGNATURE));
        gate.clone()
            .header(INPUT, &format!("{input}, {label}=();created=1"))
            .header(SIGNATURE, &format!("{signature}, {label}=:AAAA:"))
    };
    assert_eq!(both(&gate, "other").reason(), None);
    assert_eq!(both(&hmac(&[]), "other").reason(), Some(Reason::BadSignature));
    let mut many = gate.headers[INPUT].to_str().unwrap().to_owned();
    for index in 0..16 {
        many.push_str(&format!(", s{index}=()"));
    }
    assert_eq!(gate.clone().header(INPUT, &many).reason(), Some(Reason::BadSignature));
}

#[test]
fn junk_is_no_signature() {
    let gate = hmac(&[]);
    for (name, values) in [
        (
            INPUT,
            &["", "sig1", "sig1=1", "sig1=(", "sig1=(\"a\" \"a\")x", "Sig1=()", "sig1=(a b", "é"][..],
        ),
        (
            SIGNATURE,
            &[
                "",
                "sig1",
                "sig1=AAAA",
                "sig1=:!:",
                "sig1=:AAAA:;x",
                "sig1=(:AAAA:)",
                "other=:AAAA:",
            ][..],
        ),
    ] {
        for value in values {
            let reason = gate.clone().header(name, value).reason();
            assert!(
                matches!(
                    reason,
                    Some(Reason::BadSignature | Reason::MissingSignature | Reason::MissingTimestamp)
                ),
                "{name} {value:?}: {reason:?}"
            );
        }
        let again = gate.headers[name].to_str().unwrap().to_owned();
        assert_eq!(gate.clone().more(name, &again).reason(), Some(Reason::DuplicateHeader));
    }
}

#[test]
fn a_get_without_a_body_needs_no_digest_and_one_with_a_body_does() {
    let mut gate = hmac(&[]).without(DIGEST);
    gate.method = Method::GET;
    gate.target = "/?x=1".to_owned();
    let list = format!("(\"@method\" \"@target-uri\");created={}", NOW.0);
    let text = [("\"@method\"", "GET"), ("\"@target-uri\"", "https://gate.example/hook?x=1")];
    let with_body = by_hand(&gate, &list, &text);
    assert_eq!(with_body.reason(), Some(Reason::UnauthenticatedBody));
    gate.body.clear();
    let bare = by_hand(&gate, &list, &text);
    assert_eq!(activity(&bare.event())["raw"], serde_json::json!({"text": ""}));
    gate.method = Method::POST;
    let text = [("\"@method\"", "POST"), text[1]];
    assert_eq!(by_hand(&gate, &list, &text).reason(), Some(Reason::UnauthenticatedBody));
}

#[test]
fn options_that_would_open_for_anyone_are_refused() {
    use std::sync::Arc;
    use tollgate_config::{Place, manifest::OptionValue};
    let scheme = |options: &[(&str, &str)]| {
        let place = Place {
            file: Arc::new("t.yaml".into()),
            line: 1,
            column: 1,
        };
        let base = [("algorithm", "ed25519"), ("public_url", "https://gate.example")];
        let all = base.iter().chain(options).map(|(name, value)| {
            let value = Scalar::Text((*value).to_owned());
            (
                (*name).to_owned(),
                OptionValue {
                    value,
                    place: place.clone(),
                },
            )
        });
        tollgate_ingress::Scheme::new(HttpSignature, &all.collect()).map_err(|errors| errors[0].key.clone())
    };
    assert!(scheme(&[]).is_ok());
    for (name, value) in [
        ("components", "@method @target-uri"),
        ("components", "content-digest @nothing"),
        ("components", "content-digest Date"),
        ("public_url", "gate.example"),
        ("public_url", "https://user@gate.example"),
        ("key_encoding", "base64"),
        ("algorithm", "none"),
    ] {
        assert_eq!(scheme(&[(name, value)]).err().as_deref(), Some(name), "{value}");
    }
    let hmac = scheme(&[("algorithm", "hmac-sha256")]).unwrap();
    assert!(hmac.check_key(&key("short")).unwrap().is_some(), "a warning");
    assert!(scheme(&[]).unwrap().check_key(&key("no key")).is_err());
}
