//! Which of the host's engines runs a component.

use serde::{Deserialize, Serialize};

/// An engine, by the name that packs say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// For compiled languages: small instances, many at once.
    #[default]
    Default,
    /// For a language's whole interpreter (JavaScript, Python): large instances, fewer at once.
    Large,
    /// For components that answer by `wasi:http/handler` 0.3.
    Async,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Large, Self::Async];

    /// As packs say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Large => "large",
            Self::Async => "async",
        }
    }

    /// The engine of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    // By reference: serde asks so.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_name() {
        for engine in Engine::ALL {
            assert_eq!(Engine::named(engine.name()), Some(engine));
        }
        assert_eq!(Engine::named("Large"), None);
    }
}
