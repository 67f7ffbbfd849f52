//! Which build this is: entries of another one are not looked at.

use object::{Object, ReadCache};
use std::{
    fs::File,
    io::{self, Read},
};

/// Ids shorter than this were made by hand or by a weak hash; a linker's are 16 or 20 bytes.
const SHORTEST: usize = 16;

/// The linker's id of the running program, which is a hash over what was linked. Without one, the hash of the whole file, which may be hundreds
/// of megabytes. It says which entries are ours to read, not which may be believed: that is the MAC's.
pub(super) fn build_id() -> io::Result<Vec<u8>> {
    let file = File::open("/proc/self/exe")?;
    match linked(&file) {
        Some(id) => Ok(id),
        None => hash(file).map(|hash| hash.as_bytes().to_vec()),
    }
}

/// Reads the headers and the notes of the file, and no more.
fn linked(file: &File) -> Option<Vec<u8>> {
    let cache = ReadCache::new(file);
    let id = object::File::parse(&cache).ok()?.build_id().ok()??;
    (id.len() >= SHORTEST).then(|| id.to_vec())
}

fn hash(mut file: File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(chunk.get(..read).unwrap_or_default()),
        };
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_without_an_id_has_its_hash() {
        assert!(!build_id().unwrap().is_empty());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"no program").unwrap();
        assert_eq!(linked(&file), None);
        let reopened = || File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).unwrap();
        assert_eq!(hash(reopened()).unwrap(), blake3::hash(b"no program"));
    }

    #[test]
    fn the_running_program_has_the_id_that_its_linker_gave_it() {
        let program = File::open("/proc/self/exe").unwrap();
        let id = linked(&program).unwrap();
        assert!(id.len() >= SHORTEST);
        assert_eq!(build_id().unwrap(), id);
    }
}
