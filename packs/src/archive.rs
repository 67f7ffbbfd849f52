//! The byte format: a zip with exactly one way to write each set of files.
//!
//! Entries stand in byte order of their paths, stored, never compressed, mode 0644, dated 1980-01-01, without extra fields, comments, data descriptors, zip64
//! or gaps. [`read`] names what is wrong where it can, then writes what it read once more and compares: whatever it did not think of is refused too.

mod error;
mod path;
mod record;

pub use error::ArchiveError;
pub use path::{MAX_PATH_LEN, PathError, check as check_path};

use record::{Central, End, Local};
use std::collections::HashMap;

/// Largest pack, in bytes. Room for a component of the size that JavaScript and Python tool chains make (12 to 40 MiB) and its assets; what a gateway
/// holds in memory while it opens one.
pub const MAX_PACK_SIZE: usize = 128 << 20;

/// Largest file in a pack, in bytes. Above the largest component seen (40 MiB, Python) with room to grow, below what would let one file be the whole pack.
pub const MAX_ENTRY_SIZE: usize = 64 << 20;

/// Most files in a pack. Each costs a hash, a name in memory and a line of the SBOM; packs of the platform have tens.
pub const MAX_ENTRIES: usize = 4096;

/// One file of an archive, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path, checked by [`check_path`].
    pub path: &'a str,
    /// Its content.
    pub data: &'a [u8],
}

/// Reads an archive. Nothing is copied, and nothing is allocated before the counts are known to be small.
///
/// # Errors
/// When the bytes are not exactly what [`write`] makes of the files in them.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ArchiveError> {
    if bytes.len() > MAX_PACK_SIZE {
        return Err(ArchiveError::PackTooLarge(bytes.len() as u64));
    }
    let end = End::read(bytes)?;
    let mut entries = Vec::with_capacity(end.count);
    let mut names = Names::default();
    let (mut next_file, mut next_record) = (0, end.directory);
    for _ in 0..end.count {
        let central = Central::read(bytes, next_record)?;
        let path = path::read(central.name)?;
        names.add(path)?;
        central.check(path)?;
        let local = Local::read(bytes, &central, next_file, end.directory, path)?;
        if crc32fast::hash(local.data) != central.crc {
            return Err(ArchiveError::Checksum(path.to_owned()));
        }
        entries.push(Entry { path, data: local.data });
        next_file = local.end;
        next_record = central.end;
    }
    if next_file != end.directory {
        return Err(ArchiveError::Gap(next_file));
    }
    if next_record != end.start {
        return Err(ArchiveError::Gap(next_record));
    }
    names.check_folders()?;
    let mut rest = Compare { rest: bytes, same: true };
    emit(&entries, &mut rest);
    if rest.same && rest.rest.is_empty() {
        Ok(entries)
    } else {
        Err(ArchiveError::NotCanonical)
    }
}

/// Writes an archive of these files, whatever their order.
///
/// # Errors
/// When a path is refused or named twice, or a limit is passed.
pub fn write(entries: &[Entry<'_>]) -> Result<Vec<u8>, ArchiveError> {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.path);
    if sorted.len() > MAX_ENTRIES {
        return Err(ArchiveError::TooManyEntries(sorted.len()));
    }
    let mut names = Names::default();
    for entry in &sorted {
        path::check(entry.path).map_err(|why| ArchiveError::path(entry.path, why))?;
        names.add(entry.path)?;
        if entry.data.len() > MAX_ENTRY_SIZE {
            return Err(ArchiveError::EntryTooLarge {
                path: entry.path.to_owned(),
                size: entry.data.len() as u64,
            });
        }
    }
    names.check_folders()?;
    let size = size(&sorted);
    if size > MAX_PACK_SIZE as u64 {
        return Err(ArchiveError::PackTooLarge(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    emit(&sorted, &mut bytes);
    Ok(bytes)
}

/// How many bytes an archive of these files has.
fn size(entries: &[Entry<'_>]) -> u64 {
    let each = |entry: &Entry<'_>| (record::LOCAL_LEN + record::CENTRAL_LEN + 2 * entry.path.len() + entry.data.len()) as u64;
    entries.iter().map(each).sum::<u64>() + record::END_LEN as u64
}

/// Where written bytes go: into memory, into a hash, or beside other bytes.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for sha2::Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }
}

/// Compares what is written with what is there, without a copy.
struct Compare<'a> {
    rest: &'a [u8],
    same: bool,
}

impl Sink for Compare<'_> {
    fn put(&mut self, bytes: &[u8]) {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.same = false,
        }
    }
}

/// Writes files that are in order and within the limits, so that every offset fits 32 bits.
pub(crate) fn emit(entries: &[Entry<'_>], sink: &mut impl Sink) {
    let mut offset = 0;
    let mut directory = Vec::new();
    for entry in entries {
        let crc = crc32fast::hash(entry.data);
        sink.put(&record::local(entry, crc));
        sink.put(entry.path.as_bytes());
        sink.put(entry.data);
        directory.extend_from_slice(&record::central(entry, crc, offset));
        directory.extend_from_slice(entry.path.as_bytes());
        offset += (record::LOCAL_LEN + entry.path.len() + entry.data.len()) as u32;
    }
    sink.put(&directory);
    sink.put(&record::end(entries.len() as u16, directory.len() as u32, offset));
}

/// The names seen so far: none twice, none that only a case-sensitive file system tells apart, none both a file and a folder, all in order.
#[derive(Default)]
struct Names<'a> {
    last: Option<&'a str>,
    files: HashMap<String, &'a str>,
}

impl<'a> Names<'a> {
    fn add(&mut self, path: &'a str) -> Result<(), ArchiveError> {
        match self.files.insert(path.to_ascii_lowercase(), path) {
            Some(other) if other == path => return Err(ArchiveError::Duplicate(path.to_owned())),
            Some(other) => return Err(ArchiveError::CaseDuplicate(other.to_owned(), path.to_owned())),
            None => {}
        }
        if self.last.is_some_and(|last| last >= path) {
            return Err(ArchiveError::Order(path.to_owned()));
        }
        self.last = Some(path);
        Ok(())
    }

    /// Once all are there: looks up each folder among the files, rather than keep every folder of every path.
    fn check_folders(&self) -> Result<(), ArchiveError> {
        for folded in self.files.keys() {
            let folders = folded.match_indices('/').filter_map(|(at, _)| folded.get(..at));
            if let Some(path) = folders.filter_map(|folder| self.files.get(folder)).next() {
                return Err(ArchiveError::FileAndFolder((*path).to_owned()));
            }
        }
        Ok(())
    }
}
