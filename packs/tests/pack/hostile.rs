//! Archives that were made to do harm: each is refused for its own reason.

use crate::zip::{File, Shape, shaped, zip};
use tollgate_packs::archive::{self, ArchiveError, Entry, MAX_ENTRIES, MAX_ENTRY_SIZE, MAX_PACK_SIZE, PathError};

/// Refused, and for this reason.
type Case = (&'static str, Vec<u8>, fn(&ArchiveError) -> bool);

macro_rules! is {
    ($pattern:pat) => {
        |error| matches!(error, $pattern)
    };
}

fn a() -> File {
    File::new("a", "one")
}

fn b() -> File {
    File::new("b", "two")
}

fn refuse(cases: Vec<Case>) {
    for (name, bytes, expected) in cases {
        let read = archive::read(&bytes);
        assert!(read.is_err(), "{name} is accepted");
        let error = read.unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
        let text = error.to_string();
        assert!(text.len() > 20 && !text.chars().any(char::is_control), "{name}: {text:?}");
    }
}

#[test]
fn the_hand_made_form_is_the_one_that_is_written() {
    let bytes = zip(&[a(), b()]);
    assert_eq!(
        archive::write(&[Entry { path: "b", data: b"two" }, Entry { path: "a", data: b"one" }]).unwrap(),
        bytes
    );
    assert_eq!(archive::read(&bytes).unwrap().len(), 2);
}

#[test]
fn paths_that_lead_elsewhere() {
    let named = |name: &[u8]| zip(&[File::new(name, "x")]);
    refuse(vec![
        (
            "escape",
            named(b"../evil"),
            is!(ArchiveError::Path {
                why: PathError::Escape,
                ..
            }),
        ),
        (
            "escape below",
            named(b"assets/../../evil"),
            is!(ArchiveError::Path {
                why: PathError::Escape,
                ..
            }),
        ),
        (
            "absolute",
            named(b"/etc/evil"),
            is!(ArchiveError::Path {
                why: PathError::Absolute,
                ..
            }),
        ),
        (
            "drive",
            named(b"C:/evil"),
            is!(ArchiveError::Path {
                why: PathError::Absolute,
                ..
            }),
        ),
        (
            "backslash",
            named(b"..\\evil"),
            is!(ArchiveError::Path {
                why: PathError::Backslash,
                ..
            }),
        ),
        (
            "not utf-8",
            named(b"assets/\xc3\x28"),
            is!(ArchiveError::Path {
                why: PathError::NotUtf8,
                ..
            }),
        ),
        ("empty", named(b""), is!(ArchiveError::Path { why: PathError::Empty, .. })),
        (
            "empty segment",
            named(b"assets//x"),
            is!(ArchiveError::Path {
                why: PathError::Segment,
                ..
            }),
        ),
        (
            "dot",
            named(b"assets/./x"),
            is!(ArchiveError::Path {
                why: PathError::Segment,
                ..
            }),
        ),
        (
            "folder",
            named(b"assets/"),
            is!(ArchiveError::Path {
                why: PathError::Folder,
                ..
            }),
        ),
        (
            "nul",
            named(b"assets/a\0.json"),
            is!(ArchiveError::Path {
                why: PathError::Character('\0'),
                ..
            }),
        ),
        (
            "terminal",
            named(b"assets/\x1b[2J"),
            is!(ArchiveError::Path {
                why: PathError::Character(_),
                ..
            }),
        ),
        (
            "long",
            named(&[b'x'; archive::MAX_PATH_LEN + 1]),
            is!(ArchiveError::Path {
                why: PathError::TooLong,
                ..
            }),
        ),
        ("twice", zip(&[a(), a()]), is!(ArchiveError::Duplicate(_))),
        ("twice, apart", zip(&[a(), b(), a()]), is!(ArchiveError::Duplicate(_))),
        ("by case", zip(&[File::new("A", "x"), a()]), is!(ArchiveError::CaseDuplicate(..))),
        (
            "file and folder",
            zip(&[a(), File::new("a/b", "x")]),
            is!(ArchiveError::FileAndFolder(_)),
        ),
        (
            "file and folder by case",
            zip(&[File::new("A/b", "x"), a()]),
            is!(ArchiveError::FileAndFolder(_)),
        ),
        ("order", zip(&[b(), a()]), is!(ArchiveError::Order(_))),
    ]);
}

#[test]
fn files_that_are_no_plain_files() {
    let one = |edit: fn(&mut File)| zip(&[a().with(edit)]);
    refuse(vec![
        (
            "link",
            one(|f| f.mode = 0o120_777),
            is!(ArchiveError::NotAFile { mode: 0o120_777, .. }),
        ),
        ("device", one(|f| f.mode = 0o020_644), is!(ArchiveError::NotAFile { .. })),
        ("folder", one(|f| f.mode = 0o040_755), is!(ArchiveError::NotAFile { .. })),
        ("executable", one(|f| f.mode = 0o100_755), is!(ArchiveError::NotCanonical)),
        ("set user id", one(|f| f.mode = 0o104_644), is!(ArchiveError::NotCanonical)),
        ("no type", one(|f| f.mode = 0o644), is!(ArchiveError::NotCanonical)),
        ("deflated", one(|f| f.method = 8), is!(ArchiveError::Compressed(_))),
        (
            "bomb",
            one(|f| (f.method, f.size) = (8, 200 << 20)),
            is!(ArchiveError::Compressed(_)),
        ),
        ("encrypted", one(|f| f.flags = 1), is!(ArchiveError::Flags { flags: 1, .. })),
        ("data descriptor", one(|f| f.flags = 8), is!(ArchiveError::Flags { flags: 8, .. })),
        ("utf-8 flag", one(|f| f.flags = 0x800), is!(ArchiveError::Flags { .. })),
        (
            "extra field",
            one(|f| f.extra = b"\x01\0\0\0".to_vec()),
            is!(ArchiveError::Extra(_)),
        ),
        ("comment", one(|f| f.comment = b"hi".to_vec()), is!(ArchiveError::Extra(_))),
        (
            "local extra field",
            zip(&[a().local(|f| f.extra = b"\x01\0\0\0".to_vec())]),
            is!(ArchiveError::Extra(_)),
        ),
        ("date", one(|f| f.date = 0x22), is!(ArchiveError::NotCanonical)),
        ("local date", zip(&[a().local(|f| f.date = 0x22)]), is!(ArchiveError::NotCanonical)),
        ("version", one(|f| f.version = 20), is!(ArchiveError::NotCanonical)),
        (
            "local name",
            zip(&[a().local(|f| f.name = b"z".to_vec())]),
            is!(ArchiveError::Headers(_)),
        ),
        ("local method", zip(&[a().local(|f| f.method = 8)]), is!(ArchiveError::Headers(_))),
        ("local checksum", zip(&[a().local(|f| f.crc ^= 1)]), is!(ArchiveError::Headers(_))),
        ("checksum", one(|f| f.crc ^= 1), is!(ArchiveError::Checksum(_))),
    ]);
}

#[test]
fn sizes_and_places_that_lie() {
    let one = |edit: fn(&mut File)| zip(&[a().with(edit)]);
    refuse(vec![
        ("two sizes", one(|f| f.size = 2), is!(ArchiveError::Size(_))),
        (
            "local size",
            zip(&[a().local(|f| (f.size, f.packed) = (2, 2))]),
            is!(ArchiveError::Size(_)),
        ),
        (
            "too long",
            one(|f| (f.size, f.packed) = (50 << 20, 50 << 20)),
            is!(ArchiveError::Overlap(_)),
        ),
        (
            "too short",
            one(|f| (f.size, f.packed) = (2, 2)),
            is!(ArchiveError::Checksum(_) | ArchiveError::Gap(_)),
        ),
        (
            "over the limit",
            one(|f| (f.size, f.packed) = (MAX_ENTRY_SIZE as u32 + 1, MAX_ENTRY_SIZE as u32 + 1)),
            is!(ArchiveError::EntryTooLarge { .. }),
        ),
        (
            "4 GiB",
            one(|f| (f.size, f.packed) = (u32::MAX, u32::MAX)),
            is!(ArchiveError::EntryTooLarge { .. }),
        ),
        (
            "shared bytes",
            zip(&[a(), b().with(|f| f.offset = Some(0))]),
            is!(ArchiveError::Overlap(_)),
        ),
        (
            "inside another",
            zip(&[a(), b().with(|f| f.offset = Some(5))]),
            is!(ArchiveError::Overlap(_)),
        ),
        ("elsewhere", one(|f| f.offset = Some(u32::MAX)), is!(ArchiveError::Gap(0))),
        (
            "hidden between",
            zip(&[a(), b().with(|f| f.before = vec![0])]),
            is!(ArchiveError::Gap(_)),
        ),
        (
            "hidden first",
            zip(&[a().with(|f| f.before = b"#!/bin/sh\n".to_vec())]),
            is!(ArchiveError::Gap(0)),
        ),
        (
            "hidden last",
            shaped(
                &[a()],
                &Shape {
                    before_directory: vec![0; 9],
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Gap(_)),
        ),
        (
            "hidden after",
            shaped(
                &[a()],
                &Shape {
                    before_end: vec![0; 9],
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Gap(_)),
        ),
        (
            "prefix",
            [b"#!/bin/sh\n", zip(&[a()]).as_slice()].concat(),
            is!(ArchiveError::Leading(10)),
        ),
        (
            "prefix to nothing",
            [b"#!/bin/sh\n", zip(&[]).as_slice()].concat(),
            is!(ArchiveError::Leading(10)),
        ),
        ("suffix", [zip(&[a()]).as_slice(), b"x"].concat(), is!(ArchiveError::Trailing(1))),
        (
            "archive comment",
            shaped(
                &[a()],
                &Shape {
                    comment: b"hello".to_vec(),
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Trailing(5)),
        ),
        ("two archives", [zip(&[a()]), zip(&[b()])].concat(), is!(ArchiveError::Leading(_))),
        (
            "fewer than counted",
            shaped(
                &[a()],
                &Shape {
                    count: Some(2),
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Damaged(_)),
        ),
        (
            "more than counted",
            shaped(
                &[a(), b()],
                &Shape {
                    count: Some(1),
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Gap(_)),
        ),
        (
            "none counted",
            shaped(
                &[a()],
                &Shape {
                    count: Some(0),
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Gap(_)),
        ),
        (
            "zip64",
            shaped(
                &[a()],
                &Shape {
                    count: Some(u16::MAX),
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Zip64),
        ),
        (
            "another disk",
            shaped(
                &[a()],
                &Shape {
                    disk: 1,
                    ..Shape::default()
                },
            ),
            is!(ArchiveError::Damaged(_)),
        ),
        ("nothing", Vec::new(), is!(ArchiveError::NotAnArchive)),
        ("nonsense", b"PK nonsense".repeat(10), is!(ArchiveError::NotAnArchive)),
        (
            "too many",
            zip(&(0..=MAX_ENTRIES).map(|n| File::new(format!("{n:05}"), "")).collect::<Vec<_>>()),
            is!(ArchiveError::TooManyEntries(4097)),
        ),
        ("too large", vec![0; MAX_PACK_SIZE + 1], is!(ArchiveError::PackTooLarge(_))),
    ]);
}

#[test]
fn what_is_too_much_is_not_written_either() {
    let large = vec![0; MAX_ENTRY_SIZE + 1];
    let (full, names) = (&large[..MAX_ENTRY_SIZE], ["a", "b"]);
    let many: Vec<String> = (0..=MAX_ENTRIES).map(|n| n.to_string()).collect();
    let many: Vec<Entry<'_>> = many.iter().map(|path| Entry { path, data: b"" }).collect();
    assert!(matches!(
        archive::write(&[Entry { path: "a", data: &large }]),
        Err(ArchiveError::EntryTooLarge { .. })
    ));
    assert!(matches!(
        archive::write(&names.map(|path| Entry { path, data: full })),
        Err(ArchiveError::PackTooLarge(_))
    ));
    assert!(matches!(archive::write(&many), Err(ArchiveError::TooManyEntries(4097))));
    assert!(matches!(
        archive::write(&[Entry { path: "a", data: b"" }; 2]),
        Err(ArchiveError::Duplicate(_))
    ));
    assert!(matches!(
        archive::write(&[Entry { path: "../a", data: b"" }]),
        Err(ArchiveError::Path { .. })
    ));
}
