//! What a pack says of itself, whoever made it. Trusts nothing and proves nothing: only [`open`](crate::open()) does.

use crate::{
    contents::Contents,
    engine::Engine,
    manifest::Manifest,
    open::{Digest, OpenError},
    sbom::File,
    signature::Sealed,
    warm_up::Request,
};
use bytes::Bytes;
use serde::Serialize;

/// What is in a pack. `verified` is always false, so that no reader of the JSON takes it for more than a claim.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// SHA-256 of the pack, as `sha256:…`.
    pub digest: String,
    /// Bytes of the pack.
    pub size: u64,
    /// What it says that it is.
    pub manifest: Manifest,
    /// Its files.
    pub files: Vec<File>,
    /// Who claims to have signed it; `None` when nobody does.
    pub signature: Option<Claim>,
    /// Always false: nothing was verified.
    pub verified: bool,
}

/// A signature that was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The id of the key that it names, 32 hex digits.
    pub key_id: String,
    /// Whether what was signed speaks of these bytes.
    pub covers_this_pack: bool,
}

/// Reads a pack's structure without trusting it.
///
/// # Errors
/// When the bytes are no sound pack, or its signature cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, OpenError> {
    let contents = Contents::read(bytes)?;
    let described = contents.describe()?;
    let signature = contents
        .signature
        .map(Sealed::read)
        .transpose()?
        .map(|sealed| claim(&sealed, &described.manifest, contents.digest()));
    Ok(Inspection {
        digest: Digest::of(bytes).to_string(),
        size: bytes.len() as u64,
        manifest: described.manifest,
        files: described.sbom.files,
        signature,
        verified: false,
    })
}

/// The component that would answer HTTP, whoever made it: to be looked at, never to be served.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The component.
    pub component: Bytes,
    /// The engine that would run it.
    pub engine: Engine,
    /// What it would be asked before a snapshot of it is taken.
    pub warm_up: Option<Vec<Request>>,
}

/// Finds the component that would answer HTTP.
///
/// # Errors
/// As [`inspect`], or when the component is not there.
pub fn worker(bytes: &Bytes) -> Result<Worker, OpenError> {
    let contents = Contents::read(bytes)?;
    let described = contents.describe()?;
    let http = described.manifest.http_component()?;
    let component = contents.get(&http.path()).ok_or_else(|| OpenError::NoComponent(http.path()))?;
    Ok(Worker {
        component: bytes.slice_ref(component),
        engine: http.engine,
        warm_up: http.warm_up.clone(),
    })
}

fn claim(sealed: &Sealed, manifest: &Manifest, sha256: [u8; 32]) -> Claim {
    let covers_this_pack = sealed.check_subject(&manifest.pack_id, &manifest.version, sha256).is_ok();
    Claim {
        key_id: sealed.key_id.to_string(),
        covers_this_pack,
    }
}
