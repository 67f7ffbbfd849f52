//! How else a path may be read. The gateway matches its bytes as they stand, and hands them on so; a worker may undo escapes, merge slashes or walk dot
//! segments, and then find itself in another place than the one that was matched.

const DECODE: u8 = 1;
const MERGE: u8 = 2;
const WALK: u8 = 4;

/// What a reader makes of it that does some of that, each step once. None of these is the path itself.
pub(super) fn others(path: &str) -> impl Iterator<Item = String> {
    (1..=DECODE | MERGE | WALK)
        .map(move |steps| read(path, steps))
        .filter(move |other| other != path)
}

fn read(path: &str, steps: u8) -> String {
    let text = if steps & DECODE == 0 { path.to_owned() } else { decoded(path) };
    let mut kept = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment {
            "" if steps & MERGE != 0 => {}
            "." if steps & WALK != 0 => {}
            ".." if steps & WALK != 0 => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Without its escapes; a backslash is what some take for a slash.
fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_found_and_a_plain_path_has_one() {
        for (path, other) in [
            ("/%61dmin", "/admin"),
            ("//admin", "/admin"),
            ("/./admin", "/admin"),
            ("/a/../admin", "/admin"),
            ("/a%2f..%2Fadmin", "/admin"),
            ("/a/b/%2e%2E/../admin", "/admin"),
            ("//admin/../a", "/admin/../a"),
            ("/..//admin", "/admin"),
            ("/%5cadmin", "/admin"),
            ("/a%zz/%/%4", "/a%zz/%/%4"),
        ] {
            assert!(other == path || others(path).any(|found| found == other), "{path}");
        }
        for path in ["/", "/a", "/a/b.c", "/a%zz", "/..."] {
            assert_eq!(others(path).count(), 0, "{path}");
        }
    }
}
