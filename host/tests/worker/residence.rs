//! Workers that leave memory and come back, with real components, a real cache and the real compiler.

use super::{get, limits, sample, spec, text, until};
use bytes::Bytes;
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, SystemTime},
};
use tollgate_config::manifest::Limits;
use tollgate_host::{CacheConfig, CallError, Components, Host, HostConfig, ResidenceLimits};
use tollgate_store::MemoryStore;

/// With room for one worker.
fn narrow(folder: &Path) -> Host {
    let config = HostConfig {
        instances: 16,
        cache: Some(CacheConfig::new(folder.join("cache"))),
        residence: ResidenceLimits {
            bytes: 1,
            ..ResidenceLimits::default()
        },
        ..HostConfig::default()
    };
    Host::new(config, Arc::new(MemoryStore::default())).unwrap()
}

fn forget(folder: &Path) {
    for entry in fs::read_dir(folder.join("cache/code")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_left_answers_its_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let host = narrow(folder.path());
    let hello = host.load(spec("hello", "acme", limits())).unwrap();
    let echo = host.load(spec("echo", "acme", limits())).unwrap();
    for round in 1..4 {
        assert!(!hello.is_loaded() && echo.is_loaded(), "there is room for one");
        assert_eq!(text(&hello, get("/x")).await, (200, "hello /x".to_owned()));
        assert!(hello.is_loaded() && !echo.is_loaded());
        assert_eq!(text(&echo, get("/")).await.0, 200);
        let counted = host.activations();
        // A call that is about to end may still hold it.
        let back = counted.from_cache.load(Relaxed) + counted.from_memory.load(Relaxed);
        assert_eq!((counted.compiled.load(Relaxed), back), (2, 2 * round));
        assert_eq!(counted.left_for_room.load(Relaxed), 2 * round + 1);
        assert_eq!(counted.took.count(), 2 + 2 * round);
    }
    let loaded = host.loaded();
    assert_eq!((loaded.units, loaded.pinned), (1, 0));
    assert_eq!(hello.counters().calls.load(Relaxed), 3, "its counts stay");
    assert_eq!(hello.snapshot(), Ok(()));
}

fn entries(folder: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(folder.join("cache/code")).unwrap().map(Result::unwrap).collect()
}

/// With room on the disk for so many bytes.
fn small(folder: &Path, max_bytes: u64) -> Host {
    let config = HostConfig {
        instances: 16,
        cache: Some(CacheConfig {
            max_bytes,
            ..CacheConfig::new(folder.join("cache"))
        }),
        ..HostConfig::default()
    };
    Host::new(config, Arc::new(MemoryStore::default())).unwrap()
}

/// Sweeps at these hours from now: nobody calls anything in between.
fn sweep(host: &Host, hours: [u64; 2]) {
    let now = tokio::time::Instant::now();
    for hour in hours {
        host.sweep(now + Duration::from_secs(3600 * hour));
    }
}

#[tokio::test]
async fn the_cache_keeps_what_is_in_memory_and_what_it_lost_stays_there() {
    let all = tempfile::tempdir().unwrap();
    let host = small(all.path(), u64::MAX >> 1);
    for name in ["hello", "echo", "hostile"] {
        host.load(spec(name, "acme", limits())).unwrap();
    }
    let sizes: Vec<_> = entries(all.path()).iter().map(|entry| entry.metadata().unwrap().len()).collect();
    let room = sizes.iter().sum::<u64>() - sizes.iter().min().unwrap() / 2;

    let folder = tempfile::tempdir().unwrap();
    let host = small(folder.path(), room);
    let hello = host.load(spec("hello", "acme", limits())).unwrap();
    let [old] = entries(folder.path()).try_into().unwrap();
    fs::File::open(old.path()).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    // This one is not in memory when room is made.
    drop(host.load(spec("echo", "acme", limits())).unwrap());
    let hostile = host.load(spec("hostile", "acme", limits())).unwrap();
    assert_eq!((entries(folder.path()).len(), host.loaded().pinned), (2, 0));
    assert!(old.path().exists(), "the one that is in memory went");
    sweep(&host, [1, 2]);
    assert_eq!([hello.is_loaded(), hostile.is_loaded()], [false, false]);
    assert_eq!(text(&hello, get("/x")).await, (200, "hello /x".to_owned()));
    assert_eq!(host.activations().compiled.load(Relaxed), 3, "it was compiled anew");

    forget(folder.path());
    sweep(&host, [3, 4]);
    assert!(hello.is_loaded(), "it left and nobody has it");
    assert_eq!((host.loaded().units, host.loaded().pinned), (1, 1));
}

#[tokio::test]
async fn revisions_of_one_component_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = narrow(folder.path());
    let revisions: Vec<_> = (0..50)
        .map(|tenant| host.load(spec("hello", &format!("t{tenant}"), limits())).unwrap())
        .collect();
    assert_eq!(host.loaded().units, 1);
    assert_eq!(host.activations().took.count(), 1);
    for revision in &revisions {
        assert_eq!(text(revision, get("/x")).await.0, 200);
    }
}

