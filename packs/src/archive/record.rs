//! The three records of a zip archive (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16), as we write and read them. All numbers are little-endian.

use super::{ArchiveError, Entry, MAX_ENTRIES, MAX_ENTRY_SIZE};

/// Length of a local header without its name.
pub(super) const LOCAL_LEN: usize = 30;
/// Length of a directory record without its name.
pub(super) const CENTRAL_LEN: usize = 46;
/// Length of the end record.
pub(super) const END_LEN: usize = 22;

const LOCAL_MAGIC: u32 = 0x0403_4b50;
const CENTRAL_MAGIC: u32 = 0x0201_4b50;
const END_MAGIC: u32 = 0x0605_4b50;

/// Version needed to extract: 1.0, the least that stores files.
const VERSION: u16 = 10;
/// Made by: Unix (3), so that the external attributes hold a mode.
const MADE_BY: u16 = (3 << 8) | VERSION;
/// 1980-01-01, the first day that a zip can name: day 1, month 1, year 0. The time is 0.
const DATE: u16 = (1 << 5) | 1;
/// The mode of every file: regular, 0644.
const MODE: u32 = 0o100_644;
/// The file type bits of a Unix mode, and the type of a regular file.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// Longest comment of an archive: how far from its end the end record can be.
const MAX_COMMENT: usize = u16::MAX as usize;

/// Fields one after another, in a record of a fixed length.
struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put<const M: usize>(mut self, field: [u8; M]) -> Self {
        if let Some(place) = self.bytes.get_mut(self.at..self.at + M) {
            place.copy_from_slice(&field);
        }
        self.at += M;
        self
    }

    fn u16(self, value: u16) -> Self {
        self.put(value.to_le_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.put(value.to_le_bytes())
    }
}

/// The header before a file. Lengths fit: [`MAX_ENTRY_SIZE`] and the longest path were checked.
pub(super) fn local(entry: &Entry<'_>, crc: u32) -> [u8; LOCAL_LEN] {
    let size = entry.data.len() as u32;
    let start = Writer::new().u32(LOCAL_MAGIC).u16(VERSION).u16(0).u16(0).u16(0).u16(DATE);
    start.u32(crc).u32(size).u32(size).u16(entry.path.len() as u16).u16(0).bytes
}

/// The directory's record of a file whose header stands at `offset`.
pub(super) fn central(entry: &Entry<'_>, crc: u32, offset: u32) -> [u8; CENTRAL_LEN] {
    let size = entry.data.len() as u32;
    let start = Writer::new()
        .u32(CENTRAL_MAGIC)
        .u16(MADE_BY)
        .u16(VERSION)
        .u16(0)
        .u16(0)
        .u16(0)
        .u16(DATE);
    let sized = start.u32(crc).u32(size).u32(size).u16(entry.path.len() as u16);
    sized.u16(0).u16(0).u16(0).u16(0).u32(MODE << 16).u32(offset).bytes
}

/// The last record.
pub(super) fn end(count: u16, directory_size: u32, directory: u32) -> [u8; END_LEN] {
    Writer::new()
        .u32(END_MAGIC)
        .u16(0)
        .u16(0)
        .u16(count)
        .u16(count)
        .u32(directory_size)
        .u32(directory)
        .u16(0)
        .bytes
}

/// A record in an archive, to read fields from by their offsets.
struct Fields<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Fields<'a> {
    fn at(bytes: &'a [u8], start: usize, len: usize, magic: u32) -> Result<Self, ArchiveError> {
        let record = start
            .checked_add(len)
            .and_then(|end| bytes.get(start..end))
            .ok_or(ArchiveError::Damaged(start))?;
        let fields = Self { bytes: record, start };
        if fields.u32(0)? == magic {
            Ok(fields)
        } else {
            Err(ArchiveError::Damaged(start))
        }
    }

    fn take<const N: usize>(&self, at: usize) -> Result<[u8; N], ArchiveError> {
        self.bytes
            .get(at..at + N)
            .and_then(|field| field.try_into().ok())
            .ok_or(ArchiveError::Damaged(self.start))
    }

    fn u16(&self, at: usize) -> Result<u16, ArchiveError> {
        self.take(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, ArchiveError> {
        self.take(at).map(u32::from_le_bytes)
    }
}

/// Where the directory is.
pub(super) struct End {
    /// How many files there are.
    pub(super) count: usize,
    /// Where the directory starts, which is where the last file ends.
    pub(super) directory: usize,
    /// Where this record starts, which is where the directory ends.
    pub(super) start: usize,
}

impl End {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let start = bytes.len().checked_sub(END_LEN).ok_or(ArchiveError::NotAnArchive)?;
        let Ok(fields) = Fields::at(bytes, start, END_LEN, END_MAGIC) else {
            return Err(Self::misplaced(bytes));
        };
        let (disk, first_disk, here, count) = (fields.u16(4)?, fields.u16(6)?, fields.u16(8)?, fields.u16(10)?);
        let (size, directory, comment) = (fields.u32(12)?, fields.u32(16)?, fields.u16(20)?);
        if count == u16::MAX || size == u32::MAX || directory == u32::MAX {
            return Err(ArchiveError::Zip64);
        }
        if disk != 0 || first_disk != 0 || here != count || comment != 0 {
            return Err(ArchiveError::Damaged(start));
        }
        let (count, size, directory) = (usize::from(count), size as usize, directory as usize);
        if count > MAX_ENTRIES {
            return Err(ArchiveError::TooManyEntries(count));
        }
        // Tools that read zips from their end accept bytes before the first file, and so does a shell script with an archive at its tail.
        let actual = start.checked_sub(size).ok_or(ArchiveError::Damaged(start))?;
        if directory < actual && (count == 0 || Fields::at(bytes, actual, CENTRAL_LEN, CENTRAL_MAGIC).is_ok()) {
            return Err(ArchiveError::Leading(actual - directory));
        }
        if directory != actual {
            return Err(ArchiveError::Gap(directory.min(actual)));
        }
        Ok(Self { count, directory, start })
    }

    /// Tells an archive with something after it from what is no archive.
    fn misplaced(bytes: &[u8]) -> ArchiveError {
        let from = bytes.len().saturating_sub(MAX_COMMENT + END_LEN);
        let tail = bytes.get(from..).unwrap_or_default();
        let magic = END_MAGIC.to_le_bytes();
        match tail.windows(magic.len()).rposition(|window| window == magic) {
            Some(at) if tail.len() - at > END_LEN => ArchiveError::Trailing(tail.len() - at - END_LEN),
            _ => ArchiveError::NotAnArchive,
        }
    }
}

