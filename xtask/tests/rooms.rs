//! The invariants of ARCHITECTURE.md: which room may import which, who alone knows an outside library, and what the pure rooms never touch.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Every import between rooms. A new line here is a decision.
const IMPORTS: &[(&str, &[&str])] = &[
    (
        "tollgate",
        &[
            "tollgate-config",
            "tollgate-host",
            "tollgate-ingress",
            "tollgate-packs",
            "tollgate-store",
        ],
    ),
    (
        "tollgate-benches",
        &[
            "tollgate-config",
            "tollgate-host",
            "tollgate-ingress",
            "tollgate-packs",
            "tollgate-store",
        ],
    ),
    ("tollgate-config", &[]),
    ("tollgate-host", &["tollgate-config", "tollgate-store"]),
    ("tollgate-ingress", &["tollgate-config"]),
    ("tollgate-packs", &["tollgate-config"]),
    ("tollgate-store", &["tollgate-config"]),
    ("xtask", &["tollgate-config", "tollgate-ingress", "tollgate-packs"]),
];

/// Outside libraries (a name, or its beginning before `*`) and the only rooms that may know them.
const OWNED: &[(&[&str], &[&str])] = &[
    (
        &[
            "hyper",
            "hyper-util",
            "h2",
            "h3",
            "h3-quinn",
            "quinn",
            "quinn-proto",
            "rustls",
            "tokio-rustls",
            "rcgen",
        ],
        // The benches have a peer that answers natively.
        &["tollgate", "tollgate-benches"],
    ),
    (
        &["wasmtime", "wasmtime-*", "wasmparser", "wasm-encoder", "cranelift-*"],
        &["tollgate-host"],
    ),
    (&["sled", "redb", "redis"], &["tollgate-store"]),
    (
        &["oci-*", "object_store", "aws-sdk-*", "azure_*", "google-cloud-*"],
        &["tollgate-packs"],
    ),
];

/// What parses and decides takes bytes, keys and a time; these would bring files, sockets, clocks or chance.
const PURE: &[&str] = &["tollgate-config", "tollgate-ingress"];
const IMPURE_LIBRARIES: &[&str] = &[
    "async-std",
    "getrandom",
    "mio",
    "rand",
    "rand_core",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "tokio-*",
    "ureq",
    "uuid",
];
const IMPURE_WORDS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "now_utc",
    "now_local",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "env::var",
];

/// Loads compiled workers, which no type system can vouch for. Every other room forbids unsafe code.
const UNSAFE: &[&str] = &["tollgate-host"];

/// STYLE: nine in ten files under 400 lines, none over this but tables and tests.
const LONGEST_FILE: usize = 800;

struct Room {
    name: String,
    folder: PathBuf,
    /// Direct dependencies of every kind but tests' own.
    imports: BTreeSet<String>,
}

impl Room {
    fn sources(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a readable folder") {
                let path = entry.expect("a readable entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push(path);
                }
            }
        }
        files
    }
}

fn rooms() -> Vec<Room> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata in JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
            Room {
                name: text(&package["name"]),
                folder: Path::new(&text(&package["manifest_path"])).parent().expect("a folder").into(),
                imports: dependencies
                    .filter(|dependency| dependency["kind"] != "dev")
                    .map(|dependency| text(&dependency["name"]))
                    .collect(),
            }
        })
        .collect()
}

fn matches(patterns: &[&str], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| pattern.strip_suffix('*').map_or(*pattern == name, |start| name.starts_with(start)))
}

#[test]
fn imports_between_rooms_run_one_way() {
    let allowed: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let rooms = rooms();
    assert_eq!(
        rooms.iter().map(|room| room.name.as_str()).collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect(),
        "the rooms"
    );
    for room in &rooms {
        for import in room.imports.iter().filter(|import| allowed.contains_key(import.as_str())) {
            assert!(
                allowed[room.name.as_str()].contains(&import.as_str()),
                "{} imports {import}",
                room.name
            );
        }
    }
}

#[test]
fn outside_libraries_have_one_home() {
    for room in rooms() {
        for (libraries, homes) in OWNED {
            let known: Vec<_> = room.imports.iter().filter(|import| matches(libraries, import)).collect();
            assert!(
                known.is_empty() || homes.contains(&room.name.as_str()),
                "{} knows {known:?}, which belongs to {homes:?}",
                room.name
            );
        }
    }
}

#[test]
fn pure_rooms_stay_pure() {
    for room in rooms().iter().filter(|room| PURE.contains(&room.name.as_str())) {
        let impure: Vec<_> = room.imports.iter().filter(|import| matches(IMPURE_LIBRARIES, import)).collect();
        assert!(impure.is_empty(), "{} depends on {impure:?}", room.name);
        for file in room.sources() {
            let source = fs::read_to_string(&file).expect("a readable file");
            for word in IMPURE_WORDS {
                assert!(!source.contains(word), "{} says {word}", file.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    for room in rooms().iter().filter(|room| !UNSAFE.contains(&room.name.as_str())) {
        let roots: Vec<_> = ["lib.rs", "main.rs"]
            .iter()
            .map(|name| room.folder.join("src").join(name))
            .filter(|file| file.is_file())
            .collect();
        assert!(!roots.is_empty(), "{} has no source", room.name);
        for root in roots {
            let source = fs::read_to_string(&root).expect("a readable file");
            assert!(
                source.contains("#![forbid(unsafe_code)]"),
                "{} does not forbid unsafe code",
                root.display()
            );
        }
    }
}

#[test]
fn files_are_short_and_modules_are_named() {
    for room in rooms() {
        for file in room.sources() {
            let lines = fs::read_to_string(&file).expect("a readable file").lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", file.display());
            assert!(!file.ends_with("mod.rs"), "{}: foo.rs beside foo/, never mod.rs", file.display());
        }
    }
}
