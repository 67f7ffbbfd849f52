//! Sound archives that are no sound packs: files that are not as listed, in a wrong place, or of another version.

use crate::sample::{self, COMPONENT_PATH};
use tollgate_packs::{
    OpenError, SigningKey, Trust,
    archive::{self, Entry},
    inspect,
    manifest::{self, ManifestError},
    open,
    sbom::{self, Sbom, SbomError},
    sign,
    sign::SignError,
};

/// The sample's files, changed; the SBOM is made anew after it where `listed`.
fn changed(listed: bool, edit: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Result<(), OpenError> {
    let bytes = sample::unsigned();
    let mut files: Vec<(String, Vec<u8>)> = archive::read(&bytes)
        .unwrap()
        .iter()
        .map(|entry| (entry.path.to_owned(), entry.data.to_vec()))
        .collect();
    edit(&mut files);
    if listed {
        files.retain(|(path, _)| path != sbom::PATH);
        let entries: Vec<Entry<'_>> = files.iter().map(|(path, data)| Entry { path, data }).collect();
        files.push((sbom::PATH.to_owned(), Sbom::of(&entries).write()));
    }
    let entries: Vec<Entry<'_>> = files.iter().map(|(path, data)| Entry { path, data }).collect();
    let bytes = archive::write(&entries).unwrap();
    let key = SigningKey::generate().unwrap();
    let opened = open(
        &bytes.clone().into(),
        Trust {
            keys: &[],
            allow_unsigned: true,
        },
    )
    .map(|_| ());
    // What does not open is not signed or inspected either.
    if let Err(error) = &opened {
        assert!(matches!(sign(&bytes, &key), Err(SignError::Pack(same)) if same == *error));
        assert_eq!(inspect(&bytes).err().as_ref(), Some(error));
    }
    opened
}

fn set(path: &str, data: Vec<u8>) -> impl FnOnce(&mut Vec<(String, Vec<u8>)>) {
    move |files| {
        files.retain(|(name, _)| name != path);
        files.push((path.to_owned(), data));
    }
}

fn without(path: &str) -> impl FnOnce(&mut Vec<(String, Vec<u8>)>) {
    move |files| files.retain(|(name, _)| name != path)
}

#[test]
fn files_that_are_not_as_listed() {
    let greeting = || "assets/greeting.json".to_owned();
    assert_eq!(changed(true, |_| ()), Ok(()));
    assert_eq!(changed(false, without(manifest::PATH)), Err(OpenError::NoManifest));
    assert_eq!(changed(false, without(sbom::PATH)), Err(OpenError::NoSbom));
    assert_eq!(
        changed(false, without(&greeting())),
        Err(OpenError::Sbom(SbomError::Missing(greeting())))
    );
    assert_eq!(
        changed(false, set("assets/new", vec![])),
        Err(OpenError::Sbom(SbomError::Extra("assets/new".into())))
    );
    assert_eq!(
        changed(false, set(&greeting(), b"[]".to_vec())),
        Err(OpenError::Sbom(SbomError::Hash(greeting())))
    );
    assert_eq!(
        changed(false, set(&greeting(), vec![])),
        Err(OpenError::Sbom(SbomError::Size {
            path: greeting(),
            listed: 2,
            found: 0
        }))
    );
    assert_eq!(
        changed(true, without(COMPONENT_PATH)),
        Err(OpenError::NoComponent(COMPONENT_PATH.into()))
    );
    for path in [
        "evil",
        "components/hello@0.1.0/other",
        "components/hello@0.2.0/component.wasm",
        "signatures/chain.pem",
        "Assets/x",
    ] {
        let refused = changed(true, set(path, vec![]));
        assert!(
            matches!(&refused, Err(OpenError::Misplaced(at)) if at == path) || path == "Assets/x" && refused.is_err(),
            "{path}: {refused:?}"
        );
    }
    let large = || vec![0; manifest::MAX_SIZE + 1];
    assert_eq!(
        changed(true, set(manifest::PATH, large())),
        Err(OpenError::Manifest(ManifestError::TooLarge(large().len())))
    );
    assert_eq!(
        changed(false, set(sbom::PATH, vec![0; sbom::MAX_SIZE + 1])),
        Err(OpenError::Sbom(SbomError::TooLarge(sbom::MAX_SIZE + 1)))
    );
    assert!(matches!(
        changed(true, set(manifest::PATH, vec![])),
        Err(OpenError::Manifest(ManifestError::Cbor(_)))
    ));
}

#[test]
fn a_newer_schema_says_so() {
    let bytes = sample::unsigned();
    let data = archive::read(&bytes)
        .unwrap()
        .iter()
        .find(|entry| entry.path == manifest::PATH)
        .unwrap()
        .data
        .to_vec();
    let at = data.windows(2).rposition(|two| two == b"v1").unwrap();
    let mut newer = data;
    newer[at + 1] = b'2';
    let error = changed(true, set(manifest::PATH, newer)).unwrap_err();
    assert_eq!(error, OpenError::Manifest(ManifestError::Newer(2)));
    assert!(error.to_string().contains("run a newer tollgate"));
}