/// A file as the directory has it.
pub(super) struct Central<'a> {
    pub(super) name: &'a [u8],
    pub(super) crc: u32,
    pub(super) end: usize,
    flags: u16,
    method: u16,
    packed: u32,
    size: u32,
    hidden: bool,
    mode: u32,
    offset: usize,
}

impl<'a> Central<'a> {
    pub(super) fn read(bytes: &'a [u8], start: usize) -> Result<Self, ArchiveError> {
        let fields = Fields::at(bytes, start, CENTRAL_LEN, CENTRAL_MAGIC)?;
        let name_start = start + CENTRAL_LEN;
        let name_end = name_start + usize::from(fields.u16(28)?);
        let hidden = usize::from(fields.u16(30)?) + usize::from(fields.u16(32)?);
        Ok(Self {
            name: bytes.get(name_start..name_end).ok_or(ArchiveError::Damaged(start))?,
            crc: fields.u32(16)?,
            end: name_end + hidden,
            flags: fields.u16(8)?,
            method: fields.u16(10)?,
            packed: fields.u32(20)?,
            size: fields.u32(24)?,
            hidden: hidden != 0,
            mode: fields.u32(38)? >> 16,
            offset: fields.u32(42)? as usize,
        })
    }

    /// What can be refused by the directory alone.
    pub(super) fn check(&self, path: &str) -> Result<(), ArchiveError> {
        let path = || path.to_owned();
        // No type at all is what some tools write for a file; the comparison at the end refuses it as not canonical.
        if !matches!(self.mode & TYPE, 0 | REGULAR) {
            return Err(ArchiveError::NotAFile {
                path: path(),
                mode: self.mode,
            });
        }
        if self.method != 0 {
            return Err(ArchiveError::Compressed(path()));
        }
        if self.flags != 0 {
            return Err(ArchiveError::Flags {
                path: path(),
                flags: self.flags,
            });
        }
        if self.hidden {
            return Err(ArchiveError::Extra(path()));
        }
        if self.size != self.packed {
            return Err(ArchiveError::Size(path()));
        }
        if self.size as usize > MAX_ENTRY_SIZE {
            return Err(ArchiveError::EntryTooLarge {
                path: path(),
                size: self.size.into(),
            });
        }
        Ok(())
    }
}

/// A file where it stands.
pub(super) struct Local<'a> {
    pub(super) data: &'a [u8],
    pub(super) end: usize,
}

impl<'a> Local<'a> {
    /// The file that the directory's `central` speaks of. It must start at `expected`, where the one before it ends, and end before the directory.
    pub(super) fn read(
        bytes: &'a [u8],
        central: &Central<'_>,
        expected: usize,
        directory: usize,
        path: &str,
    ) -> Result<Self, ArchiveError> {
        if central.offset < expected {
            return Err(ArchiveError::Overlap(path.to_owned()));
        }
        if central.offset > expected {
            return Err(ArchiveError::Gap(expected));
        }
        let fields = Fields::at(bytes, expected, LOCAL_LEN, LOCAL_MAGIC)?;
        if (fields.u32(18)?, fields.u32(22)?) != (central.packed, central.size) {
            return Err(ArchiveError::Size(path.to_owned()));
        }
        if fields.u16(28)? != 0 {
            return Err(ArchiveError::Extra(path.to_owned()));
        }
        let name_start = expected + LOCAL_LEN;
        let name_end = name_start + usize::from(fields.u16(26)?);
        let same = (fields.u16(6)?, fields.u16(8)?, fields.u32(14)?) == (central.flags, central.method, central.crc);
        if !same || bytes.get(name_start..name_end) != Some(central.name) {
            return Err(ArchiveError::Headers(path.to_owned()));
        }
        let end = name_end + central.size as usize;
        if end > directory {
            return Err(ArchiveError::Overlap(path.to_owned()));
        }
        let data = bytes.get(name_end..end).ok_or(ArchiveError::Damaged(expected))?;
        Ok(Self { data, end })
    }
}
