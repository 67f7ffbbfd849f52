//! The generic scheme: what its options make of it, and what they must not.

use crate::gate::{Gate, NOW, activity, key};
use crate::schema;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollgate_config::manifest::{Provider::Hmac, Scalar};
use tollgate_ingress::{Reason, Scheme, replay, sign};

const HEADER: &str = "x-signature";
const BODY: &str = r#"{"type":"gate.opened","data":{"id":"e1","n":12345678901234567890123}}"#;

/// An endpoint with these options, and a request for it that is signed as they say.
fn gate(options: &[(&str, &str)], body: &str) -> Gate {
    let mut gate = Gate::with(Hmac, body.as_bytes()).option("header", HEADER);
    for (name, value) in options {
        gate = match *value {
            "true" => gate.scalar(name, Scalar::Bool(true)),
            number if number.parse::<i64>().is_ok() => gate.scalar(name, Scalar::Integer(number.parse().unwrap())),
            text => gate.option(name, text),
        };
    }
    let scheme = Scheme::new(Hmac, &gate.options).unwrap();
    let signed = sign::sign_for(&scheme, body.as_bytes(), &key(replay::key(Hmac)), NOW, None).unwrap();
    (gate.headers, gate.body) = (signed.headers, signed.body);
    gate
}

fn refused(options: &[(&str, &str)]) -> Vec<String> {
    let mut gate = Gate::sample(Hmac).option("header", HEADER);
    for (name, value) in options {
        gate = gate.option(name, value);
    }
    Scheme::new(Hmac, &gate.options)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|error| error.message)
        .collect()
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    secret: String,
    headers: BTreeMap<String, String>,
    body_b64: String,
}

#[test]
fn published_vectors_are_accepted() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/hmac.json")).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let options = [("algorithm", "sha256"), ("encoding", "hex")];
        let mut gate = gate(&options, "")
            .header(HEADER, &vector.headers["X-Signature"])
            .keys(&[(&vector.secret, None)]);
        gate.body = STANDARD.decode(&vector.body_b64).unwrap();
        // One is no JSON, which only its type could promise.
        gate = gate.without("content-type");
        assert_eq!(gate.reason(), None, "{}", vector.id);
        gate.body.push(b' ');
        assert_eq!(gate.reason(), Some(Reason::BadSignature), "{}", vector.id);
    }
}

#[test]
fn the_signature_is_what_another_program_makes() {
    // Python's `hmac.new(b"secret_of_the_seeds", b"1531420618000.e1.POST https://gate.example/\\n{}", "sha512")`, base64.
    let options = [
        ("algorithm", "sha512"),
        ("encoding", "base64"),
        ("prefix", "v1="),
        ("template", "{ts}.{id}.{method} {url}\n{body}"),
        ("ts_header", "x-ts"),
        ("ts_unit", "ms"),
        ("id_header", "x-id"),
        ("public_url", "https://gate.example/"),
    ];
    let gate = gate(&options, "{}").header("x-id", "e1").header(
        HEADER,
        "v1=W38beet0Ku8w+STvvcJzdQpEQMSpkIgg3Z8eWutSQ6mCWLpP5p/3MSIzFPHECHsgXTKOf/P3HCyJY9b04KxdIQ==",
    );
    assert_eq!(gate.reason(), None);
}

#[test]
fn what_is_signed_as_the_options_say_opens_and_nothing_else_does() {
    for options in [
        &[][..],
        &[("algorithm", "sha512"), ("encoding", "base64url")],
        &[("algorithm", "sha1"), ("allow_sha1", "true"), ("encoding", "base64")],
        &[("template", "{method}{path}\n{body}")],
        &[("template", "{ts}{body}"), ("ts_header", "x-ts")],
        &[
            ("template", "{id}.{ts}.{body}"),
            ("ts_header", "x-ts"),
            ("ts_unit", "ms"),
            ("id_header", "x-id"),
        ],
        &[("prefix", "sha256="), ("list_separator", ",")],
    ] {
        let gate = gate(options, BODY);
        let good = gate.headers[HEADER].to_str().unwrap().to_owned();
        let mut tampered = gate.clone();
        tampered.body.push(b' ');
        for (name, gate, reason) in [
            ("as it is", gate.clone(), None),
            ("tampered", tampered, Some(Reason::BadSignature)),
            ("wrong secret", gate.clone().keys(&[("other", None)]), Some(Reason::BadSignature)),
            ("no signature", gate.clone().without(HEADER), Some(Reason::MissingSignature)),
            ("two signatures", gate.clone().more(HEADER, &good), Some(Reason::DuplicateHeader)),
            ("empty", gate.clone().header(HEADER, ""), Some(Reason::BadSignature)),
            (
                "short",
                gate.clone().header(HEADER, &good[..good.len() - 4]),
                Some(Reason::BadSignature),
            ),
            (
                "padded",
                gate.clone().header(HEADER, &format!("{good}=")),
                Some(Reason::BadSignature),
            ),
        ] {
            assert_eq!(gate.reason(), reason, "{options:?} {name}");
        }
    }
}