/// Gives a component's bytes only when it is told to.
struct Slow {
    component: Bytes,
    asked: AtomicUsize,
    go: Mutex<Receiver<()>>,
}

impl Components for Slow {
    fn component(&self) -> Result<Bytes, String> {
        self.asked.fetch_add(1, Relaxed);
        let _ = self.go.lock().unwrap().recv();
        Ok(self.component.clone())
    }
}

#[tokio::test]
async fn no_more_wait_for_a_worker_than_may_call_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = narrow(folder.path());
    let (go, gone) = sync_channel(1);
    let slow = Arc::new(Slow {
        component: sample("hello"),
        asked: AtomicUsize::new(0),
        go: Mutex::new(gone),
    });
    let limits = Limits {
        concurrency: 1,
        queue: 0,
        wall: Duration::from_secs(600),
        ..limits()
    };
    let again: Arc<dyn Components> = slow.clone();
    let hello = host.load_from(spec("hello", "acme", limits), &again).unwrap();
    let hasty = Limits {
        wall: Duration::from_millis(500),
        ..limits
    };
    let impatient = host.load_from(spec("hello", "beta", hasty), &again).unwrap();
    let _echo = host.load(spec("echo", "acme", limits)).unwrap();
    forget(folder.path());

    let waiting = tokio::spawn({
        let hello = hello.clone();
        async move { text(&hello, get("/x")).await }
    });
    until("asked", || slow.asked.load(Relaxed) == 1).await;
    let refused = hello.call(get("/x")).await.map(|answer| answer.status());
    assert_eq!(refused, Err(CallError::Saturated("too many wait for the worker to be in memory")));
    assert_eq!(hello.counters().saturated.load(Relaxed), 1);
    let expired = impatient.call(get("/x")).await.map(|answer| answer.status());
    assert!(matches!(expired, Err(CallError::Cold { .. })), "{expired:?}");
    assert_eq!(host.activations().expired.load(Relaxed), 1);
    go.send(()).unwrap();
    assert_eq!(waiting.await.unwrap(), (200, "hello /x".to_owned()));
    assert_eq!(text(&impatient, get("/y")).await, (200, "hello /y".to_owned()));
    assert_eq!(slow.asked.load(Relaxed), 1, "one asked for all");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_fails_no_revision_and_keeps_it_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let host = narrow(folder.path());
    fs::remove_dir_all(folder.path().join("cache/code")).unwrap();
    let hello = host.load(spec("hello", "acme", limits())).unwrap();
    let echo = host.load(spec("echo", "acme", limits())).unwrap();
    assert_eq!(host.cache().unwrap().not_stored.load(Relaxed), 2);
    assert_eq!(host.loaded().pinned, 2);
    for revision in [&hello, &echo] {
        assert!(revision.is_loaded());
        assert_eq!(text(revision, get("/")).await.0, 200);
    }
}
