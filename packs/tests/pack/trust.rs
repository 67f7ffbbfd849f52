//! Verification fails closed: what opens is what a trusted key signed, and nothing more.

use crate::sample;
use bytes::Bytes;
use tollgate_packs::{
    OpenError, Signer, SigningKey, Trust,
    archive::{self, Entry},
    open, sign,
    signature::{self, SignatureError},
};

#[test]
fn without_keys_nothing_opens_and_the_reason_speaks_of_trust() {
    let (bytes, _) = sample::signed();
    for pack in [bytes, sample::unsigned().into()] {
        let error = open(
            &pack,
            Trust {
                keys: &[],
                allow_unsigned: false,
            },
        )
        .unwrap_err();
        assert_eq!(error, OpenError::NoTrust);
        assert!(error.to_string().contains("trust"));
    }
}

#[test]
fn an_unsigned_pack_opens_only_where_that_is_allowed() {
    let (pack, key) = (Bytes::from(sample::unsigned()), SigningKey::generate().unwrap().public());
    let error = open(
        &pack,
        Trust {
            keys: &[key],
            allow_unsigned: false,
        },
    )
    .unwrap_err();
    assert_eq!(error, OpenError::Unsigned);
    assert!(error.to_string().contains("not signed") && error.to_string().contains("not trusted"));
    assert_eq!(
        open(
            &pack,
            Trust {
                keys: &[],
                allow_unsigned: true
            }
        )
        .unwrap()
        .signer,
        Signer::Nobody
    );
}

#[test]
fn another_key_is_refused_even_where_unsigned_is_allowed() {
    let (pack, signer) = sample::signed();
    let other = SigningKey::generate().unwrap().public();
    for (keys, allow_unsigned) in [(vec![other.clone()], false), (vec![other], true), (vec![], true)] {
        let error = open(
            &pack,
            Trust {
                keys: &keys,
                allow_unsigned,
            },
        )
        .unwrap_err();
        assert_eq!(error, OpenError::Signature(SignatureError::UnknownKey(signer.id)));
        assert!(error.to_string().contains("not trusted here"));
    }
}

#[test]
fn a_wrong_signature_is_refused_for_what_is_wrong_with_it() {
    let key = SigningKey::generate().unwrap();
    let (unsigned, signed) = (sample::unsigned(), sign(&sample::unsigned(), &key).unwrap());
    let envelope = envelope_of(&signed);
    let text = String::from_utf8(envelope.clone()).unwrap();
    let other_key = SigningKey::generate().unwrap();
    let forged = String::from_utf8(envelope_of(&sign(&unsigned, &other_key).unwrap())).unwrap();
    let claimed = forged.replace(&other_key.public().id.to_string(), &key.public().id.to_string());
    let (head, tail) = text.split_once("\"signatures\":[").unwrap();
    let one = tail.trim_end_matches("]}");
    let malformed = |error: &SignatureError| matches!(error, SignatureError::Malformed(_));
    let id = key.public().id;
    for (name, envelope, expected) in [
        (
            "forged",
            claimed,
            Box::new(move |e: &SignatureError| *e == SignatureError::Wrong(id)) as Box<dyn Fn(&SignatureError) -> bool>,
        ),
        (
            "two",
            format!("{head}\"signatures\":[{one},{one}]}}"),
            Box::new(|e| *e == SignatureError::Count(2)),
        ),
        (
            "none",
            format!("{head}\"signatures\":[]}}"),
            Box::new(|e| *e == SignatureError::Count(0)),
        ),
        (
            "spaced",
            text.replace(":[", ": ["),
            Box::new(|e| *e == SignatureError::NotCanonical),
        ),
        ("newline", format!("{text}\n"), Box::new(|e| *e == SignatureError::NotCanonical)),
        ("unknown member", text.replacen('{', "{\"a\":1,", 1), Box::new(malformed)),
        ("duplicate member", text.replacen('{', "{\"payload\":\"\",", 1), Box::new(malformed)),
        (
            "another type",
            text.replace("in-toto+json", "other+json"),
            Box::new(|e| matches!(e, SignatureError::Kind(_))),
        ),
        ("upper-case id", text.replace(&id.to_string(), &"A".repeat(32)), Box::new(malformed)),
        ("no json", "x".to_owned(), Box::new(malformed)),
        (
            "too large",
            "x".repeat(signature::MAX_SIZE + 1),
            Box::new(|e| matches!(e, SignatureError::TooLarge(_))),
        ),
    ] {
        for allow_unsigned in [false, true] {
            let pack = with_envelope(&unsigned, envelope.as_bytes()).into();
            let error = open(
                &pack,
                Trust {
                    keys: &[key.public()],
                    allow_unsigned,
                },
            )
            .unwrap_err();
            assert!(
                matches!(&error, OpenError::Signature(error) if expected(error)),
                "{name}: {error:?}"
            );
        }
    }
}

#[test]
fn a_signature_opens_only_the_pack_that_it_was_made_for() {
    let key = SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    sample::write_source(folder.path());
    std::fs::write(folder.path().join("assets/greeting.json"), "[]").unwrap();
    let other = tollgate_packs::build(folder.path()).unwrap();
    let envelope = envelope_of(&sign(&sample::unsigned(), &key).unwrap());
    let error = open(
        &with_envelope(&other, &envelope).into(),
        Trust {
            keys: &[key.public()],
            allow_unsigned: true,
        },
    )
    .unwrap_err();
    assert_eq!(error, OpenError::Signature(SignatureError::Digest));
}

fn envelope_of(pack: &[u8]) -> Vec<u8> {
    archive::read(pack)
        .unwrap()
        .iter()
        .find(|entry| entry.path == signature::PATH)
        .unwrap()
        .data
        .to_vec()
}

fn with_envelope(unsigned: &[u8], envelope: &[u8]) -> Vec<u8> {
    let mut entries = archive::read(unsigned).unwrap();
    entries.push(Entry {
        path: signature::PATH,
        data: envelope,
    });
    archive::write(&entries).unwrap()
}
