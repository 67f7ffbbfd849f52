//! Folders for what is kept, and the locks in them.

use std::{
    fs::DirBuilder,
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a held lock is asked for again before it is an error. A gateway that was just killed may still be ending, and a
/// child that any thread starts shares every lock for the moment between its fork and its exec (flock(2)).
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How often it is asked for.
const LOCK_STEP: Duration = Duration::from_millis(20);

/// Creates the folder, and those above it, for its owner alone: conversations are nobody else's to read. One that is there stays as it is.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens something that takes a lock, again and again for a moment while the lock is held. Blocks its thread.
pub(crate) fn open_locked<T, E>(mut open: impl FnMut() -> Result<T, E>, held: impl Fn(&E) -> bool) -> Result<T, E> {
    let started = Instant::now();
    loop {
        match open() {
            Err(error) if held(&error) && started.elapsed() < LOCK_WAIT => thread::sleep(LOCK_STEP),
            done => return done,
        }
    }
}
