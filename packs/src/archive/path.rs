//! Which paths a pack may hold: plain names that mean the same on every system.

use super::ArchiveError;

/// Longest path, in bytes. Fits every file system's name limits below a cache folder, and makes the directory of a full pack small.
pub const MAX_PATH_LEN: usize = 240;

/// Why a path is refused. Reads on after the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is nothing in it.
    #[error("is empty; every file has a name")]
    Empty,
    /// Longer than [`MAX_PATH_LEN`].
    #[error("is longer than {MAX_PATH_LEN} bytes; shorten it")]
    TooLong,
    /// Not UTF-8.
    #[error("is not utf-8; name files with ASCII letters and digits")]
    NotUtf8,
    /// Starts at a root or a drive.
    #[error("is absolute; paths start within the pack")]
    Absolute,
    /// Holds `..`.
    #[error("climbs out of the pack with `..`")]
    Escape,
    /// Holds `.` or an empty segment.
    #[error("has an empty or `.` segment; write it plainly")]
    Segment,
    /// Names a folder.
    #[error("names a folder; a pack holds files alone")]
    Folder,
    /// Holds a backslash, which is a separator elsewhere.
    #[error("holds a backslash; separate with `/`")]
    Backslash,
    /// Holds a character that is special somewhere.
    #[error("holds the character {0:?}; use ASCII letters, digits, inner spaces and `. _ - + @ ~ , = ( ) [ ] # $ % & ! ' ; ^ {{ }}`")]
    Character(char),
    /// A segment starts with a space or ends with a space or a dot, which some systems drop.
    #[error("has a segment that starts with a space or ends with a space or a dot; some systems drop those")]
    Edge,
}

/// Checks a path.
///
/// # Errors
/// See [`PathError`].
pub fn check(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.len() > MAX_PATH_LEN {
        return Err(PathError::TooLong);
    }
    if path.contains('\\') {
        return Err(PathError::Backslash);
    }
    let drive = path.as_bytes().get(1) == Some(&b':') && path.starts_with(|c: char| c.is_ascii_alphabetic());
    if path.starts_with('/') || drive {
        return Err(PathError::Absolute);
    }
    if path.split('/').any(|segment| segment == "..") {
        return Err(PathError::Escape);
    }
    if path.ends_with('/') {
        return Err(PathError::Folder);
    }
    if path.split('/').any(|segment| segment.is_empty() || segment == ".") {
        return Err(PathError::Segment);
    }
    if let Some(odd) = path
        .chars()
        .find(|c| !((c.is_ascii_graphic() && !"\":*?<>|`".contains(*c)) || *c == ' '))
    {
        return Err(PathError::Character(odd));
    }
    if path
        .split('/')
        .any(|segment| segment.starts_with(' ') || segment.ends_with([' ', '.']))
    {
        return Err(PathError::Edge);
    }
    Ok(())
}

/// A path from an archive's bytes, checked.
pub(super) fn read(name: &[u8]) -> Result<&str, ArchiveError> {
    let path = std::str::from_utf8(name).map_err(|_| ArchiveError::path(&String::from_utf8_lossy(name), PathError::NotUtf8))?;
    check(path).map_err(|why| ArchiveError::path(path, why))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_plain_name_within_the_pack() {
        let long = "x".repeat(MAX_PATH_LEN + 1);
        for (path, why) in [
            ("", PathError::Empty),
            (long.as_str(), PathError::TooLong),
            ("/etc/passwd", PathError::Absolute),
            ("c:/windows", PathError::Absolute),
            ("C:x", PathError::Absolute),
            ("../evil", PathError::Escape),
            ("assets/../../evil", PathError::Escape),
            ("assets/..", PathError::Escape),
            ("assets\\..\\evil", PathError::Backslash),
            ("assets//x", PathError::Segment),
            ("./x", PathError::Segment),
            ("assets/./x", PathError::Segment),
            ("assets/", PathError::Folder),
            ("assets/a\0b", PathError::Character('\0')),
            ("assets/a\nb", PathError::Character('\n')),
            ("assets/\u{1b}[2J", PathError::Character('\u{1b}')),
            ("assets/nul:stream", PathError::Character(':')),
            ("assets/gr\u{fc}n", PathError::Character('\u{fc}')),
            ("assets/\u{202e}gpj.exe", PathError::Character('\u{202e}')),
            ("assets/ x", PathError::Edge),
            ("assets /x", PathError::Edge),
            ("assets/x.", PathError::Edge),
        ] {
            assert_eq!(check(path), Err(why), "{path:?}");
        }
        for path in [
            "manifest.cbor",
            "components/a@0.1.0+b/component.wasm",
            "assets/a b/.hidden",
            "assets/a..b",
            "a",
        ] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
        assert!(matches!(
            read(b"assets/\xff"),
            Err(ArchiveError::Path {
                why: PathError::NotUtf8,
                ..
            })
        ));
    }
}
