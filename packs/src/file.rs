//! A pack on disk, read within its limit.

use crate::archive::MAX_PACK_SIZE;
use bytes::Bytes;
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Larger than a pack can be; the rest was not read.
    #[error("{} has more than {MAX_PACK_SIZE} bytes, the most that a pack may have", .0.display())]
    TooLarge(PathBuf),
}

/// Reads a file that should be a pack, and never more of it than a pack may have.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn read(path: &Path) -> Result<Bytes, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(MAX_PACK_SIZE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > MAX_PACK_SIZE {
        Err(FileError::TooLarge(path.to_owned()))
    } else {
        Ok(bytes.into())
    }
}
