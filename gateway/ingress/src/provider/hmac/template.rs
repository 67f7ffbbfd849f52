//! The signed text of an `hmac` endpoint: what a template may say, and what its names stand for.

use super::{ALGORITHM, ALLOW_SHA1, HEADER, ID_HEADER, ID_POINTER, LIST_SEPARATOR, PUBLIC_URL, TEMPLATE, TS_HEADER};
use crate::{Reason, Refusal, Request, Scheme, scheme::OptionError};

/// What a template may name.
const NAMES: [&str; 6] = ["{ts}", "{id}", "{body}", "{method}", "{path}", "{url}"];

/// Names whose text the sender, or who changes the request, chooses: two of them side by side have no boundary.
const FREE: [&str; 4] = ["{id}", "{body}", "{path}", "{url}"];

/// What the names stand for.
pub(super) struct Values<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) ts: &'a str,
    pub(super) id: &'a str,
    pub(super) url: &'a str,
}

/// The template in pieces: its words, and names in braces.
fn pieces(template: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((at, name)) = NAMES.iter().filter_map(|name| Some((rest.find(name)?, *name))).min() {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let (name, after) = after.split_at_checked(name.len()).unwrap_or((after, ""));
        pieces.extend([before, name].into_iter().filter(|piece| !piece.is_empty()));
        rest = after;
    }
    pieces.extend(Some(rest).filter(|rest| !rest.is_empty()));
    pieces
}

impl<'a> Values<'a> {
    /// The signed text, in parts.
    ///
    /// # Errors
    /// [`Reason::BadId`] and [`Reason::BadSignature`] when the id or the query has the words that end it: then the same text could be read in two ways.
    pub(super) fn parts(&self, template: &'a str) -> Result<Vec<&'a [u8]>, Refusal> {
        let pieces = pieces(template);
        let words = |index: Option<usize>| index.and_then(|index| pieces.get(index)).filter(|piece| !NAMES.contains(piece));
        let mut parts = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.iter().enumerate() {
            let near = [words(index.checked_sub(1)), words(index.checked_add(1))];
            let blurs = |text: &str| near.iter().flatten().any(|words| text.contains(**words));
            let query = |text: &str| text.split_once('?').is_some_and(|(_, query)| blurs(query));
            parts.push(match *piece {
                "{ts}" => self.ts.as_bytes(),
                "{body}" => self.request.body,
                "{method}" => self.request.method.as_str().as_bytes(),
                "{id}" if blurs(self.id) => return Err(Refusal::new(Reason::BadId, "the id has what ends it in the signed text")),
                "{id}" => self.id.as_bytes(),
                "{path}" | "{url}" if query(self.request.path_and_query) => {
                    return Err(Refusal::new(Reason::BadSignature, "the query has what ends it in the signed text"));
                }
                "{path}" => self.request.path_and_query.as_bytes(),
                "{url}" => self.url.as_bytes(),
                words => words.as_bytes(),
            });
        }
        Ok(parts)
    }
}

/// The configured URL with the request's query, and its path where none is configured.
pub(super) fn url(scheme: &Scheme, path_and_query: &str) -> String {
    let configured = scheme.text(PUBLIC_URL.key).unwrap_or_default();
    let mut url = configured.split(['?', '#']).next().unwrap_or_default().to_owned();
    let at = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at_checked(at).unwrap_or((path_and_query, ""));
    if !url.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
        url.push_str(path);
    }
    url.push_str(query);
    url
}

/// The path of the configured URL, for who signs without a request.
pub(super) fn path(scheme: &Scheme) -> &str {
    let rest = scheme.text(PUBLIC_URL.key).and_then(|url| url.split_once("://"));
    rest.and_then(|(_, rest)| rest.get(rest.find('/')?..)).unwrap_or("/")
}

/// What is wrong with the options together. A template that leaves out the body, or a clock that nothing signs, would open for anyone's.
pub(super) fn check(scheme: &Scheme) -> Vec<OptionError> {
    let template = scheme.text(TEMPLATE.key).unwrap_or_default();
    let pieces = pieces(template);
    let has = |name: &str| pieces.contains(&name);
    let given = |key: &str| scheme.text(key).is_some();
    let beside = pieces.windows(2).any(|pair| pair.iter().all(|piece| FREE.contains(piece)));
    let other = pieces.iter().any(|piece| !NAMES.contains(piece) && piece.contains(['{', '}']));
    let header = |key: &str| {
        scheme
            .text(key)
            .is_some_and(|name| http::HeaderName::from_bytes(name.as_bytes()).is_err())
    };
    let pointer = scheme.text(ID_POINTER.key);
    let separator = scheme.text(LIST_SEPARATOR.key);
    let is_url = scheme.text(PUBLIC_URL.key).is_none_or(|url| {
        let url = url.parse::<http::Uri>();
        url.is_ok_and(|url| matches!(url.scheme_str(), Some("https" | "http")) && url.host().is_some_and(|host| !host.is_empty()))
    });
    let sha1 = scheme.text(ALGORITHM.key) == Some("sha1") && !scheme.flag(ALLOW_SHA1.key);
    let letters = separator.is_some_and(|text| text.contains(|c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c)));
    let wrong = [
        (
            !has("{body}"),
            TEMPLATE.key,
            "`template` must have `{body}`, or nothing would vouch for it",
        ),
        (
            given(TS_HEADER.key) && !has("{ts}"),
            TEMPLATE.key,
            "`template` must have `{ts}`, or anyone could change the clock of `ts_header`",
        ),
        (
            has("{ts}") && !given(TS_HEADER.key),
            TEMPLATE.key,
            "`{ts}` in `template` needs `ts_header`",
        ),
        (
            has("{id}") && !given(ID_HEADER.key),
            TEMPLATE.key,
            "`{id}` in `template` needs `id_header`",
        ),
        (
            has("{url}") && !given(PUBLIC_URL.key),
            TEMPLATE.key,
            "`{url}` in `template` needs `public_url`",
        ),
        (
            beside,
            TEMPLATE.key,
            "two names side by side in `template` have no boundary: put a text between them",
        ),
        (
            other,
            TEMPLATE.key,
            "`template` knows `{ts}`, `{id}`, `{body}`, `{method}`, `{path}` and `{url}`, and no other braces",
        ),
        (sha1, ALGORITHM.key, "`algorithm: sha1` needs `allow_sha1: true`"),
        (
            given(ID_HEADER.key) && pointer.is_some(),
            ID_POINTER.key,
            "`id_header` or `id_pointer`, not both",
        ),
        (
            pointer.is_some_and(|pointer| !pointer.starts_with('/')),
            ID_POINTER.key,
            "`id_pointer` is a JSON Pointer, such as `/data/id`",
        ),
        (
            letters,
            LIST_SEPARATOR.key,
            "`list_separator` has a sign that may stand in a signature",
        ),
        (!is_url, PUBLIC_URL.key, "`public_url` is an absolute URL, `https://host/path`"),
        (header(HEADER.key), HEADER.key, "`header` is no header's name"),
        (header(TS_HEADER.key), TS_HEADER.key, "`ts_header` is no header's name"),
        (header(ID_HEADER.key), ID_HEADER.key, "`id_header` is no header's name"),
    ];
    let wrong = wrong.into_iter().filter(|(is, ..)| *is);
    wrong
        .map(|(_, key, message)| OptionError {
            key: key.to_owned(),
            message: message.to_owned(),
        })
        .collect()
}
