//! Opening the folder: the lock, the format, and what is done about a database that cannot be read.

use super::{Counters, count, table::Database};
use crate::{
    folder,
    session::{StoreError, quota::Quotas},
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The format of the trees and records. Format 1 is the first; a later one migrates it here.
const FORMAT: u64 = 1;
/// Sled's cache, in bytes. Its default is 1 GiB, which a small node does not have.
const CACHE_BYTES: u64 = 64 << 20;
/// How often sled's own thread calls fsync, in milliseconds: what a loss of power may take.
const SYNC_EVERY_MS: u64 = 500;
/// Sled's segment, in bytes. A page over a quarter of it moves to a file of its own, which is neither synced nor always
/// removed (sled issue 786). A page holds up to 17 records of 64 KiB and their keys, 1.2 MiB; the default of 512 KiB would move them at 128 KiB.
const SEGMENT_BYTES: usize = 8 << 20;

/// The folder of a store, held for this process.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    /// Of the deployments: they hold for whatever database lies here.
    quotas: Arc<Quotas>,
    /// Held as long as it lives.
    _lock: File,
}

/// Why a database did not open.
enum Refusal {
    /// It cannot be read; another start would not help.
    Corrupt(String),
    /// Anything else: nothing is moved.
    Other(StoreError),
}

/// Takes the lock, opens the database, moves it aside when it cannot be read.
pub(super) fn open(folder: &Path, counters: &Arc<Counters>) -> Result<(Home, Database), StoreError> {
    let home = Home {
        folder: folder.to_owned(),
        quotas: Arc::default(),
        _lock: lock(folder)?,
    };
    let database = match home.database(counters) {
        Ok(database) => database,
        Err(Refusal::Other(error)) => return Err(error),
        Err(Refusal::Corrupt(reason)) => {
            let aside = home.move_aside()?;
            count(&counters.moved_aside);
            tracing::error!(%reason, aside = %aside.display(), "the session store cannot be read: moved aside, all sessions start anew");
            home.database(counters).map_err(Refusal::into_error)?
        }
    };
    Ok((home, database))
}

impl Refusal {
    fn into_error(self) -> StoreError {
        match self {
            Self::Corrupt(reason) => StoreError::Unavailable(format!("the database cannot be read: {reason}")),
            Self::Other(error) => error,
        }
    }
}

impl Home {
    /// Opens the database anew after it stopped. Moves nothing: a full disk must not cost what is on it.
    pub(super) fn reopen(&self, counters: &Arc<Counters>) -> Result<Database, StoreError> {
        // What is recovered after an error of the disk may be less than what was counted, of whichever deployment.
        self.quotas.forget_all();
        self.database(counters).map_err(Refusal::into_error)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("sled")
    }

    fn database(&self, counters: &Arc<Counters>) -> Result<Database, Refusal> {
        remove_unfinished_snapshots(&self.path()).map_err(|error| unavailable(&self.path(), &error))?;
        // Recovery of a damaged database can panic (sled issues 926, 1387).
        catch_unwind(AssertUnwindSafe(|| self.trees(counters))).unwrap_or_else(|panic| {
            let reason = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Refusal::Corrupt(format!("sled panicked: {}", reason.unwrap_or_default())))
        })
    }

    fn trees(&self, counters: &Arc<Counters>) -> Result<Database, Refusal> {
        let path = self.path();
        let open = || {
            sled::Config::new()
                .path(&path)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(Some(SYNC_EVERY_MS))
                .segment_size(SEGMENT_BYTES)
                .use_compression(false)
                .open()
        };
        // Ours is held, so this lock can only be held by what is left of a database that was just closed.
        let db = folder::open_locked(open, |error| error.to_string().contains("could not acquire lock"))?;
        let meta = db.open_tree("meta")?;
        let values = db.open_tree("values")?;
        let expiry = db.open_tree("expiry")?;
        match meta.get("format")? {
            Some(found) => {
                check_format(&path, found.as_ref().try_into().map(u64::from_be_bytes).ok())?;
            }
            None if values.is_empty() => {
                meta.insert("format", &FORMAT.to_be_bytes())?;
                db.flush()?;
            }
            None => check_format(&path, None)?,
        }
        let file = File::open(path.join("db")).map_err(|error| unavailable(&path, &error))?;
        Ok(Database {
            db,
            values,
            expiry,
            file,
            counters: Arc::clone(counters),
            quotas: Arc::clone(&self.quotas),
        })
    }

    fn move_aside(&self) -> Result<PathBuf, StoreError> {
        let free = (1_u32..)
            .map(|n| self.folder.join(format!("sled.corrupt-{n}")))
            .find(|path| !path.exists());
        let aside = free.ok_or_else(|| StoreError::Unavailable("no free name to move a damaged database to".to_owned()))?;
        fs::rename(self.path(), &aside)
            .map_err(|error| StoreError::Unavailable(format!("cannot move {} aside: {error}", self.path().display())))?;
        Ok(aside)
    }
}

fn check_format(path: &Path, found: Option<u64>) -> Result<(), Refusal> {
    let path = path.display();
    let refused = match found {
        Some(FORMAT) => return Ok(()),
        Some(newer) if newer > FORMAT => {
            format!("the store at {path} has format {newer}; this build reads {FORMAT}: run the Tollgate that wrote it, or a newer one")
        }
        _ => format!("the database at {path} is no session store of Tollgate"),
    };
    Err(Refusal::Other(StoreError::Unavailable(refused)))
}

impl From<sled::Error> for Refusal {
    fn from(error: sled::Error) -> Self {
        match &error {
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) | sled::Error::CollectionNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            sled::Error::Io(cause) if matches!(cause.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Other(error.into()),
        }
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::Other(StoreError::Unavailable(format!("{}: {error}", path.display())))
}

/// Our own lock, not sled's: sled takes its own only after it has looked at the folder, and a snapshot may be removed
/// only when nobody is writing one.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", folder.display()));
    folder::create(folder).map_err(failed)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(failed)?;
    match folder::open_locked(|| file.try_lock(), |error| matches!(error, TryLockError::WouldBlock)) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "another process holds the store at {}: one gateway at a time",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A snapshot that was being written when the process died is read by sled as if it were whole, and the database then does
/// not open (sled issue 1527). Without it sled reads the log.
fn remove_unfinished_snapshots(path: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"))
        {
            tracing::warn!(file = %entry.path().display(), "removing a snapshot that was never finished");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
