//! The fuzz target's seeds, replayed: what is called `good-…` reads and is written as it was, what is called `bad-…` is refused.

use std::{fs, path::Path};
use tollgate_packs::{Trust, archive, inspect, open};

#[test]
fn the_seeds_of_the_archive_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/archive");
    let mut seen = (0, 0);
    for seed in fs::read_dir(&folder).unwrap() {
        let path = seed.unwrap().path();
        let (name, bytes) = (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
        let entries = archive::read(&bytes);
        assert_eq!(entries.is_ok(), name.starts_with("good-"), "{name}: {entries:?}");
        if let Ok(entries) = entries {
            assert_eq!(archive::write(&entries).unwrap(), bytes, "{name}");
            seen.0 += 1;
        } else {
            seen.1 += 1;
        }
        let opened = open(
            &bytes.clone().into(),
            Trust {
                keys: &[],
                allow_unsigned: true,
            },
        );
        assert_eq!(opened.is_ok(), name == "good-pack", "{name}: {opened:?}");
        assert_eq!(inspect(&bytes).is_ok(), name.contains("pack"), "{name}");
    }
    assert!(seen.0 >= 3 && seen.1 >= 5, "seeds are missing: {seen:?}");
}
