//! What the sender called: from the configured URL, never from a header.

use super::PUBLIC_URL;
use crate::Scheme;
use data_encoding::HEXLOWER_PERMISSIVE;

/// The parts of the target, as signatures name them (RFC 9421 2.2).
pub(super) struct Target<'a> {
    pub(super) scheme: String,
    /// Lower case, without the scheme's own port.
    pub(super) authority: String,
    pub(super) path: &'a str,
    /// With its `?`, where there is one.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(super) fn of(options: &'a Scheme, path_and_query: &'a str) -> Self {
        let configured = options.text(PUBLIC_URL.key).unwrap_or_default();
        let configured = configured.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = configured.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(slash).unwrap_or((rest, ""));
        let mut authority = authority.to_ascii_lowercase();
        let own = if scheme == "http" { ":80" } else { ":443" };
        authority.truncate(authority.strip_suffix(own).map_or(authority.len(), str::len));
        let at = path_and_query.find('?').unwrap_or(path_and_query.len());
        let (came, query) = path_and_query.split_at_checked(at).unwrap_or((path_and_query, ""));
        Self {
            scheme,
            authority,
            path: [path, came, "/"].into_iter().find(|path| !path.is_empty()).unwrap_or("/"),
            query: Some(query).filter(|query| !query.is_empty()),
        }
    }

    /// One value of the query, decoded and written anew (RFC 9421 2.2.8). Nothing when the name stands there twice, or not at all.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query?.strip_prefix('?')?.split('&').filter(|pair| !pair.is_empty());
        let mut values = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(found, _)| rewritten(found) == name)
            .map(|(_, value)| rewritten(value));
        values.next().filter(|_| values.next().is_none())
    }
}

/// Form-decodes and percent-encodes: what is neither a letter, a digit nor one of `*-._` is `%XX`, a blank too.
fn rewritten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.first_chunk::<2>()).flatten().and_then(byte);
        rest = if escaped.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
        match escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }) {
            plain @ (b'*' | b'-' | b'.' | b'_') => out.push(char::from(plain)),
            plain if plain.is_ascii_alphanumeric() => out.push(char::from(plain)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The byte that two hexadecimal digits write.
fn byte(digits: &[u8; 2]) -> Option<u8> {
    HEXLOWER_PERMISSIVE.decode(digits).ok()?.first().copied()
}

/// Whether this is the absolute URL of a host.
pub(super) fn is_url(text: &str) -> bool {
    let url = text.parse::<http::Uri>();
    url.is_ok_and(|url| {
        let web = matches!(url.scheme_str(), Some("https" | "http"));
        web && url
            .authority()
            .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    })
}
