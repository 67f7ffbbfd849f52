//! The fuzz targets' seeds, replayed.

use std::{fs, path::PathBuf};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Keys, Opened, Scheme, open, recorded::Recorded, replay};

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn requests_keep_their_promises_and_the_good_ones_open() {
    // The providers of which there are recordings.
    for provider in [Provider::Slack, Provider::Github, Provider::StandardWebhooks] {
        let seeds = seeds(provider.as_str());
        assert!(!seeds.is_empty());
        let keys = Keys::signed_by(vec![crate::gate::key(replay::key(provider))]);
        let scheme = Scheme::new(provider, &Default::default()).unwrap();
        for (name, file) in seeds {
            assert_eq!(replay::request(provider, &file), Ok(()), "{name}");
            let opened = Recorded::parse(&file).map(|recorded| open(&scheme, &recorded.request(), &keys, replay::NOW));
            let good = !name.contains("refused");
            assert_eq!(
                matches!(opened, Ok(Ok(Opened::Handshake(_) | Opened::Deliveries(_)))),
                good,
                "{name}: {opened:?}"
            );
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
