//! YAML text as a tree of values with their places.
//!
//! Of YAML 1.2, what a manifest needs: one document of mappings, lists and scalars. Anchors, aliases and tags are refused, so that nothing
//! is larger than it looks; so are repeated keys, of which readers of YAML take this one or that. JSON is read as the YAML that it is.

use crate::report::{At, Report, shown};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::{borrow::Cow, collections::HashMap, fmt::Write};

mod json;

/// Deepest nesting of lists and mappings. A manifest has 6 levels.
const MAX_DEPTH: usize = 16;

/// A value and where it starts.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) kind: Kind<'t>,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind<'t> {
    /// A text; a plain one (without quotes) may be a number, a boolean or nothing.
    Scalar { text: Cow<'t, str>, plain: bool },
    /// `[…]` or lines that start with `-`.
    List(Vec<Node<'t>>),
    /// `{…}` or lines of `key: value`, each key once.
    Map(Vec<Entry<'t>>),
    /// Something whose error has been reported.
    Broken,
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) value: Node<'t>,
}

/// Reads the text. `None` when there is no tree to speak of; the report says why.
pub(crate) fn load<'t>(text: &'t str, report: &mut Report) -> Option<Node<'t>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match json::join_surrogates(text) {
        Cow::Borrowed(text) => Loader::new(report).run(Parser::new_from_str(text)),
        Cow::Owned(text) => Loader::new(report).run(Parser::new_from_iter(text.chars().collect::<Vec<_>>().into_iter())),
    }
}

/// A list or a mapping that has not ended yet.
struct Open<'t> {
    line: usize,
    column: usize,
    state: State<'t>,
}

enum State<'t> {
    List(Vec<Node<'t>>),
    Map {
        entries: Vec<Entry<'t>>,
        lines: HashMap<Cow<'t, str>, usize>,
        key: Key<'t>,
    },
}

/// Where in a mapping the next value belongs.
enum Key<'t> {
    /// It is a key itself.
    Next,
    /// To this key.
    Named(Cow<'t, str>, At),
    /// Nowhere: its key was refused.
    Refused,
}

struct Loader<'t, 'r> {
    report: &'r mut Report,
    open: Vec<Open<'t>>,
    root: Option<Node<'t>>,
}

impl<'t, 'r> Loader<'t, 'r> {
    fn new(report: &'r mut Report) -> Self {
        Self {
            report,
            open: Vec::new(),
            root: None,
        }
    }

    fn run<T: saphyr_parser::Input>(mut self, mut parser: Parser<'t, T>) -> Option<Node<'t>> {
        while let Some(next) = parser.next_event() {
            match next {
                Ok((event, span)) => self.take(event, span)?,
                Err(error) => {
                    let at = self.at(error.marker().line(), error.marker().col());
                    self.report.add(&at, format!("this is no YAML: {}", error.info()), None);
                    return None;
                }
            }
        }
        if self.root.is_none() {
            self.report.add(&At::top(), "there is nothing in it", None);
        }
        self.root
    }

    /// Takes one event. `None` when the rest is not worth reading.
    fn take(&mut self, event: Event<'t>, span: Span) -> Option<()> {
        let at = self.at(span.start.line(), span.start.col());
        let (line, column) = (at.line, at.column);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                if self.root.is_some() {
                    self.report.add(&at, "a second document begins, a manifest is one", None);
                    return None;
                }
            }
            Event::Alias(_) => {
                self.report.add(&at, "aliases are not read: write the value out", None);
                self.put(Node {
                    line,
                    column,
                    kind: Kind::Broken,
                });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let kind = if self.is_bare(&at, anchor, tag.is_some()) {
                    Kind::Scalar { text, plain }
                } else {
                    Kind::Broken
                };
                self.put(Node { line, column, kind });
            }
            Event::SequenceStart(anchor, tag) => {
                self.is_bare(&at, anchor, tag.is_some());
                self.start(at, State::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.is_bare(&at, anchor, tag.is_some());
                let (entries, lines, key) = (Vec::new(), HashMap::new(), Key::Next);
                self.start(at, State::Map { entries, lines, key })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { line, column, state }) = self.open.pop() {
                    let kind = match state {
                        State::List(items) => Kind::List(items),
                        State::Map { entries, .. } => Kind::Map(entries),
                    };
                    self.put(Node { line, column, kind });
                }
            }
        }
        Some(())
    }

    fn is_bare(&mut self, at: &At, anchor: usize, tagged: bool) -> bool {
        if anchor != 0 {
            self.report
                .add(at, "anchors are not read: write the value out where it is needed", None);
        }
        if tagged {
            self.report.add(at, "tags are not read: write the value without", None);
        }
        anchor == 0 && !tagged
    }

    fn start(&mut self, at: At, state: State<'t>) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            self.report.add(&at, format!("nested deeper than {MAX_DEPTH} levels"), None);
            return None;
        }
        let (line, column) = (at.line, at.column);
        self.open.push(Open { line, column, state });
        Some(())
    }

    /// Puts a whole value where it belongs.
    fn put(&mut self, node: Node<'t>) {
        let hidden = self.is_hidden();
        let path = self.path();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.state {
            State::List(items) => items.push(node),
            State::Map { entries, lines, key } => match std::mem::replace(key, Key::Next) {
                Key::Refused => {}
                Key::Named(name, at) => entries.push(Entry {
                    key: name,
                    line: at.line,
                    column: at.column,
                    value: node,
                }),
                Key::Next => {
                    let at = At {
                        line: node.line,
                        column: node.column,
                        path,
                    };
                    *key = match node.kind {
                        Kind::Scalar { text, .. } => match lines.get(&text) {
                            None => {
                                lines.insert(text.clone(), at.line);
                                Key::Named(text, at)
                            }
                            Some(first) => {
                                let name = if hidden { "the key".to_owned() } else { shown(&text) };
                                self.report
                                    .add(&at, format!("{name} stands here twice, first in line {first}"), None);
                                Key::Refused
                            }
                        },
                        Kind::Broken => Key::Refused,
                        Kind::List(_) | Kind::Map(_) => {
                            self.report.add(&at, "a key must be a text", None);
                            Key::Refused
                        }
                    };
                }
            },
        }
    }

    /// Whether what is read now stands under a key that keeps secrets.
    fn is_hidden(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(&open.state, State::Map { key: Key::Named(name, _), .. } if keeps_secrets(name)))
    }

    fn at(&self, line: usize, column: usize) -> At {
        // The parser counts columns from 0.
        At {
            line: line.max(1),
            column: column.saturating_add(1),
            path: self.path(),
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.state {
                State::List(items) => push_index(&mut path, items.len()),
                State::Map {
                    key: Key::Named(name, _), ..
                } => push_key(&mut path, name),
                State::Map { .. } => {}
            }
        }
        path
    }
}

/// Whether nothing that stands under this key may be shown.
pub(crate) fn keeps_secrets(key: &str) -> bool {
    key == "secrets" || key == "token"
}

/// Appends `.key`, or `["key"]` where the key is no plain word.
pub(crate) fn push_key(path: &mut String, key: &str) {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push_str("[\"");
        path.push_str(shown(key).trim_matches('`'));
        path.push_str("\"]");
    }
}

/// Appends `[index]`.
pub(crate) fn push_index(path: &mut String, index: usize) {
    // Writing to a `String` does not fail.
    let _ = write!(path, "[{index}]");
}

#[cfg(test)]
mod tests;
