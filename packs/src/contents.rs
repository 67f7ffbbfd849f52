//! An archive's files, sorted into the places that a pack has.

use crate::{
    archive::{self, Entry},
    manifest::{self, Manifest},
    open::OpenError,
    sbom::{self, Sbom},
    signature,
};
use sha2::Digest as _;

/// The folder of assets.
pub(crate) const ASSETS: &str = "assets/";

/// The files of a pack. What they hold has not been looked at yet.
pub(crate) struct Contents<'a> {
    /// Every file but the signature, in order.
    pub(crate) unsigned: Vec<Entry<'a>>,
    /// The signature, if the pack has one.
    pub(crate) signature: Option<&'a [u8]>,
}

/// What a pack says that it is, and its files, all of which are as listed.
pub(crate) struct Described {
    pub(crate) manifest: Manifest,
    pub(crate) sbom: Sbom,
}

impl<'a> Contents<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let mut unsigned = archive::read(bytes)?;
        let signed = unsigned.iter().position(|entry| entry.path == signature::PATH);
        let signature = signed.map(|at| unsigned.remove(at).data);
        Ok(Self { unsigned, signature })
    }

    /// SHA-256 of the archive without its signature: what is signed.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = sha2::Sha256::new();
        archive::emit(&self.unsigned, &mut hash);
        hash.finalize().into()
    }

    pub(crate) fn get(&self, path: &str) -> Option<&'a [u8]> {
        self.unsigned.iter().find(|entry| entry.path == path).map(|entry| entry.data)
    }

    /// Reads manifest and SBOM, and checks that each file is where it may be and as it is listed.
    pub(crate) fn describe(&self) -> Result<Described, OpenError> {
        let manifest = Manifest::read(self.get(manifest::PATH).ok_or(OpenError::NoManifest)?)?;
        let sbom = Sbom::read(self.get(sbom::PATH).ok_or(OpenError::NoSbom)?)?;
        let listed: Vec<Entry<'_>> = self.unsigned.iter().filter(|entry| entry.path != sbom::PATH).copied().collect();
        sbom.check(&listed)?;
        let components: Vec<String> = manifest.components.iter().map(manifest::Component::path).collect();
        if let Some(path) = components.iter().find(|path| self.get(path).is_none()) {
            return Err(OpenError::NoComponent(path.clone()));
        }
        let placed =
            |path: &str| path == manifest::PATH || path.starts_with(ASSETS) || components.iter().any(|component| component == path);
        match listed.iter().find(|entry| !placed(entry.path)) {
            Some(entry) => Err(OpenError::Misplaced(entry.path.to_owned())),
            None => Ok(Described { manifest, sbom }),
        }
    }
}
