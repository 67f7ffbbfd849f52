//! What a text points at: people, and addresses.

use serde::Serialize;
use std::collections::HashSet;

/// Most mentions, and most addresses, of one text: a body of the allowed size could name a million, and who signs it may be anyone's tenant. What
/// people write has hundreds at most; whoever wants all of a longer list has the text.
pub(crate) const MAX_FOUND: usize = 4096;

/// Someone whom a text mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// The provider's id of the user.
    pub id: String,
    /// The name that the text gives beside the id, where it does.
    pub name: Option<String>,
    /// The mention as it stands in the text.
    pub text: String,
}

/// Mentions and addresses in a text, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entities {
    /// People, each mention once.
    pub mentions: Vec<Mention>,
    /// Addresses with `http` or `https`, each once.
    pub urls: Vec<String>,
}

/// Puts one at the end, unless it is there already or the list is full.
pub(crate) fn add<T: PartialEq>(found: &mut Vec<T>, one: T) {
    if found.len() < MAX_FOUND && !found.contains(&one) {
        found.push(one);
    }
}

/// Reads Slack's markup: `<@U123>`, `<@U123|name>`, `<https://a.example/|label>`.
pub(crate) fn slack(text: &str) -> Entities {
    let mut found = Entities::default();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some((inside, end)) = after.find(['<', '>']).and_then(|at| after.split_at_checked(at)) else {
            break;
        };
        let Some(after) = end.strip_prefix('>') else {
            continue; // Slack escapes a literal `<`, so this is no markup up to the next one
        };
        rest = after;
        let (target, label) = inside
            .split_once('|')
            .map_or((inside, None), |(target, label)| (target, Some(label)));
        if let Some(id) = target.strip_prefix('@').filter(|id| !id.is_empty()) {
            let mention = Mention {
                id: id.to_owned(),
                name: label.filter(|name| !name.is_empty()).map(unescaped),
                text: format!("<{inside}>"),
            };
            add(&mut found.mentions, mention);
        } else if target.starts_with("https://") || target.starts_with("http://") {
            add(&mut found.urls, unescaped(target));
        }
    }
    found
}

/// Addresses with `http` or `https` in a plain text, each once: up to a blank or a mark that encloses, without the mark that ends a sentence.
pub(crate) fn urls(text: &str) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | '[' | ']' | '|');
    for part in text.split(ends) {
        let at = [part.find("https://"), part.find("http://")].into_iter().flatten().min();
        let Some(url) = at.and_then(|at| part.get(at..)) else { continue };
        let url = url.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '`']);
        let host = url.split_once("://").map(|(_, host)| host).unwrap_or_default();
        if !host.is_empty() && found.len() < MAX_FOUND && seen.insert(url) {
            found.push(url.to_owned());
        }
    }
    found
}

/// Slack escapes exactly these three in texts.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_plain_text_end_where_a_reader_ends_them() {
        assert_eq!(
            urls(
                "see https://a.example/x?y=1, (http://b.example) [c](https://c.example/) https://a.example/x?y=1 https:// http://é.example/ö."
            ),
            [
                "https://a.example/x?y=1",
                "http://b.example",
                "https://c.example/",
                "http://é.example/ö"
            ]
        );
        assert!(urls("nothing: //x.example").is_empty());
    }

    #[test]
    fn mentions_and_addresses_are_found_once_and_in_order() {
        let found = slack(
            "<@U1> ask <@U2|bob>, <@U1>: <https://a.example/?x=1&amp;y=2|here> <http://b.example> <#C1|general> <!here> <mailto:a@b.example|a> a < b > c <@> <@U3",
        );
        assert_eq!(
            found
                .mentions
                .iter()
                .map(|mention| (mention.id.as_str(), mention.name.as_deref()))
                .collect::<Vec<_>>(),
            [("U1", None), ("U2", Some("bob"))]
        );
        assert_eq!(found.mentions.first().map(|mention| mention.text.as_str()), Some("<@U1>"));
        assert_eq!(found.urls, ["https://a.example/?x=1&y=2", "http://b.example"]);
        assert_eq!(slack("no markup"), Entities::default());
        assert_eq!(slack("a < b <@U1>").mentions.len(), 1);
    }
}
