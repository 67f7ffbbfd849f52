//! `manifest.cbor`: what a pack says that it is.

use crate::{
    canonical::{self, CborError},
    engine::Engine,
    warm_up::{self, Request},
};
use serde::{Deserialize, Serialize};

/// Where the manifest lies.
pub const PATH: &str = "manifest.cbor";

/// The schema that this build writes and reads, less its number.
const SCHEMA_PREFIX: &str = "tollgate.pack/v";
/// The schema that this build writes and reads.
pub const SCHEMA: &str = "tollgate.pack/v1";
/// The number of [`SCHEMA`].
const SCHEMA_NUMBER: u32 = 1;
/// The schema of packs that the platform's own tools make.
const PLATFORM_SCHEMA: &str = "pack-v1";

/// Largest manifest, in bytes: many times what the most components need, little to decode.
pub const MAX_SIZE: usize = 256 << 10;
/// Longest id or version, in bytes: fits a folder name and a label.
const MAX_ID_LEN: usize = 64;
/// Longest text for people, in bytes.
const MAX_TEXT_LEN: usize = 128;
/// Most components of one pack.
const MAX_COMPONENTS: usize = 64;

/// What a pack is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It answers requests or messages.
    Application,
    /// It connects a provider.
    Provider,
    /// It serves the platform itself.
    Infrastructure,
    /// It is used by other packs.
    Library,
}

/// The manifest. Fields stand in the order of their CBOR keys (RFC 8949 4.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the pack is for.
    pub kind: Kind,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its id: ASCII letters, digits, `.`, `_`, `-`.
    pub pack_id: String,
    /// Its semantic version.
    pub version: String,
    /// Who publishes it.
    pub publisher: String,
    /// Its components, in order of id and version.
    pub components: Vec<Component>,
    /// [`SCHEMA`].
    pub schema_version: String,
}

/// One component of a pack. Fields stand in the order of their CBOR keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its id: ASCII letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// The WIT world that it implements.
    pub world: String,
    /// The engine that runs it. Not written when it is the default one.
    #[serde(default, skip_serializing_if = "Engine::is_default")]
    pub engine: Engine,
    /// Its semantic version.
    pub version: String,
    /// What it is asked before a snapshot of it is taken; not said: `GET /`. An empty list: no snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Vec<Request>>,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MAX_SIZE`].
    #[error("manifest.cbor has {0} bytes, more than the {MAX_SIZE} that it may have")]
    TooLarge(usize),
    /// Not canonical CBOR of this shape.
    #[error("manifest.cbor {0}")]
    Cbor(CborError),
    /// Of a later version of the format.
    #[error("the pack has schema `{SCHEMA_PREFIX}{0}`, newer than the `{SCHEMA}` that this build reads; run a newer tollgate")]
    Newer(u32),
    /// Of the platform's own tools.
    #[error(
        "the pack has the platform's own schema `{PLATFORM_SCHEMA}`, which this build does not read yet; build it with `tollgate pack build`"
    )]
    Platform,
    /// Of something else.
    #[error("the pack has the schema {0:?}, which is not known; this build reads `{SCHEMA}`")]
    Schema(String),
    /// A value that is not allowed.
    #[error("{key} {why}")]
    Value {
        /// Which value.
        key: String,
        /// What is wrong with it.
        why: ValueError,
    },
    /// No component answers HTTP.
    #[error("no component of the pack has the world `wasi:http/proxy@0.2` or `wasi:http/service@0.3`; a pack needs one to answer requests")]
    NoHttpComponent,
    /// More than one answers HTTP.
    #[error(
        "{0} components of the pack have the world `wasi:http/proxy@0.2` or `wasi:http/service@0.3`; which one answers cannot be told: keep one"
    )]
    ManyHttpComponents(usize),
    /// More than the most.
    #[error("the pack has {0} components, more than the {MAX_COMPONENTS} that it may have")]
    TooManyComponents(usize),
    /// Out of order, or one twice.
    #[error("the components are not in order, or {0:?} is there twice; build the pack with `tollgate pack build`")]
    ComponentOrder(String),
}

// Not by `#[from]`, which would make it the source too: the message above prints it already.
impl From<CborError> for ManifestError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

/// What is wrong with a value. Reads on after its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No id.
    #[error("{0:?} is no id; use 1 to {MAX_ID_LEN} ASCII letters, digits, `.`, `_` and `-`")]
    Id(String),
    /// No semantic version.
    #[error("{0:?} is no semantic version; write it as `1.2.3`")]
    Version(String),
    /// No text for people.
    #[error("is empty, longer than {MAX_TEXT_LEN} bytes, or holds control characters")]
    Text,
    /// No world.
    #[error("{0:?} names no WIT world; write it as `wasi:http/proxy@0.2.0`")]
    World(String),
    /// No request of a warm-up.
    #[error("{0}")]
    WarmUp(&'static str),
}

impl Component {
    /// Where the component lies in the pack.
    pub fn path(&self) -> String {
        format!("components/{}@{}/component.wasm", self.id, self.version)
    }

