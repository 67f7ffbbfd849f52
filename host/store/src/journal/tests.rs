//! The journal on a disk that fills up, stops, and loses what was not synced.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use redb::StorageBackend;
use std::{
    io,
    sync::{Condvar, Mutex},
    time::{Duration, UNIX_EPOCH},
};

/// A disk that is shared by the databases opened on it, one after the other.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    /// As of the last sync: what a loss of power leaves.
    synced: Vec<u8>,
    syncs: usize,
    /// Refuses to grow.
    full: bool,
    /// Holds every sync back.
    held: bool,
    /// How many syncs wait.
    waiting: usize,
}

impl Disk {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn get<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.0.lock().unwrap())
    }

    fn wait_for_a_held_sync(&self) {
        let (state, waited) = (self.0.0.lock().unwrap(), Duration::from_secs(30));
        let (state, waited) = self.0.1.wait_timeout_while(state, waited, |state| state.waiting == 0).unwrap();
        drop(state);
        assert!(!waited.timed_out(), "nobody syncs");
    }

    /// What is on it after the power went.
    fn after_power_loss(&self) -> Self {
        let disk = Self::default();
        let synced = self.get(|state| state.synced.clone());
        disk.set(|state| state.now = synced);
        disk
    }

    fn journal(&self) -> Journal {
        let disk = self.clone();
        let open = move || {
            let database = redb::Builder::new().set_cache_size(1 << 20).create_with_backend(disk.clone());
            file::prepare(
                database.map_err(|error| JournalError::Unavailable(error.to_string()))?,
                Path::new("disk"),
            )
        };
        Journal::start(Source::new(Box::new(open)).unwrap(), 100_000).unwrap()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.get(|state| state.now.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let start = offset as usize;
        self.get(|state| out.copy_from_slice(&state.now[start..start + out.len()]));
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        if self.get(|state| state.full && len > state.now.len() as u64) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.set(|state| state.now.resize(len as usize, 0));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.held).unwrap();
        state.waiting -= 1;
        state.syncs += 1;
        state.synced = state.now.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        if self.get(|state| state.full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let start = offset as usize;
        self.set(|state| state.now[start..start + data.len()].copy_from_slice(data));
        Ok(())
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn mark(n: u8) -> Mark {
    Mark {
        endpoint: EndpointId::new("github").unwrap(),
        kind: MarkKind::Id,
        hash: [n; 32],
    }
}

#[tokio::test]
async fn what_waits_shares_one_commit() {
    let disk = Disk::default();
    let journal = disk.journal();
    disk.set(|state| state.held = true);
    let first = journal.mark_done(vec![mark(0)], at(10));
    disk.wait_for_a_held_sync();
    let rest: Vec<_> = (1..200).map(|n| journal.mark_done(vec![mark(n)], at(10))).collect();
    assert!(
        (0..200).all(|n| journal.any_done(&[mark(n)], at(0)).unwrap()),
        "all are visible while the disk is busy"
    );
    let before = disk.get(|state| state.syncs);
    disk.set(|state| state.held = false);
    first.synced().await.unwrap();
    for committing in rest {
        committing.synced().await.unwrap();
    }
    let commits = disk.get(|state| state.syncs) - before;
    assert!(commits <= 4, "{commits} syncs for 200 marks");
    assert_eq!(journal.len(), 200);
}

#[tokio::test]
async fn what_is_synced_survives_a_loss_of_power() {
    let disk = Disk::default();
    let journal = disk.journal();
    for n in 0..20 {
        journal.mark_done(vec![mark(n)], at(10)).synced().await.unwrap();
        let after = disk.after_power_loss().journal();
        assert_eq!(after.len(), u64::from(n) + 1);
        assert!((0..=n).all(|n| after.any_done(&[mark(n)], at(0)).unwrap()), "after {n}");
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_then_forgotten() {
    let disk = Disk::default();
    let journal = disk.journal();
    journal.mark_done(vec![mark(1)], at(10)).synced().await.unwrap();
    disk.set(|state| state.full = true);
    for n in 2..5 {
        let refused = journal.mark_done(vec![mark(n)], at(10)).synced().await;
        assert!(matches!(refused, Err(JournalError::Unavailable(_))), "{refused:?}");
        assert!(
            journal.any_done(&[mark(n)], at(0)).unwrap(),
            "what is done stays done in this process"
        );
    }
    assert!(journal.sweep(at(0), 1).await.is_err());
    disk.set(|state| state.full = false);
    // The first commit may still meet the closed database; it is opened again after it.
    let mut tries = 0;
    while let Err(error) = journal.mark_done(vec![mark(9)], at(10)).synced().await {
        tries += 1;
        assert!(tries < 3, "{error}");
    }
    let after = disk.after_power_loss().journal();
    assert!(
        (1..5).chain([9]).all(|n| after.any_done(&[mark(n)], at(0)).unwrap()),
        "refused marks join a later commit"
    );
    assert_eq!((journal.len(), after.len()), (5, 5));
}

#[tokio::test]
async fn marks_that_expire_while_the_disk_is_full_are_let_go() {
    let disk = Disk::default();
    let journal = disk.journal();
    disk.set(|state| state.full = true);
    journal.mark_done(vec![mark(1)], at(10)).synced().await.unwrap_err();
    journal.mark_done(vec![mark(2)], at(20)).synced().await.unwrap_err();
    journal.sweep(at(10), 5).await.unwrap_err();
    assert_eq!(journal.len(), 1);
    assert!(journal.any_done(&[mark(2)], at(10)).unwrap());
}

#[test]
fn a_journal_in_memory_that_is_opened_again_has_its_marks() {
    let source = Source::memory().unwrap();
    source.commit(&[(mark(1), 2_000)], &[]).unwrap();
    source.reopen();
    assert!(source.any_live(&[mark(1)], 1_000).unwrap());
    assert!(!source.any_live(&[mark(2)], 1_000).unwrap());
}
