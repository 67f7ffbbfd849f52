//! The part of YAML that a description needs: maps, lists and texts with their places. Anchors, aliases, tags, other keys than texts and more than one
//! document are refused; a scalar is the text that was written (`1.0` stays `1.0`).

use super::Problem;
use saphyr_parser::{Event, Parser, ScanError, Span};
use std::collections::HashSet;

/// Deepest nesting. A description has four levels.
const MAX_DEPTH: usize = 8;

/// A value and where it starts.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) value: Value,
}

pub(super) enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Reads the one document in `text`.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
    };
    let mut root = None;
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => return root.ok_or_else(|| problem(span, "there is nothing in it; `tollgate pack new` writes one")),
            _ if root.is_some() => return Err(problem(span, "more than one document; keep one")),
            event => root = Some(events.node(event, span, 0)?),
        }
    }
}

struct Events<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(scan_problem(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(problem(span, "nested too deep"));
        }
        let value = match event {
            Event::Scalar(_, _, anchor, ref tag) | Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(problem(span, "anchors and tags are not read; write the value plainly"));
            }
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            _ => return Err(problem(span, "aliases are not read; write the value plainly")),
        };
        let (line, column) = place(span);
        Ok(Node { line, column, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Problem> {
        let (mut pairs, mut seen) = (Vec::new(), HashSet::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(pairs);
            }
            let key = self.node(event, span, depth + 1)?;
            let Value::Text(name) = &key.value else {
                return Err(problem(span, "a key is a text"));
            };
            if !seen.insert(name.clone()) {
                return Err(problem(span, &format!("`{name}` is there twice; keep one")));
            }
            let (event, span) = self.next()?;
            pairs.push((key, self.node(event, span, depth + 1)?));
        }
    }
}

/// Line and column, as editors count them; the parser counts columns from 0.
fn place(span: Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

fn problem(span: Span, message: &str) -> Problem {
    let (line, column) = place(span);
    Problem {
        line,
        column,
        key: String::new(),
        message: message.to_owned(),
    }
}

fn scan_problem(error: &ScanError) -> Problem {
    let marker = error.marker();
    Problem {
        line: marker.line(),
        column: marker.col() + 1,
        key: String::new(),
        message: format!("not yaml: {}", error.info()),
    }
}
