//! A value of the manifest on its way to a domain type: knows where it stands and what is accepted there.

use super::{
    context::{Context, Located},
    keys::{self, Key},
};
use crate::{
    id::IdError,
    report::{At, listed, nearest, shown},
    tree::{Entry, Kind, Node, keeps_secrets, push_index, push_key},
};

/// One value.
#[derive(Debug)]
pub(super) struct Value<'n> {
    node: &'n Node<'n>,
    pub(super) at: At,
    accepts: &'static str,
    /// Stands under a key that keeps secrets: nothing of it is shown.
    hidden: bool,
}

impl<'n> Value<'n> {
    /// The whole file.
    pub(super) fn top(node: &'n Node<'n>) -> Self {
        let at = At {
            line: node.line,
            column: node.column,
            path: String::new(),
        };
        Self {
            node,
            at,
            accepts: "a mapping of the manifest's keys",
            hidden: false,
        }
    }

    fn under(entry: &'n Entry<'n>, path: &str, accepts: &'static str, hidden: bool) -> Self {
        let mut path = path.to_owned();
        push_key(&mut path, &entry.key);
        let Node { line, column, .. } = entry.value;
        Self {
            node: &entry.value,
            at: At { line, column, path },
            accepts,
            hidden: hidden || keeps_secrets(&entry.key),
        }
    }

    /// Reports that the value is wrong, and what is accepted. Always `None`, for the caller to return.
    pub(super) fn refuse<T>(&self, message: impl Into<String>, context: &mut Context) -> Option<T> {
        context.report.add(&self.at, message, Some(format!("accepted: {}", self.accepts)));
        None
    }

    /// Like [`Self::refuse`], with a hint of the caller's own.
    pub(super) fn refuse_with<T>(&self, message: impl Into<String>, help: impl Into<Option<String>>, context: &mut Context) -> Option<T> {
        context.report.add(&self.at, message, help.into());
        None
    }

    /// Reports that the value is of another kind.
    fn mismatch<T>(&self, context: &mut Context) -> Option<T> {
        let found = self.kind()?;
        self.refuse(format!("found {found}"), context)
    }

    /// Reports that the scalar is another than what is read here.
    fn mismatched_scalar<T>(&self, context: &mut Context) -> Option<T> {
        match &self.node.kind {
            Kind::Scalar { text, plain } if !self.hidden && !self.is_null() => {
                let what = if *plain { "" } else { "the text " };
                self.refuse(format!("found {what}{}", shown(text)), context)
            }
            _ => self.mismatch(context),
        }
    }

    /// What it is, in words; nothing where that has been reported.
    fn kind(&self) -> Option<String> {
        Some(match &self.node.kind {
            Kind::Broken => return None,
            _ if self.is_null() => "nothing".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Scalar { text, plain: true } if !self.hidden && (as_bool(text).is_some() || text.parse::<f64>().is_ok()) => shown(text),
            Kind::Scalar { .. } => "a text".to_owned(),
        })
    }

    fn is_null(&self) -> bool {
        matches!(&self.node.kind, Kind::Scalar { text, plain: true } if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The same value, of which something else is accepted.
    pub(super) fn accepting(&self, accepts: &'static str) -> Self {
        Self {
            at: self.at.clone(),
            accepts,
            ..*self
        }
    }

    /// The same value, told by the path of what it stands under.
    pub(super) fn at_path(&self, path: &str) -> Self {
        Self {
            at: At {
                path: path.to_owned(),
                ..self.at.clone()
            },
            ..*self
        }
    }

    /// Whether it is a mapping.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// Whether it is this word.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.node.kind, Kind::Scalar { text, .. } if text.as_ref() == word)
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.kind, Kind::List(_))
    }

