//! Why bytes are no archive of ours.

use super::{MAX_ENTRIES, MAX_ENTRY_SIZE, MAX_PACK_SIZE, PathError};

/// Why an archive is refused. Paths are shown escaped: they come from whoever made the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// There is no end-of-directory record.
    #[error("this is not a pack: it does not end as a zip archive does; fetch it again, or build it with `tollgate pack build`")]
    NotAnArchive,
    /// It is larger than [`MAX_PACK_SIZE`].
    #[error("the pack has {0} bytes, more than the {MAX_PACK_SIZE} that a pack may have; ship large assets outside it")]
    PackTooLarge(u64),
    /// One file is larger than [`MAX_ENTRY_SIZE`].
    #[error("{path:?} has {size} bytes, more than the {MAX_ENTRY_SIZE} that one file may have")]
    EntryTooLarge {
        /// The file.
        path: String,
        /// Its size as it is declared.
        size: u64,
    },
    /// It holds more than [`MAX_ENTRIES`] files.
    #[error("the pack declares {0} files, more than the {MAX_ENTRIES} that a pack may have")]
    TooManyEntries(usize),
    /// It uses the 64-bit form, which no pack within the limits needs.
    #[error("the archive is zip64, which a pack never is: it has at most {MAX_ENTRIES} files; build it with `tollgate pack build`")]
    Zip64,
    /// Bytes stand before the first file.
    #[error("{0} bytes stand before the archive; a pack is nothing but its archive: fetch it again")]
    Leading(usize),
    /// Bytes, or a comment, follow the end record.
    #[error("{0} bytes follow the end of the archive; a pack is nothing but its archive: fetch it again")]
    Trailing(usize),
    /// Bytes that belong to no file.
    #[error("bytes that belong to no file start at offset {0}; build the pack with `tollgate pack build`")]
    Gap(usize),
    /// Two files share bytes, or one runs into the directory.
    #[error("{0:?} overlaps its neighbour; the archive was made to deceive: do not use it")]
    Overlap(String),
    /// A record is cut off or is no record.
    #[error("the archive is damaged at offset {0}: fetch it again")]
    Damaged(usize),
    /// A path that is refused.
    #[error("the path {path:?} {why}")]
    Path {
        /// The path, bytes that are not UTF-8 replaced.
        path: String,
        /// What is wrong with it.
        why: PathError,
    },
    /// The same path twice.
    #[error("{0:?} is in the archive twice; which one is meant cannot be told")]
    Duplicate(String),
    /// Two paths that differ by case only.
    #[error("{0:?} and {1:?} differ by case only and would be one file on some systems; rename one")]
    CaseDuplicate(String, String),
    /// A path that is also the folder of another.
    #[error("{0:?} is a file, and the folder of another file too; rename one")]
    FileAndFolder(String),
    /// Not in byte order.
    #[error("{0:?} is out of order; build the pack with `tollgate pack build`")]
    Order(String),
    /// A link, a device, a folder: anything but a regular file.
    #[error("{path:?} is no regular file (mode {mode:o}); a pack holds regular files alone")]
    NotAFile {
        /// Its path.
        path: String,
        /// Its Unix mode, with its type.
        mode: u32,
    },
    /// Compressed, so that a small pack could unfold to a large one.
    #[error("{0:?} is compressed; a pack stores its files as they are: build it with `tollgate pack build`")]
    Compressed(String),
    /// Encrypted, streamed or otherwise flagged.
    #[error("{path:?} has the flags {flags:#06x}; a pack's files have none: build it with `tollgate pack build`")]
    Flags {
        /// Its path.
        path: String,
        /// The general purpose flags.
        flags: u16,
    },
    /// Carries an extra field or a comment, where things hide.
    #[error("{0:?} carries an extra field or a comment; build the pack with `tollgate pack build`")]
    Extra(String),
    /// The sizes in its two headers, or within one, differ.
    #[error("the sizes declared for {0:?} differ; the archive is damaged or was made to deceive: do not use it")]
    Size(String),
    /// The two headers differ in another field.
    #[error("the two headers of {0:?} differ; the archive is damaged or was made to deceive: do not use it")]
    Headers(String),
    /// The content is not what the checksum says.
    #[error("the checksum of {0:?} does not match; the pack is damaged: fetch it again")]
    Checksum(String),
    /// Written otherwise than we write.
    #[error(
        "the archive is not in the one form that a pack has (a date, a mode or a version differs); build it with `tollgate pack build`"
    )]
    NotCanonical,
}

impl ArchiveError {
    pub(super) fn path(path: &str, why: PathError) -> Self {
        Self::Path {
            path: path.to_owned(),
            why,
        }
    }
}
