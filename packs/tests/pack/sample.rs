//! A small pack, its source folder and its key.

use bytes::Bytes;
use std::{fs, path::Path};
use tollgate_packs::{SigningKey, TrustedKey, build, sign};

/// The shortest thing that starts as a component does.
pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Where the component of [`write_source`] lies in its pack.
pub(crate) const COMPONENT_PATH: &str = "components/hello@0.1.0/component.wasm";

/// Writes a source folder with one component and two assets.
pub(crate) fn write_source(folder: &Path) {
    let text = "pack_id: hello\nversion: 1.2.3\nkind: application\npublisher: acme\nname: Hello there\n\
        components:\n  - { id: hello, version: 0.1.0, world: \"wasi:http/proxy@0.2.0\", wasm: hello.wasm }\n\
        assets:\n  - path: assets\n";
    fs::write(folder.join("pack.yaml"), text).unwrap();
    fs::write(folder.join("hello.wasm"), COMPONENT).unwrap();
    fs::create_dir_all(folder.join("assets/deep")).unwrap();
    fs::write(folder.join("assets/greeting.json"), "{}").unwrap();
    fs::write(folder.join("assets/deep/empty"), "").unwrap();
}

/// The sample, not signed.
pub(crate) fn unsigned() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    write_source(folder.path());
    build(folder.path()).unwrap()
}

/// The sample, signed by a new key.
pub(crate) fn signed() -> (Bytes, TrustedKey) {
    let key = SigningKey::generate().unwrap();
    (sign(&unsigned(), &key).unwrap().into(), key.public())
}
