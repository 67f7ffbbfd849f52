//! Signs a pack.

use crate::{
    archive::{self, ArchiveError, Entry},
    contents::Contents,
    keys::SigningKey,
    open::OpenError,
    signature,
};

/// Why a pack was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The bytes are no pack.
    #[error("only a sound pack can be signed")]
    Pack(#[from] OpenError),
    /// With the signature the pack would pass a limit.
    #[error("the signed pack cannot be written")]
    Archive(#[from] ArchiveError),
}

/// Signs a pack, signed or not: a signature that is there is replaced. The same pack and key give the same bytes.
///
/// # Errors
/// When the bytes are no sound pack.
pub fn sign(pack: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignError> {
    let contents = Contents::read(pack)?;
    let manifest = contents.describe()?.manifest;
    let envelope = signature::seal(&manifest.pack_id, &manifest.version, contents.digest(), key);
    let mut entries = contents.unsigned;
    entries.push(Entry {
        path: signature::PATH,
        data: &envelope,
    });
    Ok(archive::write(&entries)?)
}
