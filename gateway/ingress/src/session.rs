//! The session's key: `{tenant}:{provider}:{anchor}:{user}`, each id escaped so that no two conversations share a key.

use std::fmt::Write as _;

/// What stands where a provider names no user.
const NOBODY: &str = "user";

/// The key as workers and the platform see it.
pub(crate) fn key(tenant: &str, provider: &str, anchor: &str, user: Option<&str>) -> String {
    let mut out = String::with_capacity(tenant.len() + provider.len() + anchor.len() + 24);
    escape(&mut out, tenant);
    out.push(':');
    out.push_str(provider);
    out.push(':');
    escape(&mut out, anchor);
    out.push(':');
    escape(&mut out, user.unwrap_or(NOBODY));
    out
}

/// Percent-escapes what is outside visible ASCII, and `:`, `/`, `%`.
fn escape(out: &mut String, id: &str) {
    for byte in id.bytes() {
        match byte {
            b':' | b'/' | b'%' => hex(out, byte),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => hex(out, byte),
        }
    }
}

/// An id as it may stand in a header: what is outside visible ASCII is percent-escaped.
pub(crate) fn visible(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => hex(&mut out, byte),
        }
    }
    out
}

fn hex(out: &mut String, byte: u8) {
    let _ = write!(out, "%{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn odd_characters_never_make_one_conversation_of_two() {
        let odd = [
            "a:b", "a", "a%3Ab", "a%3ab", "a/b", "a b", "a\u{a0}b", "é", "", "user", "%", "a:b:c", "b:c", "\n",
        ];
        let mut keys = BTreeSet::new();
        for anchor in odd {
            for user in odd {
                assert!(keys.insert(key("acme", "slack", anchor, Some(user))), "{anchor:?} {user:?}");
            }
        }
    }

    #[test]
    fn keys_are_the_platforms() {
        assert_eq!(
            key("demo", "slack", "1731315600.000100", Some("U456")),
            "demo:slack:1731315600.000100:U456"
        );
        assert_eq!(key("acme", "slack", "a:b/c%é", None), "acme:slack:a%3Ab%2Fc%25%C3%A9:user");
        assert_eq!(visible("a b:é%"), "a%20b:%C3%A9%");
    }
}