    /// Whether it answers HTTP: its world is `wasi:http/proxy` of any 0.2 release (`@0.2` or `@0.2.3`), or `wasi:http/service` of any 0.3, which are
    /// compatible with each other.
    pub fn answers_http(&self) -> bool {
        is_release(&self.world, "wasi:http/proxy@0.2") || self.is_service()
    }

    /// Whether it answers by `wasi:http` 0.3.
    pub fn is_service(&self) -> bool {
        is_release(&self.world, "wasi:http/service@0.3")
    }
}

/// Whether a world is this one in one of its patch releases.
fn is_release(world: &str, minor: &str) -> bool {
    match world.strip_prefix(minor) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('.')
            .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit())),
        None => false,
    }
}

impl Manifest {
    /// Reads a manifest and checks it.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Schema {
            schema_version: String,
        }
        if bytes.len() > MAX_SIZE {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let schema: Schema = canonical::read_loosely(bytes)?;
        if schema.schema_version != SCHEMA {
            return Err(other_schema(schema.schema_version));
        }
        let manifest: Self = canonical::read(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest's bytes.
    pub fn write(&self) -> Vec<u8> {
        canonical::write(self)
    }

    /// The one component that answers HTTP.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn http_component(&self) -> Result<&Component, ManifestError> {
        let mut found = self.components.iter().filter(|component| component.answers_http());
        let first = found.next().ok_or(ManifestError::NoHttpComponent)?;
        match found.count() {
            0 => Ok(first),
            more => Err(ManifestError::ManyHttpComponents(more + 1)),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ManifestError> {
        let named = |key: &'static str| move |why| ManifestError::Value { key: key.to_owned(), why };
        check_id(&self.pack_id).map_err(named("pack_id"))?;
        check_version(&self.version).map_err(named("version"))?;
        check_text(&self.publisher).map_err(named("publisher"))?;
        self.name.as_deref().map_or(Ok(()), check_text).map_err(named("name"))?;
        if self.components.len() > MAX_COMPONENTS {
            return Err(ManifestError::TooManyComponents(self.components.len()));
        }
        for component in &self.components {
            check_id(&component.id).map_err(named("components[].id"))?;
            check_version(&component.version).map_err(named("components[].version"))?;
            check_world(&component.world).map_err(named("components[].world"))?;
            let requests = component.warm_up.as_deref().unwrap_or_default();
            warm_up::check_count(requests.len()).map_err(named("components[].warm_up"))?;
            requests
                .iter()
                .try_for_each(Request::check)
                .map_err(named("components[].warm_up[]"))?;
        }
        let pairs = self.components.iter().zip(self.components.iter().skip(1));
        for (one, next) in pairs {
            if (&one.id, &one.version) >= (&next.id, &next.version) {
                return Err(ManifestError::ComponentOrder(next.id.clone()));
            }
        }
        self.http_component().map(|_| ())
    }
}

fn other_schema(found: String) -> ManifestError {
    if found == PLATFORM_SCHEMA {
        return ManifestError::Platform;
    }
    match found.strip_prefix(SCHEMA_PREFIX).and_then(|number| number.parse().ok()) {
        Some(number) if number > SCHEMA_NUMBER => ManifestError::Newer(number),
        _ => ManifestError::Schema(found.chars().take(MAX_TEXT_LEN).collect()),
    }
}

/// An id stands in paths and labels as it is.
pub(crate) fn check_id(text: &str) -> Result<(), ValueError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    // A leading or trailing dot hides a folder or is dropped by some systems.
    let fits = (1..=MAX_ID_LEN).contains(&text.len()) && !text.starts_with('.') && !text.ends_with('.');
    if plain && fits {
        Ok(())
    } else {
        Err(ValueError::Id(text.chars().take(MAX_ID_LEN).collect()))
    }
}

pub(crate) fn check_version(text: &str) -> Result<(), ValueError> {
    let written_plainly = text.len() <= MAX_ID_LEN && semver::Version::parse(text).is_ok_and(|version| version.to_string() == text);
    if written_plainly {
        Ok(())
    } else {
        Err(ValueError::Version(text.chars().take(MAX_ID_LEN).collect()))
    }
}

/// Text that is shown: without control characters and the marks that turn its direction, so that it cannot rewrite a terminal.
pub(crate) fn check_text(text: &str) -> Result<(), ValueError> {
    let tricky =
        |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if (1..=MAX_TEXT_LEN).contains(&text.len()) && !text.chars().any(tricky) {
        Ok(())
    } else {
        Err(ValueError::Text)
    }
}

pub(crate) fn check_world(text: &str) -> Result<(), ValueError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/@.-+".contains(&byte));
    if plain && text.len() <= MAX_TEXT_LEN && text.contains(':') && text.contains('/') {
        Ok(())
    } else {
        Err(ValueError::World(text.chars().take(MAX_TEXT_LEN).collect()))
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]
mod tests;
