//! What code forges have in common: events of their own, made by people whom a comment may mention.

use super::{Arrival, generic};
use crate::{
    activity::{Draft, Entities, Mention},
    entity,
    json::Object,
    verified::EventId,
};
use std::collections::HashSet;

/// Most files of a release that are shown; GitHub's own limit. A body of 25 MiB could name millions.
pub(super) const MAX_FILES: usize = 1000;

/// Not a conversation: every event is a session of its own, by its id, or by its body where it has none.
pub(super) fn anchor(arrival: &Arrival<'_>, id: Option<&EventId>) -> String {
    id.map_or_else(|| generic::derived_id(arrival.request.body), |id| id.text.clone())
}

/// Sets a text that is not empty, and what it points at.
pub(super) fn say(draft: &mut Draft, text: Option<impl Into<String>>) {
    let Some(text) = text.map(Into::into).filter(|text: &String| !text.is_empty()) else {
        return;
    };
    draft.entities = Entities {
        mentions: mentions(&text),
        urls: entity::urls(&text),
    };
    draft.text = Some(text);
}

/// A member that is an object of which only the id counts.
pub(super) fn id_in(body: &Object<'_>, member: &str) -> Option<String> {
    body.object(member)?.id("id").map(|id| id.into_owned())
}

/// `@name`, each once: at the beginning of a word, of letters, digits, `_`, `-` and inner dots.
fn mentions<'a>(text: &'a str) -> Vec<Mention> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut add = |id: &'a str, text: String| {
        if found.len() < entity::MAX_FOUND && seen.insert(id) {
            let id = id.to_owned();
            found.push(Mention { id, name: None, text });
        }
    };
    let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '@');
    let mut before = None;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    for (at, c) in text.char_indices() {
        let begins = c == '@' && !before.is_some_and(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '@' | '.' | '-'));
        before = Some(c);
        let Some(after) = begins.then(|| text.get(at + 1..)).flatten() else {
            continue;
        };
        // Bitbucket Cloud writes accounts: `@{557058:…}`.
        if let Some(rest) = after.strip_prefix('{') {
            let (account, end) = rest.split_at_checked(rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
            if !account.is_empty() && end.starts_with('}') {
                add(account, format!("@{{{account}}}"));
            }
            continue;
        }
        let end = after.find(|c| !inner(c)).unwrap_or(after.len());
        let name = after.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
        if !name.is_empty() {
            add(name, format!("@{name}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_names_at_the_beginning_of_words() {
        let names = |text| mentions(text).into_iter().map(|mention| mention.id).collect::<Vec<_>>();
        assert_eq!(names("@ada, ask (@bob.b-1). @ada"), ["ada", "bob.b-1"]);
        assert_eq!(names("@{557058:1-a} and @{} @{a b} @{"), ["557058:1-a"]);
        assert!(names("ada@example.com https://a.example/@x @ @- @@").is_empty());
    }
}
