//! Source folders: what becomes of their files, and what is refused.

use crate::sample::{self, COMPONENT};
use std::{fs, os::unix::fs::symlink, path::Path};
use tollgate_packs::{BuildError, archive, build, file};

#[test]
fn what_cannot_become_a_pack_is_told() {
    type Edit = fn(&Path);
    let cases: [(&str, Edit, &str); 10] = [
        (
            "no description",
            |f| fs::remove_file(f.join("pack.yaml")).unwrap(),
            "pack.yaml cannot be read",
        ),
        (
            "wrong description",
            |f| fs::write(f.join("pack.yaml"), "packid: x").unwrap(),
            "packid: unknown key",
        ),
        (
            "binary description",
            |f| fs::write(f.join("pack.yaml"), b"\xff").unwrap(),
            "pack.yaml cannot be read",
        ),
        (
            "not compiled",
            |f| fs::remove_file(f.join("hello.wasm")).unwrap(),
            "compile the worker first",
        ),
        (
            "core module",
            |f| fs::write(f.join("hello.wasm"), b"\0asm\x01\0\0\0").unwrap(),
            "but a core module; compile it for `wasm32-wasip2`",
        ),
        (
            "no wasm",
            |f| fs::write(f.join("hello.wasm"), "hello").unwrap(),
            "is no WebAssembly component; compile",
        ),
        (
            "link",
            |f| symlink("/etc/passwd", f.join("assets/link")).unwrap(),
            "link is no regular file",
        ),
        (
            "odd name",
            |f| fs::write(f.join("assets/gr\u{fc}n"), "").unwrap(),
            "holds the character",
        ),
        (
            "no assets",
            |f| fs::remove_dir_all(f.join("assets")).unwrap(),
            "assets cannot be read",
        ),
        (
            "by case",
            |f| fs::write(f.join("assets/Greeting.json"), "").unwrap(),
            "differ by case only",
        ),
    ];
    for (name, edit, told) in cases {
        let folder = tempfile::tempdir().unwrap();
        sample::write_source(folder.path());
        edit(folder.path());
        let error = build(folder.path()).unwrap_err();
        assert!(error.to_string().contains(told), "{name}: {error}");
    }
}

#[test]
fn assets_lie_below_assets_once() {
    let folder = tempfile::tempdir().unwrap();
    sample::write_source(folder.path());
    fs::write(folder.path().join("NOTICE"), "n").unwrap();
    let describe = |assets: &str| {
        let text = fs::read_to_string(folder.path().join("pack.yaml")).unwrap();
        let (head, _) = text.split_once("assets:").unwrap();
        fs::write(folder.path().join("pack.yaml"), format!("{head}assets: {assets}\n")).unwrap();
    };
    describe("[{ path: NOTICE }, { path: assets/deep }]");
    let pack = build(folder.path()).unwrap();
    let paths: Vec<&str> = archive::read(&pack).unwrap().iter().map(|entry| entry.path).collect();
    assert_eq!(
        paths,
        [
            "assets/NOTICE",
            "assets/deep/empty",
            sample::COMPONENT_PATH,
            "manifest.cbor",
            "sbom.cbor"
        ]
    );
    describe("[{ path: assets }, { path: assets/deep }]");
    assert!(matches!(build(folder.path()), Err(BuildError::Twice(path)) if path == "assets/deep/empty"));
}

#[test]
fn a_file_is_read_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gtpack");
    fs::write(&path, COMPONENT).unwrap();
    assert_eq!(file::read(&path).unwrap(), COMPONENT);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(archive::MAX_PACK_SIZE as u64 + 1)
        .unwrap();
    assert!(file::read(&path).unwrap_err().to_string().contains("the most that a pack may have"));
    assert!(file::read(folder.path()).unwrap_err().to_string().contains("cannot be read"));
}
