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
    /// To this key, which stands at this line and column.
    Named(Cow<'t, str>, usize, usize),
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
                    let (line, column) = position(*error.marker());
                    self.refuse(line, column, format!("this is no YAML: {}", error.info()));
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
        let (line, column) = position(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                if self.root.is_some() {
                    self.refuse(line, column, "a second document begins, a manifest is one");
                    return None;
                }
            }
            Event::Alias(_) => {
                self.refuse(line, column, "aliases are not read: write the value out");
                self.put(Node {
                    line,
                    column,
                    kind: Kind::Broken,
                });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let kind = if self.is_bare(line, column, anchor, tag.is_some()) {
                    Kind::Scalar { text, plain }
                } else {
                    Kind::Broken
                };
                self.put(Node { line, column, kind });
            }
            Event::SequenceStart(anchor, tag) => {
                self.is_bare(line, column, anchor, tag.is_some());
                self.start(line, column, State::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.is_bare(line, column, anchor, tag.is_some());
                let (entries, lines, key) = (Vec::new(), HashMap::new(), Key::Next);
                self.start(line, column, State::Map { entries, lines, key })?;
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

    fn is_bare(&mut self, line: usize, column: usize, anchor: usize, tagged: bool) -> bool {
        if anchor != 0 {
            self.refuse(line, column, "anchors are not read: write the value out where it is needed");
        }
        if tagged {
            self.refuse(line, column, "tags are not read: write the value without");
        }
        anchor == 0 && !tagged
    }

    fn start(&mut self, line: usize, column: usize, state: State<'t>) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            self.refuse(line, column, format!("nested deeper than {MAX_DEPTH} levels"));
            return None;
        }
        self.open.push(Open { line, column, state });
        Some(())
    }

    /// Puts a whole value where it belongs.
    fn put(&mut self, node: Node<'t>) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.state {
            State::List(items) => items.push(node),
            State::Map { entries, lines, key } => match std::mem::replace(key, Key::Next) {
                Key::Refused => {}
                Key::Named(name, line, column) => entries.push(Entry {
                    key: name,
                    line,
                    column,
                    value: node,
                }),
                Key::Next => {
                    *key = Key::Refused;
                    let Node { line, column, kind } = node;
                    match kind {
                        Kind::Scalar { text, .. } => match lines.get(&text).copied() {
                            None => {
                                lines.insert(text.clone(), line);
                                *key = Key::Named(text, line, column);
                            }
                            Some(first) => {
                                let name = if self.is_hidden() { "the key".to_owned() } else { shown(&text) };
                                self.refuse(line, column, format!("{name} stands here twice, first in line {first}"));
                            }
                        },
                        Kind::Broken => {}
                        Kind::List(_) | Kind::Map(_) => self.refuse(line, column, "a key must be a text"),
                    }
                }
            },
        }
    }

    /// Whether what is read now stands under a key that keeps secrets.
    fn is_hidden(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(&open.state, State::Map { key: Key::Named(name, ..), .. } if keeps_secrets(name)))
    }

    fn refuse(&mut self, line: usize, column: usize, message: impl Into<String>) {
        let path = self.path();
        self.report.add(&At { line, column, path }, message, None);
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.state {
                State::List(items) => push_index(&mut path, items.len()),
                State::Map {
                    key: Key::Named(name, ..), ..
                } => push_key(&mut path, name),
                State::Map { .. } => {}
            }
        }
        path
    }
}

/// Line and column from 1; the parser counts columns from 0.
fn position(mark: saphyr_parser::Marker) -> (usize, usize) {
    (mark.line().max(1), mark.col().saturating_add(1))
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
