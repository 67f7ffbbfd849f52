//! Files that only we write: the cache's folders, its key, whole entries.

use super::MAC;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The key's file, in the cache's folder.
pub(super) const KEY: &str = "code.key";
/// Ends the name of a file that is being written.
pub(super) const PARTIAL: &str = ".new";
/// Who may read the cache: its owner.
pub(super) const FOLDER_MODE: u32 = 0o700;
/// Mode of an entry: nobody changes one.
const ENTRY_MODE: u32 = 0o400;
/// Mode of the key.
pub(super) const KEY_MODE: u32 = 0o600;

/// A folder that only its owner, who is us, may enter.
pub(super) fn own(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let metadata = fs::metadata(folder)?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !ours || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "{} belongs to another user, or others may write to it; `chmod 700` it",
            folder.display()
        )));
    }
    Ok(())
}

/// The key, made when there is none. Two gateways that start at once end up with the same.
pub(super) fn key(folder: &Path) -> io::Result<[u8; MAC]> {
    let path = folder.join(KEY);
    if !path.exists() {
        let mut fresh = [0; MAC];
        getrandom::fill(&mut fresh).map_err(io::Error::other)?;
        let partial = folder.join(format!("{KEY}.{}{PARTIAL}", std::process::id()));
        let _ = fs::remove_file(&partial);
        // Never open to others, not for a moment: a folder that was there may let them in.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(KEY_MODE).open(&partial)?;
        file.write_all(&fresh)?;
        file.sync_all()?;
        // Unlike a rename, it does not replace another one's key.
        let linked = fs::hard_link(&partial, &path);
        fs::remove_file(&partial)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let bytes = read(&path, MAC as u64)?;
    if fs::metadata(&path)?.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("others may read {}; `chmod 600` it", path.display())));
    }
    bytes
        .try_into()
        .map_err(|_| io::Error::other(format!("{} is no key; remove it, and all is compiled again", path.display())))
}

/// A regular file of ours, whole; a link is none.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?;
    let file = File::from(file);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() || metadata.len() > most {
        return Err(io::Error::other("it is no regular file of ours, or too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file whole or not at all: what is not whole has another name, and goes.
pub(super) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).map_err(io::Error::other)?;
    // Not by the process's id: two gateways in containers may have the same.
    let partial = path.with_extension(format!("{:016x}{PARTIAL}", u64::from_ne_bytes(chance)));
    let mut file = File::create_new(&partial)?;
    let mut fill = || {
        file.set_permissions(Permissions::from_mode(ENTRY_MODE))?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    let filled = fill();
    if filled.is_err() {
        let _ = fs::remove_file(&partial);
    }
    filled
}
