//! What the fuzz target starts from. A name that begins with `ok-` is accepted, one with `bad-` is refused; of others it is enough that
//! they are read without a panic.

use crate::{EXAMPLE, HEAD, parse};
use std::{fs, path::Path};

#[test]
fn each_seed_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/manifest");
    let (mut accepted, mut refused) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = parse(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        match name.split('-').next() {
            Some("ok") => {
                accepted += 1;
                assert_eq!(result.err(), None, "{name}");
            }
            Some("bad") => {
                refused += 1;
                assert!(result.is_err_and(|errors| !errors.is_empty()), "{name}");
            }
            _ => {}
        }
    }
    assert!(accepted >= 3 && refused >= 3, "{accepted} accepted, {refused} refused");
}

/// Half a file, as an editor or a full disk leaves it, is read without a panic.
#[test]
fn cut_seeds_are_read() {
    /// Every so many bytes: all of them would take a minute.
    const STEP: usize = 7;
    for text in [EXAMPLE, include_str!("refused.txt")] {
        for end in (0..text.len().min(4_000)).step_by(STEP) {
            let cut = text.get(..end).unwrap_or_default();
            // Only the empty text and such must be refused; of others it is enough that they are read.
            let refused = parse(cut).is_err();
            assert!(refused || end > HEAD.len(), "{cut}");
        }
    }
}
