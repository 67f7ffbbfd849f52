//! Zip archives written by hand, with whatever is wrong with them. Knows nothing of the crate's own writer.

/// One file of an archive and all that its two headers say.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) date: u16,
    pub(crate) version: u16,
    pub(crate) crc: u32,
    pub(crate) packed: u32,
    pub(crate) size: u32,
    pub(crate) extra: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    /// Bytes before the file's header.
    pub(crate) before: Vec<u8>,
    /// What the directory says of its place; `None` is the truth.
    pub(crate) offset: Option<u32>,
    /// What the local header says, where it differs.
    pub(crate) local: Option<Box<File>>,
}

impl File {
    pub(crate) fn new(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        let (name, data) = (name.as_ref().to_vec(), data.as_ref().to_vec());
        Self {
            crc: crc32(&data),
            packed: data.len() as u32,
            size: data.len() as u32,
            name,
            data,
            mode: 0o100_644,
            method: 0,
            flags: 0,
            date: 0x21,
            version: 10,
            extra: Vec::new(),
            comment: Vec::new(),
            before: Vec::new(),
            offset: None,
            local: None,
        }
    }

    pub(crate) fn with(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }

    /// The same, but its local header says something else than the directory.
    pub(crate) fn local(self, edit: impl FnOnce(&mut Self)) -> Self {
        let local = self.clone().with(edit);
        self.with(|file| file.local = Some(Box::new(local)))
    }
}

/// What the end record says, and what stands around it.
#[derive(Default)]
pub(crate) struct Shape {
    /// Bytes between the last file and the directory.
    pub(crate) before_directory: Vec<u8>,
    /// Bytes between the directory and the end record.
    pub(crate) before_end: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) count: Option<u16>,
    pub(crate) disk: u16,
}

pub(crate) fn zip(files: &[File]) -> Vec<u8> {
    shaped(files, &Shape::default())
}

pub(crate) fn shaped(files: &[File], shape: &Shape) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        bytes.extend_from_slice(&file.before);
        let offset = file.offset.unwrap_or(bytes.len() as u32);
        let local = file.local.as_deref().unwrap_or(file);
        bytes.extend_from_slice(b"PK\x03\x04");
        numbers(
            &mut bytes,
            &[local.version, local.flags, local.method, 0, local.date],
            &[local.crc, local.packed, local.size],
        );
        numbers(&mut bytes, &[local.name.len() as u16, local.extra.len() as u16], &[]);
        bytes.extend_from_slice(&[&local.name[..], &local.extra[..], &file.data[..]].concat());
        directory.extend_from_slice(b"PK\x01\x02");
        numbers(
            &mut directory,
            &[(3 << 8) | file.version, file.version, file.flags, file.method, 0, file.date],
            &[file.crc, file.packed, file.size],
        );
        numbers(
            &mut directory,
            &[file.name.len() as u16, file.extra.len() as u16, file.comment.len() as u16, 0, 0],
            &[file.mode << 16, offset],
        );
        directory.extend_from_slice(&[&file.name[..], &file.extra[..], &file.comment[..]].concat());
    }
    bytes.extend_from_slice(&shape.before_directory);
    let start = bytes.len() as u32;
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(&shape.before_end);
    let count = shape.count.unwrap_or(files.len() as u16);
    bytes.extend_from_slice(b"PK\x05\x06");
    numbers(&mut bytes, &[shape.disk, 0, count, count], &[directory.len() as u32, start]);
    numbers(&mut bytes, &[shape.comment.len() as u16], &[]);
    bytes.extend_from_slice(&shape.comment);
    bytes
}

fn numbers(bytes: &mut Vec<u8>, short: &[u16], long: &[u32]) {
    short.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    long.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

/// CRC-32 of ISO 3309, bit by bit: slow and plain.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
