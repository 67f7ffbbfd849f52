//! `pack.yaml`: the description of a pack's source folder, in the platform's words.
//!
//! ```yaml
//! pack_id: support
//! version: 0.1.0
//! kind: application            # application | provider | infrastructure | library
//! publisher: acme
//! name: Support                # optional
//! components:
//!   - id: support
//!     version: 0.1.0
//!     world: "wasi:http/proxy@0.2.0"
//!     wasm: target/wasm32-wasip2/release/support.wasm
//!     engine: large            # optional; default, large for a language's whole interpreter, async for wasi:http/service@0.3
//!     warm_up:                 # optional; `GET /` when it is not there, no snapshot when it is empty
//!       - { path: /, method: POST, headers: { content-type: application/json }, body: "{}" }
//! assets:                      # optional; a file or a folder, which keeps its path below assets/
//!   - path: assets
//! ```

mod warm_up;
mod yaml;

use crate::{
    archive::check_path,
    engine::Engine,
    manifest::{Component, Kind, Manifest, SCHEMA, ValueError, check_id, check_text, check_version, check_world},
};
use std::fmt;
use yaml::{Node, Value};

/// The file's name.
pub const FILE: &str = "pack.yaml";
/// Largest description, in bytes; it is written by hand.
pub const MAX_SIZE: u64 = 64 << 10;

/// Keys of the platform's description whose parts are not built yet, wherever they stand.
const LATER: [&str; 10] = [
    "flows",
    "dependencies",
    "extensions",
    "bootstrap",
    "supports",
    "profiles",
    "capabilities",
    "operations",
    "config_schema",
    "resources",
];

/// One thing that is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The path of the key, as `components[0].wasm`; empty for the whole file.
    pub key: String,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FILE}:{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// All that is wrong with a description, in its order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A description: the manifest to be, and where its files are. Paths are relative to the description's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The manifest.
    pub manifest: Manifest,
    /// Where each component's file is, in the order of the manifest's components.
    pub wasm: Vec<String>,
    /// Files and folders of assets.
    pub assets: Vec<String>,
}

/// Reads a description.
///
/// # Errors
/// All that is wrong, at once, each with its place.
pub fn read(text: &str) -> Result<Source, Problems> {
    let root = yaml::parse(text).map_err(|problem| Problems(vec![problem]))?;
    let mut reader = Reader::default();
    let source = reader.source(&root);
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    match source {
        Some(source) if reader.problems.is_empty() => Ok(source),
        _ => Err(Problems(reader.problems)),
    }
}

