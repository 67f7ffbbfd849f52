//! The journal's file: a redb database, its tables and its format.
//!
//! `meta`: `format` and its number. `marks`: `endpoint | kind: u8 | hash: 32 bytes` and when it expires, in milliseconds
//! since 1970. `expiry`: the same pairs the other way round, for the sweep.

use super::{JournalError, Mark, MarkKind};
use crate::folder;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError, TableDefinition,
    TableHandle, WriteTransaction, backends::FileBackend,
};
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fmt,
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

/// The format of the tables. Format 1 is the first; a later one migrates it here.
const FORMAT: u64 = 1;
/// Redb's cache, in bytes: holds the upper pages of some millions of marks; its default of 1 GiB is more than a small node has.
const CACHE_BYTES: usize = 64 << 20;
/// The most marks that one sweep removes, whatever its budget: others wait for the same commit.
const SWEEP_MAX: usize = 10_000;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const MARKS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("marks");
const EXPIRY: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("expiry");

/// Opens the database: at the start, and again after redb has closed itself over an error of the disk.
type Open = Box<dyn Fn() -> Result<Database, JournalError> + Send + Sync>;

/// The database, or why there is none now.
pub(super) struct Source {
    open: Open,
    database: RwLock<Result<Database, JournalError>>,
}

/// What a commit did.
pub(super) struct Committed {
    /// Marks in the file.
    pub(super) stored: u64,
    /// Removed by each sweep.
    pub(super) removed: Vec<usize>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    pub(super) fn file(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join("journal.redb");
        folder::create(folder).map_err(|error| at(&path, error))?;
        let folder = folder.to_owned();
        Self::new(Box::new(move || {
            let database = open_file(&path)?;
            // The file's name is in the folder, which has a sync of its own.
            File::open(&folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| at(&path, error))?;
            Ok(database)
        }))
    }

