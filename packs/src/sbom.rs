//! `sbom.cbor`: every file of a pack but itself and the signature, with size and hash.

use crate::{
    archive::Entry,
    canonical::{self, CborError},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the list lies.
pub const PATH: &str = "sbom.cbor";
/// Its format, a name of the platform's.
pub const FORMAT: &str = "greentic-sbom-v1";
/// Largest list, in bytes: the most files with the longest paths need about 1.7 MiB.
pub const MAX_SIZE: usize = 2 << 20;

/// The list. Fields stand in the order of their CBOR keys (RFC 8949 4.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sbom {
    /// The files, in byte order of their paths.
    pub files: Vec<File>,
    /// [`FORMAT`].
    pub format: String,
}

/// One file. Fields stand in the order of their CBOR keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the pack.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type, by its name.
    pub media_type: String,
    /// BLAKE3 of its content, lower-case hex.
    pub hash_blake3: String,
}

/// Why the list is refused, or does not fit its pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Larger than [`MAX_SIZE`].
    #[error("sbom.cbor has {0} bytes, more than the {MAX_SIZE} that it may have")]
    TooLarge(usize),
    /// Not canonical CBOR of this shape.
    #[error("sbom.cbor {0}")]
    Cbor(CborError),
    /// Another format.
    #[error("sbom.cbor has the format {0:?}; this build reads `{FORMAT}`: run a newer tollgate, or build the pack anew")]
    Format(String),
    /// Listed, but not there.
    #[error("{0:?} is listed in sbom.cbor but missing from the pack; build it again")]
    Missing(String),
    /// There, but not listed.
    #[error("{0:?} is in the pack but not listed in sbom.cbor; build it again")]
    Extra(String),
    /// There with another size.
    #[error("{path:?} has {found} bytes, but sbom.cbor lists {listed}; build the pack again")]
    Size {
        /// The file.
        path: String,
        /// Its size as listed.
        listed: u64,
        /// Its size.
        found: u64,
    },
    /// There with another content.
    #[error("{0:?} does not have the hash that sbom.cbor lists; build the pack again")]
    Hash(String),
    /// There under another type.
    #[error("{0:?} is listed with a media type that its name does not have; build the pack again")]
    MediaType(String),
    /// Out of order, or one twice.
    #[error("sbom.cbor lists {0:?} out of order or twice; build the pack again")]
    Order(String),
}

// Not by `#[from]`, which would make it the source too: the message above prints it already.
impl From<CborError> for SbomError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

impl Sbom {
    /// The list of these files.
    pub fn of(files: &[Entry<'_>]) -> Self {
        let mut files: Vec<File> = files.iter().map(File::of).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            files,
            format: FORMAT.to_owned(),
        }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// When it is no canonical CBOR of this format.
    pub fn read(bytes: &[u8]) -> Result<Self, SbomError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        if bytes.len() > MAX_SIZE {
            return Err(SbomError::TooLarge(bytes.len()));
        }
        let Format { format } = canonical::read_loosely(bytes)?;
        if format != FORMAT {
            return Err(SbomError::Format(format.chars().take(64).collect()));
        }
        Ok(canonical::read(bytes)?)
    }

    /// The list's bytes.
    pub fn write(&self) -> Vec<u8> {
        canonical::write(self)
    }

    /// Checks that the list is exactly that of these files, which are in order.
    ///
    /// # Errors
    /// Names the first file that differs, and how.
    pub fn check(&self, files: &[Entry<'_>]) -> Result<(), SbomError> {
        for (one, next) in self.files.iter().zip(self.files.iter().skip(1)) {
            if one.path >= next.path {
                return Err(SbomError::Order(next.path.clone()));
            }
        }
        let mut there: BTreeMap<&str, &Entry<'_>> = files.iter().map(|entry| (entry.path, entry)).collect();
        for listed in &self.files {
            let entry = there
                .remove(listed.path.as_str())
                .ok_or_else(|| SbomError::Missing(listed.path.clone()))?;
            listed.check(entry)?;
        }
        match there.keys().next() {
            Some(path) => Err(SbomError::Extra((*path).to_owned())),
            None => Ok(()),
        }
    }
}

impl File {
    fn of(entry: &Entry<'_>) -> Self {
        Self {
            path: entry.path.to_owned(),
            size: entry.data.len() as u64,
            media_type: media_type(entry.path).to_owned(),
            hash_blake3: blake3::hash(entry.data).to_hex().to_string(),
        }
    }

    fn check(&self, entry: &Entry<'_>) -> Result<(), SbomError> {
        let found = entry.data.len() as u64;
        if self.size != found {
            return Err(SbomError::Size {
                path: self.path.clone(),
                listed: self.size,
                found,
            });
        }
        if self.hash_blake3 != blake3::hash(entry.data).to_hex().as_str() {
            return Err(SbomError::Hash(self.path.clone()));
        }
        if self.media_type != media_type(&self.path) {
            return Err(SbomError::MediaType(self.path.clone()));
        }
        Ok(())
    }
}

/// The media type of a file by its name: the platform's list.
pub(crate) fn media_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "cbor" => "application/cbor",
        "json" if name.ends_with(".schema.json") => "application/schema+json",
        "json" => "application/json",
        "yaml" | "yml" | "ygtc" => "application/yaml",
        "wasm" => "application/wasm",
        "pem" => "application/x-pem-file",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
mod tests {
    use super::*;

    const FILES: [Entry<'_>; 2] = [
        Entry {
            path: "assets/a.json",
            data: b"{}",
        },
        Entry {
            path: "manifest.cbor",
            data: b"x",
        },
    ];

    #[test]
    fn its_keys_are_in_deterministic_order_and_it_reads_back() -> Result<(), Box<dyn std::error::Error>> {
        let bytes = Sbom::of(&FILES).write();
        canonical::assert_sorted(&ciborium::from_reader(bytes.as_slice())?);
        assert_eq!(Sbom::read(&bytes)?, Sbom::of(&FILES));
        Ok(Sbom::of(&FILES).check(&FILES)?)
    }

    #[test]
    fn every_difference_is_named() {
        let path = || "assets/a.json".to_owned();
        for (edit, error) in [
            ((|s| drop(s.files.remove(0))) as fn(&mut Sbom), SbomError::Extra(path())),
            (|s| s.files[0].path = "assets/b".into(), SbomError::Missing("assets/b".into())),
            (
                |s| s.files[0].size = 3,
                SbomError::Size {
                    path: path(),
                    listed: 3,
                    found: 2,
                },
            ),
            (
                |s| s.files[0].hash_blake3 = s.files[0].hash_blake3.to_uppercase(),
                SbomError::Hash(path()),
            ),
            (|s| s.files[0].media_type = "text/html".into(), SbomError::MediaType(path())),
            (|s| s.files.swap(0, 1), SbomError::Order(path())),
            (|s| s.files.insert(0, s.files[0].clone()), SbomError::Order(path())),
        ] {
            let mut sbom = Sbom::of(&FILES);
            edit(&mut sbom);
            assert_eq!(sbom.check(&FILES), Err(error));
        }
        let other = Sbom {
            files: Vec::new(),
            format: "greentic-sbom-v2".into(),
        };
        assert_eq!(Sbom::read(&other.write()), Err(SbomError::Format("greentic-sbom-v2".into())));
    }
}
