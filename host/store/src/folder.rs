//! Folders for what is kept.

use std::{fs::DirBuilder, io, path::Path};

/// Creates the folder, and those above it, for its owner alone: conversations are nobody else's to read. One that is there stays as it is.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
