//! `docs/pack-format.md` is held to the code: every limit with its value, every error by its name.

use tollgate_packs::{archive, manifest, sbom, signature, source};

const DOCUMENT: &str = include_str!("../../../docs/pack-format.md");

#[test]
fn every_limit_is_documented_with_its_value() {
    for (name, value) in [
        ("archive::MAX_PACK_SIZE", archive::MAX_PACK_SIZE as u64),
        ("archive::MAX_ENTRY_SIZE", archive::MAX_ENTRY_SIZE as u64),
        ("archive::MAX_ENTRIES", archive::MAX_ENTRIES as u64),
        ("archive::MAX_PATH_LEN", archive::MAX_PATH_LEN as u64),
        ("manifest::MAX_SIZE", manifest::MAX_SIZE as u64),
        ("sbom::MAX_SIZE", sbom::MAX_SIZE as u64),
        ("signature::MAX_SIZE", signature::MAX_SIZE as u64),
        ("source::MAX_SIZE", source::MAX_SIZE),
    ] {
        assert!(
            DOCUMENT.contains(&format!("| `{name}` | {value} |")),
            "{name} is not documented as {value}"
        );
    }
}

#[test]
fn every_error_is_documented() {
    for (name, text) in [
        ("OpenError", include_str!("../../src/open.rs")),
        ("ArchiveError", include_str!("../../src/archive/error.rs")),
        ("PathError", include_str!("../../src/archive/path.rs")),
        ("SignatureError", include_str!("../../src/signature.rs")),
        ("ManifestError", include_str!("../../src/manifest.rs")),
        ("SbomError", include_str!("../../src/sbom.rs")),
    ] {
        let rows: String = DOCUMENT
            .lines()
            .filter(|line| line.starts_with('|') && line.contains(name))
            .collect();
        let (_, body) = text.split_once(&format!("pub enum {name} {{")).unwrap();
        let (body, _) = body.split_once("\n}").unwrap();
        let variants: Vec<&str> = body.lines().filter_map(variant).collect();
        assert!(variants.len() > 5, "{name}: {variants:?}");
        for variant in variants {
            assert!(
                rows.contains(&format!("`{variant}`")) || rows.contains(&format!("`{name}::{variant}`")),
                "{name}::{variant} is not documented"
            );
        }
    }
}

/// The name of the variant that starts on this line.
fn variant(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("    ")
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
}
