//! The fuzz targets' seeds, replayed; and that each provider has some.

use std::{fs, path::PathBuf};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{
    Opened, Scheme, open,
    recorded::Recorded,
    replay::{self, Family},
    sign,
};

const FAMILIES: [(Family, &str); 5] = [
    (Family::Batch, "batch"),
    (Family::BodyMac, "body-mac"),
    (Family::Form, "form"),
    (Family::Timed, "timed"),
    (Family::Token, "token"),
];

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target)
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn cases_keep_their_promises_and_the_good_recordings_open() {
    for (family, target) in FAMILIES {
        for (name, file) in seeds(target) {
            assert_eq!(replay::case(family, &file), Ok(()), "{name}");
            let end = file.iter().position(|byte| *byte == b'\n').unwrap();
            let (line, rest) = (std::str::from_utf8(&file[..end]).unwrap(), &file[end + 1..]);
            if line.ends_with(" signed") {
                continue;
            }
            let provider = Provider::from_name(line).unwrap_or_else(|| panic!("{name}: no provider {line:?}"));
            assert!(family.holds(provider), "{name} is not of this family");
            let keys = replay::keys(provider).unwrap();
            let opened = Recorded::parse(rest).map(|recorded| open(&Scheme::example(provider), &recorded.request(), &keys, replay::NOW));
            let good = !name.contains("refused");
            assert_eq!(
                matches!(opened, Ok(Ok(Opened::Handshake(_) | Opened::Deliveries(_)))),
                good,
                "{name}: {opened:?}"
            );
        }
    }
}

/// `UPDATE_SEEDS=1` writes them.
#[test]
fn each_provider_has_its_sample_and_a_recording_among_the_seeds() {
    for provider in Provider::ALL {
        let name = provider.as_str();
        let key = crate::gate::key(replay::signing_key(provider));
        let signed = sign::sign(provider, sign::sample(provider).as_bytes(), &key, replay::NOW, None).unwrap();
        let mut recorded = format!("{name}\nPOST /hook HTTP/1.1\nHost: gate.example\n");
        for (header, value) in &signed.headers {
            recorded.push_str(&format!("{header}: {}\n", value.to_str().unwrap()));
        }
        let recorded = [recorded.as_bytes(), b"\n", signed.body.as_slice()].concat();
        let sample = format!("{name} signed\n{}", sign::sample(provider)).into_bytes();
        let families: Vec<_> = FAMILIES.iter().filter(|(family, _)| family.holds(provider)).collect();
        assert!(!families.is_empty(), "{name} is of no family");
        for (_, target) in families {
            for (kind, seed) in [("sample", &sample), ("recorded", &recorded)] {
                let file = folder(target).join(format!("{name}-{kind}"));
                if std::env::var_os("UPDATE_SEEDS").is_some() {
                    fs::write(&file, seed).unwrap();
                }
                // A recording is signed anew each time where a signature has randomness in it.
                let found = fs::read(&file).unwrap_or_else(|_| panic!("{} is missing; UPDATE_SEEDS=1 writes it", file.display()));
                assert!(
                    kind == "recorded" || found == *seed,
                    "{} is not as it should be; UPDATE_SEEDS=1 writes it",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn payloads_keep_their_promises() {
    let seeds = seeds("activity");
    assert!(!seeds.is_empty());
    for (name, body) in seeds {
        assert_eq!(replay::payload(&body), Ok(()), "{name}");
    }
}