    /// A file that only memory has. Redb's own memory is one piece, and copied as a whole when it grows, while all its readers wait.
    pub(super) fn memory() -> Result<Self, JournalError> {
        let file = File::from(memfd_create("tollgate-journal", MemfdFlags::CLOEXEC).map_err(unavailable)?);
        Self::new(Box::new(move || {
            let file = FileBackend::new(file.try_clone().map_err(unavailable)?).map_err(unavailable)?;
            let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file);
            prepare(database.map_err(unavailable)?, Path::new("memory"))
        }))
    }

    pub(super) fn new(open: Open) -> Result<Self, JournalError> {
        let database = guarded(&open)?;
        Ok(Self {
            open,
            database: RwLock::new(Ok(database)),
        })
    }

    pub(super) fn any_live(&self, marks: &[Mark], now: u64) -> Result<bool, JournalError> {
        self.with(|database| {
            let table = database.begin_read().map_err(unavailable)?.open_table(MARKS).map_err(unavailable)?;
            for mark in marks {
                let found = table.get(key(mark).as_slice()).map_err(unavailable)?;
                if found.is_some_and(|expires| expires.value() > now) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    pub(super) fn count(&self) -> Result<u64, JournalError> {
        self.with(|database| {
            let table = database.begin_read().map_err(unavailable)?.open_table(MARKS).map_err(unavailable)?;
            table.len().map_err(unavailable)
        })
    }

    /// Writes the marks, does the sweeps, syncs.
    pub(super) fn commit(&self, marks: &[(Mark, u64)], sweeps: &[(u64, usize)]) -> Result<Committed, JournalError> {
        self.with(|database| {
            let mut writing = database.begin_write().map_err(unavailable)?;
            writing.set_durability(Durability::Immediate).map_err(unavailable)?;
            let done = apply(&writing, marks, sweeps).map_err(unavailable)?;
            writing.commit().map_err(unavailable)?;
            Ok(done)
        })
    }

    /// Closes the database and opens it anew: redb refuses everything after an error of the disk.
    pub(super) fn reopen(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one is closed first: it holds the file's lock.
        *database = Err(JournalError::Unavailable("it is being opened again".to_owned()));
        *database = guarded(&self.open);
        if let Err(error) = &*database {
            tracing::error!(%error, "the journal cannot be opened again");
        }
    }

    fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().map_err(Clone::clone)?;
        guarded(|| call(database))
    }
}

/// Redb checks its pages only when it repairs a file, and may panic over a damaged one: that costs one call, not its thread.
fn guarded<T>(call: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(JournalError::Unavailable("the database panicked".to_owned())))
}

fn apply(writing: &WriteTransaction, marks: &[(Mark, u64)], sweeps: &[(u64, usize)]) -> Result<Committed, redb::Error> {
    let mut table = writing.open_table(MARKS)?;
    let mut expiry = writing.open_table(EXPIRY)?;
    for (mark, expires) in marks {
        let key = key(mark);
        let key = key.as_slice();
        let old = table.get(key)?.map(|old| old.value());
        if old.is_some_and(|old| old >= *expires) {
            continue;
        }
        if let Some(old) = old {
            expiry.remove((old, key))?;
        }
        table.insert(key, *expires)?;
        expiry.insert((*expires, key), ())?;
    }
    let mut removed = Vec::with_capacity(sweeps.len());
    for (now, budget) in sweeps {
        let expired = ..(now.saturating_add(1), [].as_slice());
        let mut count = 0;
        for entry in expiry.extract_from_if(expired, |_, ()| true)?.take((*budget).min(SWEEP_MAX)) {
            let (entry, _) = entry?;
            table.remove(entry.value().1)?;
            count += 1;
        }
        removed.push(count);
    }
    Ok(Committed {
        stored: table.len()?,
        removed,
    })
}

fn key(mark: &Mark) -> Vec<u8> {
    // The last 33 bytes are of a fixed length, so no endpoint's name can reach into them.
    let kind = match mark.kind {
        MarkKind::Id => 0,
        MarkKind::Body => 1,
    };
    [mark.endpoint.as_str().as_bytes(), &[kind], &mark.hash].concat()
}

fn open_file(path: &PathBuf) -> Result<Database, JournalError> {
    let open = || Builder::new().set_cache_size(CACHE_BYTES).create(path);
    let database = folder::open_locked(open, |error| matches!(error, DatabaseError::DatabaseAlreadyOpen)).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => at(path, "another process holds it: one gateway at a time"),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            at(path, format!("this file is no journal ({error})"))
        }
        error => at(path, error),
    })?;
    prepare(database, path)
}

/// Makes the tables of a new database; checks the format of one that is there.
pub(super) fn prepare(database: Database, path: &Path) -> Result<Database, JournalError> {
    let found = {
        let reading = database.begin_read().map_err(unavailable)?;
        let mut tables = reading.list_tables().map_err(unavailable)?;
        if tables.any(|table| table.name() == META.name()) {
            let meta = reading.open_table(META).map_err(|error| at(path, error))?;
            Some(meta.get("format").map_err(unavailable)?.map(|format| format.value()))
        } else {
            (reading.list_tables().map_err(unavailable)?.next().is_some()).then_some(None)
        }
    };
    match found {
        None => create(&database).map_err(|error| at(path, error))?,
        Some(Some(FORMAT)) => {}
        Some(Some(found)) if found > FORMAT => {
            return Err(JournalError::Newer {
                path: path.display().to_string(),
                found,
                known: FORMAT,
            });
        }
        Some(_) => return Err(at(path, "this database is no journal of Tollgate")),
    }
    Ok(database)
}

fn create(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(META)?.insert("format", FORMAT)?;
    writing.open_table(MARKS)?;
    writing.open_table(EXPIRY)?;
    writing.commit()?;
    Ok(())
}

fn unavailable(error: impl fmt::Display) -> JournalError {
    JournalError::Unavailable(error.to_string())
}

fn at(path: &Path, error: impl fmt::Display) -> JournalError {
    JournalError::Unavailable(format!("{}: {error}", path.display()))
}
