//! From bytes to a verified [`Pack`]. Nothing is written; verification fails closed.

use crate::{
    archive::ArchiveError,
    contents::{ASSETS, Contents},
    engine::Engine,
    keys::{KeyId, TrustedKey},
    manifest::{Kind, ManifestError},
    sbom::{Sbom, SbomError},
    signature::{Sealed, SignatureError},
    warm_up::Request,
};
use bytes::Bytes;
use sha2::Digest as _;
use std::{collections::BTreeMap, fmt};

/// SHA-256 of the whole pack; prints as `sha256:…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose packs may be opened.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Keys whose signature opens.
    pub keys: &'a [TrustedKey],
    /// Open a pack that has no signature at all; a wrong or unknown signature is refused all the same.
    pub allow_unsigned: bool,
}

/// Who signed a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// This trusted key.
    Key(KeyId),
    /// Nobody; `allow_unsigned` let it pass.
    Nobody,
}

/// A pack that may run. Its files are slices of the bytes that were opened, not copies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pack {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Who signed it.
    pub signer: Signer,
    /// Its id.
    pub pack_id: String,
    /// Its semantic version.
    pub version: String,
    /// Its name for people.
    pub name: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// Who publishes it, as it says.
    pub publisher: String,
    /// The world of the component that answers HTTP.
    pub world: String,
    /// The component that answers HTTP.
    pub component: Bytes,
    /// The engine that runs it.
    pub engine: Engine,
    /// What it is asked before a snapshot of it is taken; `None`: what the host finds right.
    pub warm_up: Option<Vec<Request>>,
    /// Its assets, by their paths below `assets/`.
    pub assets: BTreeMap<String, Bytes>,
    /// Every file but the SBOM and the signature.
    pub sbom: Sbom,
}

/// Why a pack was not opened. Each message says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no key to trust a pack by.
    #[error("no key is trusted, so no pack is; list the publisher's public key under `trust.keys`")]
    NoTrust,
    /// Nobody signed it.
    #[error("the pack is not signed, so it is not trusted; sign it with `tollgate pack sign`")]
    Unsigned,
    /// The signature is not one that opens.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Not the one byte string of an archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no manifest.
    #[error("the pack has no manifest.cbor; build it with `tollgate pack build`")]
    NoManifest,
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is no SBOM.
    #[error("the pack has no sbom.cbor; build it with `tollgate pack build`")]
    NoSbom,
    /// The SBOM is refused, or the files are not those that it lists.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// A component of the manifest is not there.
    #[error("the pack's manifest names a component, but {0:?} is missing; build the pack again")]
    NoComponent(String),
    /// A file in a place that packs of this version do not have.
    #[error("{0:?} has no place in a pack: files lie under assets/ or belong to a component; build it with `tollgate pack build`")]
    Misplaced(String),
}

/// Verifies and opens a pack. Limits first, then the archive's form, then the signature, and only then what the files hold.
///
/// # Errors
/// See [`OpenError`]; nothing has been written or run.
pub fn open(bytes: &Bytes, trust: Trust<'_>) -> Result<Pack, OpenError> {
    if trust.keys.is_empty() && !trust.allow_unsigned {
        return Err(OpenError::NoTrust);
    }
    let contents = Contents::read(bytes)?;
    let sealed = contents.signature.map(Sealed::read).transpose()?;
    let sha256 = contents.digest();
    let signer = match &sealed {
        Some(sealed) => Signer::Key(sealed.verify(trust.keys, sha256)?),
        None if trust.allow_unsigned => Signer::Nobody,
        None => return Err(OpenError::Unsigned),
    };
    let described = contents.describe()?;
    let manifest = described.manifest;
    if let Some(sealed) = &sealed {
        sealed.check_subject(&manifest.pack_id, &manifest.version, sha256)?;
    }
    let http = manifest.http_component()?;
    let component = contents.get(&http.path()).ok_or_else(|| OpenError::NoComponent(http.path()))?;
    let assets = contents
        .unsigned
        .iter()
        .filter_map(|entry| Some((entry.path.strip_prefix(ASSETS)?.to_owned(), bytes.slice_ref(entry.data))));
    Ok(Pack {
        digest: Digest::of(bytes),
        signer,
        world: http.world.clone(),
        engine: http.engine,
        warm_up: http.warm_up.clone(),
        component: bytes.slice_ref(component),
        assets: assets.collect(),
        pack_id: manifest.pack_id,
        version: manifest.version,
        name: manifest.name,
        kind: manifest.kind,
        publisher: manifest.publisher,
        sbom: described.sbom,
    })
}
