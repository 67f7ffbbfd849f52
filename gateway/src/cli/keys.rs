//! `tollgate keys`: keys that packs are signed with.

use super::report::{Failure, Outcome};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tollgate_packs::SigningKey;

/// Keys that packs are signed with.
#[derive(Debug, clap::Subcommand)]
pub enum Keys {
    /// Make an Ed25519 key: PREFIX.key (private, PKCS#8 PEM, mode 0600) and PREFIX.pub (public, SPKI PEM)
    Generate {
        /// Where to; nothing is overwritten
        #[arg(long, value_name = "PREFIX")]
        out: PathBuf,
    },
}

#[derive(Serialize)]
struct Generated {
    id: String,
    private: String,
    public: String,
}

impl Keys {
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "generate",
        }
    }

    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Generate { out } => generate(&out),
        }
    }
}

fn generate(prefix: &Path) -> Result<Outcome, Failure> {
    let failed = |error| Failure::chain("key", &error);
    let key = SigningKey::generate().map_err(failed)?;
    key.write(prefix).map_err(failed)?;
    let prefix = prefix.display();
    let made = Generated {
        id: key.public().id.to_string(),
        private: format!("{prefix}.key"),
        public: format!("{prefix}.pub"),
    };
    let text = format!(
        "{} (keep it secret)\n{} (list it under trust.keys)\nkey id {}",
        made.private, made.public, made.id
    );
    Outcome::new(&made, text)
}
