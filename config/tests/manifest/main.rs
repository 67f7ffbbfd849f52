//! The manifest as operators meet it: what is accepted, what is refused and with which words, and the document that says so.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod accepted;
mod document;
mod every_key;
mod refused;
mod seeds;

use std::path::Path;
use tollgate_config::Environment;

/// The manifest of the documents.
const EXAMPLE: &str = include_str!("example.yaml");

/// What a manifest without more begins with; what follows starts in line 4.
const HEAD: &str = "schema: tollgate.environment/v1\nenvironment: local\nlisteners: [{ address: 127.0.0.1:0 }]\n";

fn parse(text: &str) -> Result<Environment, Vec<String>> {
    Environment::parse(text, Path::new("conf/t.yaml")).map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
}
