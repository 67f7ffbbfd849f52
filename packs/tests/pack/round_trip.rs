//! What was built and signed opens to what was put in.

use crate::sample::{self, COMPONENT};
use proptest::{collection::btree_map, prelude::*};
use std::{collections::BTreeMap, fs};
use tollgate_packs::{
    Signer, SigningKey, Trust,
    archive::{self, Entry},
    build, inspect, open, sign,
};

#[test]
fn a_pack_opens_to_what_its_source_said() {
    let (bytes, key) = sample::signed();
    let pack = open(
        &bytes,
        Trust {
            keys: std::slice::from_ref(&key),
            allow_unsigned: false,
        },
    )
    .unwrap();
    assert_eq!(pack.signer, Signer::Key(key.id));
    assert_eq!(
        (
            pack.pack_id.as_str(),
            pack.version.as_str(),
            pack.name.as_deref(),
            pack.publisher.as_str()
        ),
        ("hello", "1.2.3", Some("Hello there"), "acme")
    );
    assert_eq!((pack.world.as_str(), pack.component.as_ref()), ("wasi:http/proxy@0.2.0", COMPONENT));
    assert_eq!(pack.assets.keys().collect::<Vec<_>>(), ["deep/empty", "greeting.json"]);
    assert_eq!(pack.assets["greeting.json"].as_ref(), b"{}");
    let listed: Vec<&str> = pack.sbom.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        listed,
        ["assets/deep/empty", "assets/greeting.json", sample::COMPONENT_PATH, "manifest.cbor"]
    );
    let held = bytes.as_ptr_range();
    assert!(
        held.contains(&pack.component.as_ptr()),
        "the component is a slice of the pack, not a copy"
    );
}

#[test]
fn the_same_source_and_key_give_the_same_bytes() {
    let key = SigningKey::generate().unwrap();
    let (one, other) = (sample::unsigned(), sample::unsigned());
    assert_eq!(one, other);
    let signed = sign(&one, &key).unwrap();
    assert_eq!(sign(&other, &key).unwrap(), signed);
    assert_eq!(sign(&signed, &key).unwrap(), signed, "signing again replaces the signature");
    let second = SigningKey::generate().unwrap();
    let replaced = sign(&signed, &second).unwrap().into();
    assert!(
        open(
            &replaced,
            Trust {
                keys: &[second.public()],
                allow_unsigned: false
            }
        )
        .is_ok()
    );
    assert!(
        open(
            &replaced,
            Trust {
                keys: &[key.public()],
                allow_unsigned: false
            }
        )
        .is_err()
    );
}

#[test]
fn an_inspection_tells_all_and_claims_nothing() {
    let (bytes, key) = sample::signed();
    let seen = serde_json::to_value(inspect(&bytes).unwrap()).unwrap();
    assert_eq!(seen["verified"], false);
    assert_eq!(
        seen["signature"],
        serde_json::json!({ "key_id": key.id.to_string(), "covers_this_pack": true })
    );
    assert_eq!(
        (seen["manifest"]["pack_id"].as_str(), seen["files"].as_array().map(Vec::len)),
        (Some("hello"), Some(4))
    );
    assert!(inspect(&sample::unsigned()).unwrap().signature.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_assets_come_back(assets in btree_map("[a-z]{1,8}(/[a-z0-9]{1,4}\\.(json|txt|wasm))?", prop::collection::vec(any::<u8>(), 0..200), 0..12)) {
        // A name that is also another's folder is refused; the hostile cases have it.
        let clash = assets.keys().any(|name| assets.keys().any(|other| other.starts_with(&format!("{name}/"))));
        prop_assume!(!clash);
        let folder = tempfile::tempdir().unwrap();
        sample::write_source(folder.path());
        fs::remove_dir_all(folder.path().join("assets")).unwrap();
        fs::create_dir(folder.path().join("assets")).unwrap();
        for (name, data) in &assets {
            let path = folder.path().join("assets").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, data).unwrap();
        }
        let key = SigningKey::generate().unwrap();
        let bytes = sign(&build(folder.path()).unwrap(), &key).unwrap().into();
        let pack = open(&bytes, Trust { keys: &[key.public()], allow_unsigned: false }).unwrap();
        let back: BTreeMap<String, Vec<u8>> = pack.assets.iter().map(|(name, data)| (name.clone(), data.to_vec())).collect();
        prop_assert_eq!(back, assets);
    }

    #[test]
    fn what_is_read_is_written_as_it_was(bytes in prop::collection::vec(any::<u8>(), 0..400), splice in 0_usize..400) {
        // Arbitrary bytes, alone and over a sound archive: never a panic, and whatever is accepted has one form.
        let mut over = sample_archive();
        let end = (splice + bytes.len()).min(over.len());
        let start = splice.min(end);
        over.splice(start..end, bytes.iter().copied());
        for input in [bytes.clone(), over] {
            if let Ok(entries) = archive::read(&input) {
                prop_assert_eq!(archive::write(&entries).unwrap(), input);
            }
        }
    }
}

fn sample_archive() -> Vec<u8> {
    archive::write(&[Entry { path: "a", data: b"one" }, Entry { path: "b/c", data: b"" }]).unwrap()
}
