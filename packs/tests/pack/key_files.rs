//! Keys on disk: what is written, with which mode, and what is refused.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tollgate_packs::{SigningKey, TrustedKey};

/// RFC 8410 10.3 and 10.1: a private key without its public half, and that half.
const RFC_PRIVATE: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const RFC_PUBLIC: &str =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
/// SHA-256 of the 32 raw bytes, its first half; computed by another tool.
const RFC_ID: &str = "e744c0791320c3285460eddb523f14c8";
/// The neutral point: under it, one signature fits every message.
const WEAK: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_pair_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (prefix, key) = (folder.path().join("acme-1.2"), SigningKey::generate().unwrap());
    key.write(&prefix).unwrap();
    let (private, public) = (folder.path().join("acme-1.2.key"), folder.path().join("acme-1.2.pub"));
    assert_eq!((mode(&private), mode(&public) & 0o133), (0o600, 0));
    assert_eq!(SigningKey::read(&private).unwrap().public().id, key.public().id);
    assert_eq!(TrustedKey::read(&public).unwrap().id, key.public().id);
    assert_eq!(format!("{key:?}"), "[redacted]");
    assert_ne!(SigningKey::generate().unwrap().public().id, key.public().id);
}

#[test]
fn nothing_is_overwritten_and_no_half_is_left() {
    for taken in ["k.key", "k.pub"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(taken), "mine").unwrap();
        let error = SigningKey::generate().unwrap().write(&folder.path().join("k")).unwrap_err();
        assert!(
            error.path.ends_with(taken) && error.message.contains("never overwritten"),
            "{error}"
        );
        let there: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(there, [taken]);
        assert_eq!(fs::read_to_string(folder.path().join(taken)).unwrap(), "mine");
    }
}

#[test]
fn the_keys_of_rfc_8410_have_their_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rfc.key");
    fs::write(&path, RFC_PRIVATE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let key = SigningKey::read(&path).unwrap();
    assert_eq!(key.public().id.to_string(), RFC_ID);
    assert_eq!(key.public().to_pem(), RFC_PUBLIC);
    assert_eq!(TrustedKey::from_pem("x", RFC_PUBLIC).unwrap().id.to_string(), RFC_ID);
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.key");
    fs::write(&path, RFC_PRIVATE).unwrap();
    for (mode, opens) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
        (0o700, false),
        (0o644, false),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match SigningKey::read(&path) {
            Ok(_) => assert!(opens, "{mode:o}"),
            Err(error) => assert!(!opens && error.message.contains("chmod 600"), "{mode:o}: {error}"),
        }
    }
    assert!(SigningKey::read(folder.path()).is_err(), "a folder");
    assert!(
        SigningKey::read(&folder.path().join("none"))
            .unwrap_err()
            .to_string()
            .contains("cannot be opened")
    );
}

#[test]
fn what_is_no_public_key_is_not_trusted() {
    for (name, pem, told) in [
        ("private", RFC_PRIVATE, "private key"),
        ("weak", WEAK, "weak"),
        ("empty", "", "no Ed25519 public key"),
        ("cut", &RFC_PUBLIC[..60], "no Ed25519 public key"),
        (
            "another label",
            &RFC_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE"),
            "no Ed25519 public key",
        ),
        // X25519 (1.3.101.110): the same shape, another algorithm.
        (
            "another algorithm",
            &RFC_PUBLIC.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu"),
            "no Ed25519 public key",
        ),
    ] {
        let error = TrustedKey::from_pem("trust/a.pub", pem).unwrap_err();
        assert!(error.path == "trust/a.pub" && error.message.contains(told), "{name}: {error}");
        assert!(!error.to_string().contains("MC4CAQAw"), "{name}: shows the key");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.pub");
    fs::write(&path, "x".repeat(1 << 20)).unwrap();
    assert!(TrustedKey::read(&path).unwrap_err().message.contains("no key is that long"));
}
