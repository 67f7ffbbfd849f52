//! Replays the seeds of every fuzz target through the function that it calls.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(unreachable_pub, reason = "there it is a library")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::{fs, path::Path};

#[test]
fn every_target_keeps_its_promises_on_its_seeds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut broken = Vec::new();
    for (name, target) in fuzz::TARGETS {
        let folder = fuzz.join("seeds").join(name);
        let mut seeds: Vec<_> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .map(|file| file.map(|file| file.path()))
            .collect::<Result<_, _>>()
            .expect("a readable folder");
        seeds.sort();
        assert!(seeds.len() >= 3, "{name} has {} seeds in {}", seeds.len(), folder.display());
        for seed in seeds {
            let bytes = fs::read(&seed).expect("a readable file");
            if let Err(promise) = target(&bytes) {
                broken.push(format!("{}: {promise}", seed.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for folder in fs::read_dir(seeds).expect("the folder of seeds") {
        let name = folder
            .expect("a readable entry")
            .file_name()
            .into_string()
            .expect("a name in UTF-8");
        assert!(
            fuzz::TARGETS.iter().any(|(target, _)| *target == name),
            "no target for seeds/{name}"
        );
    }
}