    /// A text. A number is taken as it is written: `id: 7` names what `id: "7"` does.
    pub(super) fn text(&self, context: &mut Context) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Scalar { text, plain } if !self.is_null() && (!plain || as_bool(text).is_none()) => Some(text),
            _ => self.mismatch(context),
        }
    }

    /// Any scalar as it is written.
    pub(super) fn scalar(&self, context: &mut Context) -> Option<super::Scalar> {
        match &self.node.kind {
            Kind::Scalar { text, plain } if !self.is_null() => Some(match (plain, as_bool(text), as_integer(text)) {
                (true, Some(value), _) => super::Scalar::Bool(value),
                (true, None, Some(value)) => super::Scalar::Integer(value),
                _ => super::Scalar::Text(text.to_string()),
            }),
            _ => self.mismatch(context),
        }
    }

    /// Any scalar as the text that was written.
    pub(super) fn written(&self, context: &mut Context) -> Option<String> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text.to_string()),
            _ => self.mismatch(context),
        }
    }

    /// `true` or `false`, without quotes.
    pub(super) fn boolean(&self, context: &mut Context) -> Option<bool> {
        match &self.node.kind {
            Kind::Scalar { text, plain: true } if as_bool(text).is_some() => as_bool(text),
            _ => self.mismatched_scalar(context),
        }
    }

    /// A whole number that is not negative, without quotes.
    pub(super) fn integer(&self, context: &mut Context) -> Option<u64> {
        let number = match &self.node.kind {
            Kind::Scalar { text, plain: true } => as_integer(text).and_then(|number| u64::try_from(number).ok()),
            _ => None,
        };
        match number {
            Some(number) => Some(number),
            None => self.mismatched_scalar(context),
        }
    }

    /// A list's items. What is accepted of an item is said with the list.
    pub(super) fn list(&self, context: &mut Context) -> Option<Vec<Value<'n>>> {
        let Kind::List(items) = &self.node.kind else {
            return self.mismatch(context);
        };
        let item = |(index, node): (usize, &'n Node<'n>)| {
            let mut path = self.at.path.clone();
            push_index(&mut path, index);
            Value {
                node,
                at: At {
                    line: node.line,
                    column: node.column,
                    path,
                },
                ..*self
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// Reads every item of a list, which must have one; errors in one do not hide those in the next.
    pub(super) fn some<T>(&self, context: &mut Context, mut read: impl FnMut(&Value<'n>, &mut Context) -> Option<T>) -> Option<Vec<T>> {
        let items = self.list(context)?;
        if items.is_empty() {
            return self.refuse("found an empty list", context);
        }
        let read: Vec<_> = items.iter().map(|item| read(item, context)).collect();
        read.into_iter().collect()
    }

    /// A mapping whose keys the operator chooses: each with its name and place. `accepts` speaks of one value.
    pub(super) fn entries(&self, accepts: &'static str, context: &mut Context) -> Option<Vec<(Located<&'n str>, Value<'n>)>> {
        let Kind::Map(entries) = &self.node.kind else {
            return self.mismatch(context);
        };
        let entry = |entry: &'n Entry<'n>| {
            let value = Value::under(entry, &self.at.path, accepts, self.hidden);
            let at = At {
                line: entry.line,
                column: entry.column,
                path: value.at.path.clone(),
            };
            (Located { value: &*entry.key, at }, value)
        };
        Some(entries.iter().map(entry).collect())
    }

    /// A mapping of one of the manifest's sections: unknown keys and those of parts that are not built are reported.
    pub(super) fn fields(&self, section: &'static str, context: &mut Context) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &self.node.kind else {
            let keys = keys::of_section(section).filter(|key| key.built).map(|key| key.name);
            let help = format!("accepted: a mapping with the keys {}", listed(keys));
            return self.refuse_with(format!("found {}", self.kind()?), help, context);
        };
        let fields = Fields {
            section,
            at: self.at.clone(),
            entries,
            hidden: self.hidden,
        };
        for entry in entries {
            fields.check(entry, context);
        }
        Some(fields)
    }

    /// One of some words; a word of the design whose part is not built says so.
    pub(super) fn word<T: Copy>(
        &self,
        what: &str,
        built: &[(&'static str, T)],
        later: &[&'static str],
        context: &mut Context,
    ) -> Option<T> {
        let text = self.text(context)?;
        if let Some((_, value)) = built.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words = built.iter().map(|(word, _)| *word);
        if later.contains(&text) {
            let help = format!("accepted: {}", listed(words));
            return self.refuse_with(format!("{what} `{text}` is not built yet"), help, context);
        }
        let near = nearest(text, words.clone().chain(later.iter().copied()));
        let near = near.map(|word| format!("did you mean `{word}`? ")).unwrap_or_default();
        self.refuse_with(
            format!("unknown {what} {}", shown(text)),
            format!("{near}accepted: {}", listed(words)),
            context,
        )
    }

    /// A text that another type reads.
    pub(super) fn parse<T, E: ToString>(&self, read: impl FnOnce(&str) -> Result<T, E>, context: &mut Context) -> Option<T> {
        let text = self.text(context)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(error) if self.hidden => self.refuse(error.to_string(), context),
            Err(error) => self.refuse(format!("found {}: {}", shown(text), error.to_string()), context),
        }
    }

    /// An id, with its place for the checks of what refers to what.
    pub(super) fn id<T>(&self, new: impl FnOnce(&str) -> Result<T, IdError>, context: &mut Context) -> Option<Located<T>> {
        let at = self.at.clone();
        self.parse(new, context).map(|value| Located { value, at })
    }

    /// A file or folder, from the manifest's folder.
    pub(super) fn path(&self, context: &mut Context) -> Option<std::path::PathBuf> {
        let text = self.text(context)?;
        if text.is_empty() || text.contains('\0') {
            return self.refuse("found no path", context);
        }
        Some(context.join(text))
    }
}

/// `true` and `false` as YAML's core schema has them (YAML 1.2.2, 10.3.2); `yes` and `on` are texts.
fn as_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A number in the one way to write it: `0123` and `1_000` are texts, for ids that look like numbers must not change.
fn as_integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A mapping of one of the manifest's sections.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    section: &'static str,
    pub(super) at: At,
    entries: &'n [Entry<'n>],
    hidden: bool,
}

impl<'n> Fields<'n> {
    fn check(&self, entry: &Entry<'_>, context: &mut Context) {
        let keys = || keys::of_section(self.section);
        let near = || nearest(&entry.key, keys().map(|key| key.name));
        let accepted = || listed(keys().filter(|key| key.built).map(|key| key.name));
        let mut at = At {
            line: entry.line,
            column: entry.column,
            path: self.at.path.clone(),
        };
        match keys::find(self.section, &entry.key) {
            Some(Key { built: true, .. }) => {}
            Some(key) => {
                push_key(&mut at.path, key.name);
                let message = format!("`{}` is not built yet: {}", key.name, key.what);
                context.report.add(&at, message, None);
            }
            // Under a key that keeps secrets, what stands here may be the secret: only a slip of a known key is shown.
            None if self.hidden && near().is_none() => {
                let help = format!("accepted: {}", accepted());
                context.report.add(&at, "unknown key", Some(help));
            }
            None => {
                push_key(&mut at.path, &entry.key);
                let near = near().map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let help = format!("{near}accepted: {}", accepted());
                context.report.add(&at, format!("unknown key {}", shown(&entry.key)), Some(help));
            }
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<Value<'n>> {
        let key = keys::find(self.section, name);
        debug_assert!(
            key.is_some_and(|key| key.built),
            "{}.{name} is read, so it is a known key",
            self.section
        );
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(Value::under(entry, &self.at.path, key.map_or("", |key| key.accepts), self.hidden))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, name: &str, context: &mut Context) -> Option<Value<'n>> {
        let value = self.get(name);
        if value.is_none() {
            let mut at = self.at.clone();
            push_key(&mut at.path, name);
            let accepts = keys::find(self.section, name).map(|key| format!("accepted: {}", key.accepts));
            context.report.add(&at, format!("`{name}` is missing"), accepts);
        }
        value
    }
}
