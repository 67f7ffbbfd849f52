//! Builds an unsigned pack from a source folder.

use crate::{
    archive::{self, ArchiveError, Entry, MAX_ENTRIES, MAX_ENTRY_SIZE, MAX_PACK_SIZE},
    contents::ASSETS,
    manifest,
    sbom::{self, Sbom},
    source::{self, Problems, Source},
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// How a component starts: the WebAssembly magic, then version 13 of layer 1. A core module has version 1 of layer 0.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// How any WebAssembly file starts.
const MAGIC: [u8; 4] = *b"\0asm";

/// Why a pack was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The description is wrong.
    #[error(transparent)]
    Source(#[from] Problems),
    /// A component has not been compiled.
    #[error("{} is missing; compile the worker first: `cargo build --release --target wasm32-wasip2`", .0.display())]
    NotCompiled(PathBuf),
    /// A component's file is no component.
    #[error("{} is no WebAssembly component{}; compile it for `wasm32-wasip2`", path.display(), if *module { " but a core module" } else { "" })]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// Whether it is a core module.
        module: bool,
    },
    /// A link, a device, or a file name that is not UTF-8.
    #[error("{} is no regular file or folder with a plain name; a pack holds regular files alone", .0.display())]
    NotAFile(PathBuf),
    /// More than a pack may hold.
    #[error("{} has more than {MAX_ENTRY_SIZE} bytes, the most that one file of a pack may have", .0.display())]
    TooLarge(PathBuf),
    /// Together more than a pack may hold.
    #[error(
        "the files of the pack have more than {MAX_PACK_SIZE} bytes together, or are more than {MAX_ENTRIES}; ship large assets outside it"
    )]
    TooMuch,
    /// Two assets with one name.
    #[error("two assets would lie at {0:?}; name one of them otherwise")]
    Twice(String),
    /// The archive refuses a path or a size.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Builds an unsigned pack from the folder that holds `pack.yaml`. The same files give the same bytes, whenever and wherever.
///
/// # Errors
/// See [`BuildError`].
pub fn build(source: &Path) -> Result<Vec<u8>, BuildError> {
    let path = source.join(source::FILE);
    let text = String::from_utf8(read(&path, source::MAX_SIZE as usize)?);
    let text = text.map_err(|_| BuildError::Read {
        path,
        source: io::Error::new(io::ErrorKind::InvalidData, "not utf-8"),
    })?;
    let described = source::read(&text)?;
    let files = gather(source, &described)?;
    let mut entries: Vec<Entry<'_>> = files.0.iter().map(|(path, data)| Entry { path, data }).collect();
    let manifest = described.manifest.write();
    entries.push(Entry {
        path: manifest::PATH,
        data: &manifest,
    });
    let sbom = Sbom::of(&entries).write();
    entries.push(Entry {
        path: sbom::PATH,
        data: &sbom,
    });
    Ok(archive::write(&entries)?)
}

fn gather(folder: &Path, described: &Source) -> Result<Files, BuildError> {
    let mut files = Files::default();
    for (component, wasm) in described.manifest.components.iter().zip(&described.wasm) {
        files.add(component.path(), component_bytes(&folder.join(wasm))?)?;
    }
    for asset in &described.assets {
        // `assets/x` keeps its place; anything else is put below assets/.
        let below = if *asset == ASSETS.trim_end_matches('/') {
            ""
        } else {
            asset.strip_prefix(ASSETS).unwrap_or(asset)
        };
        files.add_asset(&folder.join(asset), below)?;
    }
    Ok(files)
}

fn component_bytes(path: &Path) -> Result<Vec<u8>, BuildError> {
    let bytes = match read(path, MAX_ENTRY_SIZE) {
        Err(BuildError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(BuildError::NotCompiled(path.to_owned()));
        }
        other => other?,
    };
    if bytes.starts_with(&COMPONENT) {
        Ok(bytes)
    } else {
        Err(BuildError::NotAComponent {
            path: path.to_owned(),
            module: bytes.starts_with(&MAGIC),
        })
    }
}

/// The files of a pack by their paths, within the limits.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>, usize);

impl Files {
    fn add(&mut self, path: String, data: Vec<u8>) -> Result<(), BuildError> {
        self.1 = self.1.saturating_add(data.len());
        // Manifest, SBOM and signature come on top of these.
        if self.1 > MAX_PACK_SIZE || self.0.len() + 3 >= MAX_ENTRIES {
            return Err(BuildError::TooMuch);
        }
        match self.0.insert(path.clone(), data) {
            Some(_) => Err(BuildError::Twice(path)),
            None => Ok(()),
        }
    }

    /// A file, or a folder with all that is in it, at `below` under `assets/`. Links are not followed: what a pack holds is what lies there.
    fn add_asset(&mut self, path: &Path, below: &str) -> Result<(), BuildError> {
        let failed = |source| BuildError::Read {
            path: path.to_owned(),
            source,
        };
        let about = fs::symlink_metadata(path).map_err(failed)?;
        if about.is_file() {
            let target = format!("{ASSETS}{below}");
            archive::check_path(&target).map_err(|why| ArchiveError::Path { path: target.clone(), why })?;
            return self.add(target, read(path, MAX_ENTRY_SIZE)?);
        }
        if !about.is_dir() {
            return Err(BuildError::NotAFile(path.to_owned()));
        }
        for child in fs::read_dir(path).map_err(failed)? {
            let child = child.map_err(failed)?;
            let name = child.file_name().into_string().map_err(|_| BuildError::NotAFile(child.path()))?;
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            // Bounds the depth too: each level makes the path longer.
            archive::check_path(&below).map_err(|why| ArchiveError::Path { path: below.clone(), why })?;
            self.add_asset(&child.path(), &below)?;
        }
        Ok(())
    }
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, BuildError> {
    let failed = |source| BuildError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > limit {
        Err(BuildError::TooLarge(path.to_owned()))
    } else {
        Ok(bytes)
    }
}
