//! Verification fails closed: what opens is what a trusted key signed, and nothing more.

use crate::sample;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ed25519_dalek::{
    Signer as _,
    pkcs8::{EncodePublicKey, spki::der::pem::LineEnding},
};
use tollgate_packs::{
    Digest, OpenError, Signer, SigningKey, Trust, TrustedKey,
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

#[test]
fn a_signed_statement_says_what_the_document_says_and_nothing_else() {
    // Written here once more from the document, by other code than the crate's own.
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let trusted = TrustedKey::from_pem("x", &pem).unwrap();
    let unsigned = sample::unsigned();
    let digest = Digest::of(&unsigned).to_string().replace("sha256:", "");
    let statement = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{{\"pack_id\":\"hello\",\"version\":\"1.2.3\"}},\
         \"predicateType\":\"tollgate.pack-predicate.v1\",\"subject\":[{{\"digest\":{{\"sha256\":\"{digest}\"}},\"name\":\"hello@1.2.3\"}}]}}"
    );
    let opened = |statement: &str| {
        let kind = "application/vnd.in-toto+json";
        let sig = key.sign(format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()).as_bytes());
        let (payload, sig) = (STANDARD.encode(statement), STANDARD.encode(sig.to_bytes()));
        let signature = format!("{{\"keyid\":\"{}\",\"sig\":\"{sig}\"}}", trusted.id);
        let envelope = format!("{{\"payload\":\"{payload}\",\"payloadType\":\"{kind}\",\"signatures\":[{signature}]}}");
        let pack = with_envelope(&unsigned, envelope.as_bytes()).into();
        open(
            &pack,
            Trust {
                keys: std::slice::from_ref(&trusted),
                allow_unsigned: true,
            },
        )
        .map(|pack| pack.signer)
    };
    assert_eq!(opened(&statement), Ok(Signer::Key(trusted.id)));
    for (name, from, to) in [
        ("name", "hello@1.2.3", "other@1.2.3"),
        ("id", "\"pack_id\":\"hello\"", "\"pack_id\":\"other\""),
        ("version", "\"version\":\"1.2.3\"", "\"version\":\"1.2.4\""),
        ("digest", &digest[..8], "00000000"),
        ("upper-case digest", &digest, &digest.to_uppercase()),
        ("no subject", &statement[statement.find("[{").unwrap()..], "[]}"),
        ("another predicate", "tollgate.pack-predicate.v1", "tollgate.pack-predicate.v2"),
        ("another statement", "Statement/v1", "Statement/v2"),
        ("unknown member", "{\"_type\"", "{\"A\":1,\"_type\""),
        ("spaced", "[{", "[ {"),
    ] {
        let changed = statement.replace(from, to);
        assert_ne!(changed, statement, "{name}");
        let refused = opened(&changed);
        assert!(matches!(&refused, Err(OpenError::Signature(_))), "{name}: {refused:?}");
    }
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
