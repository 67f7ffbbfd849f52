//! `tollgate pack new`: a worker project that builds.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What is written. `{name}` is the project's name, `{crate}` the same as rustc spells it.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/cargo.toml")),
    ("src/lib.rs", include_str!("template/worker.rs")),
    ("pack.yaml", include_str!("template/pack.yaml")),
    (".gitignore", include_str!("template/gitignore")),
    ("README.md", include_str!("template/README.md")),
];

/// Longest name, in bytes: as long as a pack's id.
const MAX_NAME_LEN: usize = 64;

/// Names that cargo refuses for a package, or that shadow what every crate uses: Rust's keywords and its own crates.
const RESERVED: [&str; 57] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "wasip2",
    "where",
    "while",
];

/// Why a project was not written, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The name is no crate's.
    #[error(
        "{0:?} cannot name a worker; use 1 to {MAX_NAME_LEN} lower-case letters, digits and `-`, starting with a letter, and no word of Rust's own"
    )]
    Name(String),
    /// There is something in the folder.
    #[error("{} is not empty, and nothing in it is overwritten; choose another name or folder", .0.display())]
    NotEmpty(PathBuf),
    /// A file or folder cannot be written.
    #[error("{} cannot be written{}", path.display(), left(written))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Files of the project that were written before; they are left there.
        written: Vec<PathBuf>,
        /// Why.
        source: io::Error,
    },
}

fn left(written: &[PathBuf]) -> String {
    if written.is_empty() {
        return "; nothing was".to_owned();
    }
    let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    format!("; already there are {}: remove them before the next try", names.join(", "))
}

/// Writes a worker project named `name` into `folder`, which is made if it is missing. Gives the files that were written.
///
/// # Errors
/// When the name is no crate's, the folder holds anything, or a file cannot be written; the error tells which files were.
pub fn new_project(folder: &Path, name: &str) -> Result<Vec<PathBuf>, TemplateError> {
    check_name(name)?;
    let mut written = Vec::with_capacity(FILES.len());
    let fail = |path: &Path, written: &[PathBuf], source| TemplateError::Write {
        path: path.to_owned(),
        written: written.to_vec(),
        source,
    };
    fs::create_dir_all(folder).map_err(|error| fail(folder, &written, error))?;
    let mut there = fs::read_dir(folder).map_err(|error| fail(folder, &written, error))?;
    if there.next().is_some() {
        return Err(TemplateError::NotEmpty(folder.to_owned()));
    }
    for (file, text) in FILES {
        let path = folder.join(file);
        let text = text.replace("{name}", name).replace("{crate}", &name.replace('-', "_"));
        write(&path, &text).map_err(|error| fail(&path, &written, error))?;
        written.push(path);
    }
    Ok(written)
}

fn check_name(name: &str) -> Result<(), TemplateError> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let fits = name.len() <= MAX_NAME_LEN && name.starts_with(|c: char| c.is_ascii_lowercase());
    if plain && fits && !RESERVED.contains(&name) {
        Ok(())
    } else {
        Err(TemplateError::Name(name.chars().take(MAX_NAME_LEN).collect()))
    }
}

/// A new file; one that appeared meanwhile is left alone.
fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    #[test]
    fn a_project_is_written_once_and_its_description_is_sound() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let folder = parent.path().join("my-worker");
        let written = new_project(&folder, "my-worker")?;
        assert_eq!(written.len(), FILES.len());
        let described = source::read(&fs::read_to_string(folder.join("pack.yaml"))?)?;
        assert_eq!(described.manifest.pack_id, "my-worker");
        assert_eq!(described.wasm, ["target/wasm32-wasip2/release/my_worker.wasm"]);
        for path in &written {
            let text = fs::read_to_string(path)?;
            assert!(
                !text.contains("{name}") && !text.contains("{crate}"),
                "{} has a hole",
                path.display()
            );
        }
        fs::write(folder.join("README.md"), "mine")?;
        assert!(matches!(new_project(&folder, "my-worker"), Err(TemplateError::NotEmpty(_))));
        assert_eq!(fs::read_to_string(folder.join("README.md"))?, "mine");
        Ok(())
    }

    #[test]
    fn what_was_written_before_a_failure_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let file = parent.path().join("file");
        fs::write(&file, "")?;
        let error = new_project(&file.join("below"), "a").map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.ends_with("cannot be written; nothing was")));
        let error = TemplateError::Write {
            path: "b".into(),
            written: vec!["a/Cargo.toml".into()],
            source: io::Error::other("full"),
        };
        assert!(error.to_string().contains("already there are a/Cargo.toml"));
        Ok(())
    }

    #[test]
    fn a_name_is_a_crates_name() {
        let long = "x".repeat(MAX_NAME_LEN + 1);
        for name in ["", "A", "1a", "-a", "a_b", "a/b", "..", "a b", "fn", "std", "é", long.as_str()] {
            assert!(
                matches!(new_project(Path::new("/nowhere"), name), Err(TemplateError::Name(_))),
                "{name:?}"
            );
        }
        assert!(RESERVED.is_sorted());
    }
}
