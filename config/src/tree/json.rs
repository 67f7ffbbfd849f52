//! The one escape of JSON that YAML does not know.

use std::borrow::Cow;

/// JSON writes a character beyond U+FFFF as two escapes (RFC 8259 7), as many serialisers do for every emoji; YAML 1.2 has `\U` for it and
/// refuses the halves. In a text that starts as JSON does, joins each pair. Columns behind a pair on its line come out 2 too small.
pub(super) fn join_surrogates(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        if let Some(code) = pair(escape) {
            out.push_str(&format!("\\U{code:08X}"));
            rest = escape.get(PAIR..).unwrap_or_default();
        } else {
            // The backslash and what it escapes, which may be a backslash.
            let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
            let (whole, after) = escape.split_at(end);
            out.push_str(whole);
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of `\ud83d\ude00`.
const PAIR: usize = 12;

/// The character of a pair of escapes at the start of the text.
fn pair(text: &str) -> Option<u32> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        u32::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let (high, low) = (unit(0)?, unit(6)?);
    let is_pair = (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low);
    is_pair.then(|| 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_joined_in_json_alone() {
        for (text, joined) in [
            (r#"{"a": "\ud83d\ude00!"}"#, r#"{"a": "\U0001F600!"}"#),
            (r#"{"a": "\\ud83d\\ude00"}"#, r#"{"a": "\\ud83d\\ude00"}"#),
            (r#"{"a": "\ud83d"}"#, r#"{"a": "\ud83d"}"#),
            (r#"{"a": "\u00e9\"\é"}"#, r#"{"a": "\u00e9\"\é"}"#),
            (r"{\", r"{\"),
            (r"{\u+12\u", r"{\u+12\u"),
            (r"a: \ud83d\ude00", r"a: \ud83d\ude00"),
        ] {
            assert_eq!(join_surrogates(text), joined, "{text}");
        }
    }
}