#[test]
fn a_clock_is_signed_and_closed_at_both_ends() {
    let options = [("template", "{ts}.{body}"), ("ts_header", "x-ts"), ("tolerance", "60")];
    let gate = gate(&options, BODY);
    for (name, gate, reason) in [
        ("edge", gate.clone().at(NOW.0 + 60), None),
        ("stale", gate.clone().at(NOW.0 + 61), Some(Reason::StaleTimestamp)),
        ("future", gate.clone().at(NOW.0 - 61), Some(Reason::FutureTimestamp)),
        ("missing", gate.clone().without("x-ts"), Some(Reason::MissingTimestamp)),
        ("double", gate.clone().more("x-ts", "1531420618"), Some(Reason::DuplicateHeader)),
        ("other", gate.clone().header("x-ts", "1531420619"), Some(Reason::BadSignature)),
        ("junk", gate.clone().header("x-ts", "1531420618."), Some(Reason::BadTimestamp)),
        (
            "milliseconds",
            gate.clone().header("x-ts", "1531420618000"),
            Some(Reason::BadTimestamp),
        ),
    ] {
        assert_eq!(gate.reason(), reason, "{name}");
    }
    assert_eq!(activity(&gate.event())["timestamp"], "2018-07-12T18:36:58+00:00");
}

#[test]
fn options_that_would_open_for_anyone_are_refused_at_load() {
    for (options, says) in [
        (&[("template", "{ts}"), ("ts_header", "x-ts")][..], "must have `{body}`"),
        (&[("template", "body")], "must have `{body}`"),
        (&[("ts_header", "x-ts")], "must have `{ts}`"),
        (&[("template", "{ts}.{body}")], "needs `ts_header`"),
        (&[("template", "{id}.{body}")], "needs `id_header`"),
        (&[("template", "{url}.{body}")], "needs `public_url`"),
        (&[("template", "{path}{body}")], "side by side"),
        (&[("template", "{body}{id}"), ("id_header", "x-id")], "side by side"),
        (&[("template", "{timestamp}.{body}")], "no other braces"),
        (&[("algorithm", "sha1")], "needs `allow_sha1: true`"),
        (&[("id_header", "x-id"), ("id_pointer", "/id")], "not both"),
        (&[("id_pointer", "id")], "JSON Pointer"),
        (&[("list_separator", "=")], "may stand in a signature"),
        (&[("template", "{url} {body}"), ("public_url", "gate.example")], "absolute URL"),
        (&[("ts_header", "x ts"), ("template", "{ts}.{body}")], "no header's name"),
        (&[("algorithm", "md5")], "`algorithm` is"),
    ] {
        let errors = refused(options);
        assert!(errors.len() == 1 && errors[0].contains(says), "{options:?}: {errors:?}");
    }
    assert_eq!(refused(&[("template", "{method}{path}\n{body}")]), Vec::<String>::new());
}

#[test]
fn the_boundary_of_an_id_cannot_be_moved() {
    let options = [("template", "{id}.{body}"), ("id_header", "x-id")];
    let whole = gate(&options, r#"a.{"x":1}"#).header("content-type", "text/plain");
    let id = whole.headers["x-id"].to_str().unwrap().to_owned();
    assert_eq!(whole.reason(), None);
    // Both sign `{id}.a.{"x":1}`.
    let mut moved = whole.header("x-id", &format!("{id}.a"));
    moved.body = br#"{"x":1}"#.to_vec();
    assert_eq!(moved.reason(), Some(Reason::BadId));
    assert_eq!(gate(&options, BODY).without("x-id").reason(), Some(Reason::BadId));
    assert_eq!(gate(&options, BODY).more("x-id", "b").reason(), Some(Reason::DuplicateHeader));
}

#[test]
fn the_boundary_of_a_query_cannot_be_moved() {
    // The request's path is `/`, so what is signed is `/.x.y`, whether the query ends at the first full stop or at the second.
    let gate = gate(&[("template", "{path}.{body}")], "x.y").header("content-type", "text/plain");
    let scheme = Scheme::new(Hmac, &gate.options).unwrap();
    let reason = |path: &str, body: &'static [u8]| {
        let body = body.into();
        let request = tollgate_ingress::Request {
            method: &http::Method::POST,
            path_and_query: path,
            headers: &gate.headers,
            body: &body,
        };
        tollgate_ingress::open(&scheme, &request, &gate.keys, NOW).err()
    };
    assert_eq!(reason("/", b"x.y"), None);
    assert_eq!(reason("/?", b"x.y").map(|refusal| refusal.reason), Some(Reason::BadSignature));
    assert!(reason("/?a.b", b"y").is_some_and(|refusal| refusal.detail.contains("the query has")));
}

