//! The demo that the binary carries: a manifest, a signed pack and its public key, written into a folder with a secret and a
//! certificate of the folder's own.

use data_encoding::HEXLOWER;
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The manifest, with fixed ports.
const MANIFEST: &str = include_str!("../demo/tollgate.yaml");
/// The worker `packs/samples/support`, signed with a key whose private half was thrown away.
const PACK: &[u8] = include_bytes!("../demo/support.gtpack");
/// That key's public half.
const PUBLIC_KEY: &[u8] = include_bytes!("../demo/demo.pub");

/// Addresses of [`MANIFEST`], each where a free port can stand.
const ADDRESSES: [&str; 3] = ["127.0.0.1:8443", "127.0.0.1:8080", "127.0.0.1:9901"];
/// The same with a free port.
const FREE_ADDRESS: &str = "127.0.0.1:0";
/// Names that the demo's certificate is for: the tenant's hosts.
const NAMES: [&str; 2] = ["localhost", "acme.localhost"];
/// Bytes of randomness in the signing secret; Slack's own secrets have as many.
const SECRET_BYTES: usize = 16;

/// Files of their owner alone.
const PRIVATE: u32 = 0o600;
/// The folder's mode, for it holds secrets.
const PRIVATE_FOLDER: u32 = 0o700;
/// Files for anyone.
const PUBLIC: u32 = 0o644;

/// Which ports to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Those that the README names.
    Fixed,
    /// Whatever is free.
    Free,
}

/// Where the demo's files are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The folder.
    pub folder: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
    /// Slack's signing secret, made for this folder.
    pub secret: PathBuf,
    /// The TLS certificate, made for this folder.
    pub certificate: PathBuf,
}

/// The demo's folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file.
    #[error("{} cannot be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate.
    #[error("no certificate could be made")]
    Certificate(#[source] rcgen::Error),
    /// The secret.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Writes the demo's files. What was made for this folder (secret, certificate, state) stays; what the binary carries is written anew.
///
/// # Errors
/// A file that cannot be written. What was written stays.
pub fn write(folder: &Path, ports: Ports) -> Result<Files, DemoError> {
    let made = DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder);
    made.map_err(|source| DemoError::File {
        path: folder.to_owned(),
        source,
    })?;
    let files = Files {
        folder: folder.to_owned(),
        manifest: folder.join("tollgate.yaml"),
        secret: folder.join("slack.secret"),
        certificate: folder.join("localhost.pem"),
    };
    put(&files.manifest, PUBLIC, manifest(ports).as_bytes())?;
    put(&folder.join("support.gtpack"), PUBLIC, PACK)?;
    put(&folder.join("demo.pub"), PUBLIC, PUBLIC_KEY)?;
    if !is_filled(&files.secret) {
        put(&files.secret, PRIVATE, secret()?.as_bytes())?;
    }
    let key = folder.join("localhost.key");
    if !is_filled(&key) || !is_filled(&files.certificate) {
        let pair = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).map_err(DemoError::Certificate)?;
        put(&key, PRIVATE, Zeroizing::new(pair.signing_key.serialize_pem()).as_bytes())?;
        put(&files.certificate, PUBLIC, pair.cert.pem().as_bytes())?;
    }
    Ok(files)
}

fn manifest(ports: Ports) -> String {
    match ports {
        Ports::Fixed => MANIFEST.to_owned(),
        Ports::Free => ADDRESSES
            .iter()
            .fold(MANIFEST.to_owned(), |text, address| text.replace(address, FREE_ADDRESS)),
    }
}

fn secret() -> Result<Zeroizing<String>, DemoError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(DemoError::Randomness)?;
    Ok(Zeroizing::new(HEXLOWER.encode(bytes.as_ref()) + "\n"))
}

fn is_filled(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0)
}

/// Writes a file beside its place and moves it there, so that a demo that is killed leaves no half of one.
fn put(path: &Path, mode: u32, content: &[u8]) -> Result<(), DemoError> {
    let failed = |source| DemoError::File {
        path: path.to_owned(),
        source,
    };
    let partial = path.with_extension("partial");
    let removed = fs::remove_file(&partial);
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tollgate_config::Environment;

    #[test]
    fn the_manifest_is_good_with_fixed_and_with_free_ports() {
        for (ports, want) in [(Ports::Fixed, vec![8443, 8080, 9901]), (Ports::Free, vec![0, 0, 0])] {
            let folder = tempfile::tempdir().unwrap();
            let files = write(folder.path(), ports).unwrap();
            let environment = Environment::read(&files.manifest).unwrap();
            crate::gateway::validate(&environment).unwrap();
            let mut found: Vec<u16> = environment.listeners.iter().map(|listener| listener.address.port()).collect();
            found.push(environment.admin.address.port());
            assert_eq!(found, want);
        }
    }

    #[test]
    fn what_was_made_for_the_folder_stays_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), Ports::Free).unwrap();
        let read = || (fs::read(&files.secret).unwrap(), fs::read(&files.certificate).unwrap());
        let before = read();
        write(folder.path(), Ports::Free).unwrap();
        assert_eq!(read(), before);
        for name in ["slack.secret", "localhost.key"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, PRIVATE, "{name}");
        }
        let other = tempfile::tempdir().unwrap();
        let elsewhere = write(other.path(), Ports::Free).unwrap();
        assert_ne!(fs::read(elsewhere.secret).unwrap(), before.0, "two folders have one secret");
    }

    #[test]
    fn the_pack_is_small_and_signed_by_its_key() {
        assert!(PACK.len() <= 100_000, "{} bytes", PACK.len());
        let key = tollgate_packs::TrustedKey::from_pem("demo.pub", std::str::from_utf8(PUBLIC_KEY).unwrap()).unwrap();
        let trust = tollgate_packs::Trust {
            keys: &[key],
            allow_unsigned: false,
        };
        let pack = tollgate_packs::open(&bytes::Bytes::from_static(PACK), trust).unwrap();
        assert_eq!(pack.pack_id, "dev.tollgate.support");
    }
}
