//! Path prefixes by whole segments.

/// Longest prefix, in bytes: an eighth of the shortest limit on request targets that RFC 9110 4.1 asks for (8,000 octets).
pub const MAX_PREFIX_LEN: usize = 1000;

/// Why a text is no path prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with `/`.
    #[error("a path starts with `/`")]
    Relative,
    /// More than [`MAX_PREFIX_LEN`] bytes.
    #[error("a path has at most {MAX_PREFIX_LEN} characters")]
    TooLong,
    /// A `?` or `#`.
    #[error("a path has neither a query nor a fragment")]
    Query,
    /// `//`.
    #[error("a path has no empty segments")]
    EmptySegment,
    /// `.` or `..`, also percent-encoded.
    #[error("a path has no `.` or `..` segments")]
    DotSegment,
    /// A character that cannot stand in a request's path (RFC 3986 3.3).
    #[error("a path holds only characters that stand in a request's path as they are (others percent-encoded)")]
    Character,
}

/// A path prefix by whole segments: `/a` covers `/a` and `/a/b`, not `/ab`. Starts with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Reads a prefix. Paths are matched byte by byte, so it must be written as requests write it.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::Relative);
        }
        if text.len() > MAX_PREFIX_LEN {
            return Err(PathError::TooLong);
        }
        if text.contains(['?', '#']) {
            return Err(PathError::Query);
        }
        if !text.bytes().all(is_path_byte) || !percents_are_whole(text) {
            return Err(PathError::Character);
        }
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        for segment in trimmed.split('/').skip(1) {
            if segment.is_empty() {
                return Err(PathError::EmptySegment);
            }
            let plain = segment.replace("%2e", ".").replace("%2E", ".");
            if plain == "." || plain == ".." {
                return Err(PathError::DotSegment);
            }
        }
        Ok(Self(if trimmed.is_empty() { "/" } else { trimmed }.to_owned()))
    }

    /// As it was written, less a trailing slash (but `/` itself).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this prefix covers the path (without its query).
    pub fn covers(&self, path: &str) -> bool {
        if self.0 == "/" {
            return path.starts_with('/');
        }
        path.strip_prefix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// RFC 3986 3.3 `pchar`, `/` and `%`.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/%-._~!$&'()*+,;=:@".contains(&byte)
}

fn percents_are_whole(text: &str) -> bool {
    let whole = |rest: &str| {
        rest.as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.split('%').skip(1).all(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        let long = format!("/{}", "a".repeat(MAX_PREFIX_LEN));
        for (text, read) in [
            ("/", Ok("/")),
            ("/slack/events", Ok("/slack/events")),
            ("/slack/", Ok("/slack")),
            ("/a%20b/~x:@", Ok("/a%20b/~x:@")),
            ("", Err(PathError::Relative)),
            ("slack", Err(PathError::Relative)),
            ("//", Err(PathError::EmptySegment)),
            ("/a//b", Err(PathError::EmptySegment)),
            ("/a/../b", Err(PathError::DotSegment)),
            ("/.", Err(PathError::DotSegment)),
            ("/a/%2E%2e", Err(PathError::DotSegment)),
            ("/a?b", Err(PathError::Query)),
            ("/a#b", Err(PathError::Query)),
            ("/a b", Err(PathError::Character)),
            ("/é", Err(PathError::Character)),
            ("/a%2", Err(PathError::Character)),
            ("/a%zz", Err(PathError::Character)),
            (long.as_str(), Err(PathError::TooLong)),
        ] {
            assert_eq!(
                PathPrefix::parse(text).as_ref().map(PathPrefix::as_str),
                read.as_ref().copied(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        for (prefix, path, covered) in [
            ("/", "/x", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a/", "/a", true),
            ("/a", "/ab", false),
            ("/a", "/", false),
        ] {
            assert_eq!(
                PathPrefix::parse(prefix).map(|prefix| prefix.covers(path)),
                Ok(covered),
                "{prefix} {path}"
            );
        }
    }
}