/// Reads nodes and gathers what is wrong. A method gives `None` only when it has noted why.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn note(&mut self, node: &Node, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            line: node.line,
            column: node.column,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    fn source(&mut self, root: &Node) -> Option<Source> {
        let map = self.map(
            root,
            "",
            &["pack_id", "version", "kind", "publisher", "name", "components", "assets"],
        )?;
        let pack_id = self.text(root, map, "", "pack_id", check_id);
        let version = self.text(root, map, "", "version", check_version);
        let kind = self.kind(root, map);
        let publisher = self.text(root, map, "", "publisher", check_text);
        let name = find(map, "name").and_then(|_| self.text(root, map, "", "name", check_text));
        let components = self.components(root, map);
        let assets = self.assets(map);
        let (mut components, assets) = (components?, assets?);
        components.sort_by(|(one, _), (other, _)| (&one.id, &one.version).cmp(&(&other.id, &other.version)));
        let (components, wasm) = components.into_iter().unzip();
        let manifest = Manifest {
            kind: kind?,
            name,
            version: version?,
            pack_id: pack_id?,
            publisher: publisher?,
            components,
            schema_version: SCHEMA.to_owned(),
        };
        if let Err(error) = manifest.check() {
            self.note(root, "components", error.to_string());
        }
        Some(Source { manifest, wasm, assets })
    }

    fn kind(&mut self, root: &Node, map: &[(Node, Node)]) -> Option<Kind> {
        let text = self.text(root, map, "", "kind", |_| Ok(()))?;
        let kind = match text.as_str() {
            "application" => Some(Kind::Application),
            "provider" => Some(Kind::Provider),
            "infrastructure" => Some(Kind::Infrastructure),
            "library" => Some(Kind::Library),
            _ => None,
        };
        if kind.is_none() {
            self.note(
                find(map, "kind")?,
                "kind",
                format!("{text:?} is no kind; use application, provider, infrastructure or library"),
            );
        }
        kind
    }

    fn components(&mut self, root: &Node, map: &[(Node, Node)]) -> Option<Vec<(Component, String)>> {
        let Some(list) = find(map, "components") else {
            self.note(root, "components", "missing; name the component that answers HTTP");
            return None;
        };
        let items = self.list(list, "components")?;
        // All are read before any is given up, so that every problem is told.
        let read: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(at, item)| self.component(item, &format!("components[{at}]")))
            .collect();
        read.into_iter().collect()
    }

    fn component(&mut self, node: &Node, key: &str) -> Option<(Component, String)> {
        let map = self.map(node, key, &["id", "version", "world", "wasm", "engine", "warm_up"])?;
        let id = self.text(node, map, key, "id", check_id);
        let version = self.text(node, map, key, "version", check_version);
        let world = self.text(node, map, key, "world", check_world);
        let wasm = self.path(node, map, key, "wasm");
        let engine = self.engine(map, &join(key, "engine"));
        let warm_up = match find(map, "warm_up") {
            None => None,
            Some(list) => Some(self.warm_up(list, &join(key, "warm_up"))?),
        };
        let component = Component {
            id: id?,
            world: world?,
            engine: engine?,
            version: version?,
            warm_up,
        };
        let world = find(map, "world").unwrap_or(node);
        if !component.answers_http() {
            let message = format!(
                "{:?} is not built yet; a component of this version answers HTTP: `wasi:http/proxy@0.2.0`, or `wasi:http/service@0.3.0` on `engine: async`",
                component.world
            );
            self.note(world, &join(key, "world"), message);
        } else if component.is_service() != (component.engine == Engine::Async) {
            let message = if component.is_service() {
                "only the engine `async` runs it: say `engine: async`"
            } else {
                "the engine `async` does not run it: leave `engine` out, or say `wasi:http/service@0.3.0` if that is what it is"
            };
            self.note(world, &join(key, "world"), message);
        }
        Some((component, wasm?))
    }

    fn engine(&mut self, map: &[(Node, Node)], key: &str) -> Option<Engine> {
        let Some(node) = find(map, "engine") else {
            return Some(Engine::default());
        };
        let named = match &node.value {
            Value::Text(name) => Engine::named(name),
            _ => None,
        };
        if named.is_none() {
            let names = Engine::ALL.map(Engine::name).join(", ");
            self.note(node, key, format!("is no engine; use one of: {names}"));
        }
        named
    }

    fn assets(&mut self, map: &[(Node, Node)]) -> Option<Vec<String>> {
        let Some(list) = find(map, "assets") else {
            return Some(Vec::new());
        };
        let items = self.list(list, "assets")?;
        let mut assets = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let key = format!("assets[{at}]");
            let map = self.map(item, &key, &["path"]);
            assets.push(map.and_then(|map| self.path(item, map, &key, "path")));
        }
        assets.into_iter().collect()
    }

    /// A required text that passes `check`.
    fn text(
        &mut self,
        parent: &Node,
        map: &[(Node, Node)],
        path: &str,
        key: &str,
        check: fn(&str) -> Result<(), ValueError>,
    ) -> Option<String> {
        let path = join(path, key);
        let Some(node) = find(map, key) else {
            self.note(parent, &path, "missing");
            return None;
        };
        let Value::Text(text) = &node.value else {
            self.note(node, &path, "a text is expected here");
            return None;
        };
        match check(text) {
            Ok(()) => Some(text.clone()),
            Err(why) => {
                self.note(node, &path, why.to_string());
                None
            }
        }
    }

    /// A required path within the folder.
    fn path(&mut self, parent: &Node, map: &[(Node, Node)], path: &str, key: &str) -> Option<String> {
        let text = self.text(parent, map, path, key, |_| Ok(()))?;
        match check_path(&text) {
            Ok(()) => Some(text),
            Err(why) => {
                self.note(
                    find(map, key).unwrap_or(parent),
                    &join(path, key),
                    format!("the path {text:?} {why}"),
                );
                None
            }
        }
    }

    /// A map with no other keys than these.
    fn map<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Option<&'n [(Node, Node)]> {
        let Value::Map(map) = &node.value else {
            self.note(node, path, format!("a map is expected here, with the keys {}", known.join(", ")));
            return None;
        };
        for (key, _) in map {
            let Value::Text(name) = &key.value else { continue };
            if known.contains(&name.as_str()) {
                continue;
            }
            let message = if LATER.contains(&name.as_str()) {
                "not built yet; remove it".to_owned()
            } else {
                format!("unknown key; known here are {}", known.join(", "))
            };
            self.note(key, &join(path, name), message);
        }
        Some(map)
    }

    fn list<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                self.note(node, path, "a list is expected here");
                None
            }
        }
    }
}

fn find<'n>(map: &'n [(Node, Node)], name: &str) -> Option<&'n Node> {
    map.iter()
        .find(|(key, _)| matches!(&key.value, Value::Text(text) if text == name))
        .map(|(_, value)| value)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests;