#[test]
fn one_of_several_signatures_must_fit() {
    let options = [("prefix", "v1="), ("list_separator", ",")];
    let gate = gate(&options, BODY);
    let good = gate.headers[HEADER].to_str().unwrap().to_owned();
    let other = format!("v1={}", "0".repeat(64));
    for (list, fine) in [
        (format!("{other},{good}"), true),
        (format!("t=1, {good} ,v0=x"), true),
        (format!("{other},{other}"), false),
        (format!("{good} {good}"), false),
        (vec![other.as_str(); 16].join(",") + "," + &good, false),
    ] {
        assert_eq!(
            gate.clone().header(HEADER, &list).reason(),
            (!fine).then_some(Reason::BadSignature),
            "{list}"
        );
    }
    // Without the option a list is no signature.
    let single = self::gate(&[("prefix", "v1=")], BODY);
    assert_eq!(
        single.header(HEADER, &format!("{good},{good}")).reason(),
        Some(Reason::BadSignature)
    );
}

#[test]
fn ids_and_marks_are_as_they_are_signed() {
    let marks = |options: &[(&str, &str)], body: &str| {
        let event = gate(options, body).event();
        (
            event.event_id().map(str::to_owned),
            event.id_mark().is_some(),
            event.body_mark().is_some(),
        )
    };
    let own = |id: &str| Some(id.to_owned());
    assert_eq!(marks(&[], BODY), (None, false, false), "two equal bodies may be two events");
    assert_eq!(marks(&[("same_body", "drop")], BODY), (None, false, true));
    assert_eq!(marks(&[("id_pointer", "/data/id")], BODY), (own("e1"), true, false));
    assert_eq!(
        marks(&[("id_pointer", "/data/n")], BODY),
        (own("12345678901234567890123"), true, false)
    );
    assert_eq!(marks(&[("id_pointer", "/none")], BODY), (None, false, true));
    assert_eq!(marks(&[("id_pointer", "/0/a~1b")], r#"[{"a/b":"x"}]"#), (own("x"), true, false));
    assert_eq!(marks(&[("id_pointer", "/00")], r#"["x"]"#), (None, false, true));
    let header = gate(&[("id_header", "x-id")], BODY).header("x-id", "a").event();
    assert!(header.event_id() == Some("a") && header.id_mark().is_some() && header.body_mark().is_some());
    let signed = marks(&[("id_header", "x-id"), ("template", "{id}.{body}")], BODY);
    assert!(signed.1 && !signed.2);
}

#[test]
fn a_fresh_id_is_put_where_the_options_say() {
    let body = |pointer: &str, payload: &str| {
        let options = gate(&[("id_pointer", pointer)], "{}").options;
        let scheme = Scheme::new(Hmac, &options).unwrap();
        let signed = sign::sign_for(&scheme, payload.as_bytes(), &key("k"), NOW, Some("fresh-1"));
        signed.map(|signed| String::from_utf8(signed.body).unwrap()).ok()
    };
    assert_eq!(body("/data/id", BODY), Some(BODY.replace("\"e1\"", "\"fresh-1\"")));
    let number: Value = serde_json::from_str(&body("/data/n", BODY).unwrap()).unwrap();
    assert!(number["data"]["n"].is_u64(), "{number}");
    assert_eq!(body("/none", BODY), None);
}

#[test]
fn any_body_is_an_event() {
    for (content_type, body, raw) in [
        ("application/json", BODY, serde_json::from_str(BODY).unwrap()),
        ("text/plain", "hello", json!({"text": "hello"})),
        ("application/x-www-form-urlencoded", "a=1", json!({"form": {"a": "1"}})),
    ] {
        let seen = activity(&gate(&[], body).header("content-type", content_type).event());
        assert_eq!(seen["raw"], raw, "{content_type}");
        assert_eq!(schema::wrong(&seen), Vec::<String>::new());
    }
    let seen = activity(&gate(&[("id_pointer", "/data/id")], BODY).event());
    assert_eq!(
        (&seen["metadata"]["event"], &seen["session"]["key"]),
        (&json!("gate.opened"), &json!("acme:hmac:e1:user"))
    );
    assert_eq!(
        gate(&[], "{").header("content-type", "application/json").reason(),
        Some(Reason::Unparsable)
    );
}

#[test]
fn secrets_are_read_as_they_are_written() {
    for (encoding, secret) in [("hex", "6b6579"), ("hex", "6B6579"), ("base64", "a2V5")] {
        let mut gate = gate(&[], BODY).keys(&[(secret, None)]).option("key_encoding", encoding);
        gate.headers = sign::sign(Hmac, BODY.as_bytes(), &key("key"), NOW, None).unwrap().headers;
        assert_eq!(gate.reason(), None, "{encoding}");
        assert_eq!(
            gate.keys(&[("not written so!", None)]).reason(),
            Some(Reason::BadSignature),
            "{encoding}"
        );
    }
}
