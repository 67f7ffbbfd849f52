//! Compiled workers over restarts: compiled once, used again, and compiled anew when the disk has another opinion.

use super::{get, limits, spec, text};
use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
};
use tollgate_host::{CacheConfig, Host, HostConfig};
use tollgate_store::MemoryStore;

fn host(folder: &Path) -> Host {
    let config = HostConfig {
        instances: 16,
        cache: Some(CacheConfig::new(folder.join("cache"))),
        ..HostConfig::default()
    };
    Host::new(config, Arc::new(MemoryStore::default())).unwrap()
}

/// Hits, misses, corrupted.
fn counted(host: &Host) -> [u64; 3] {
    let counters = host.cache().unwrap();
    [&counters.hits, &counters.misses, &counters.corrupted].map(|counter| counter.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_worker_is_compiled_once_and_again_only_when_its_entry_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let first = host(folder.path());
    thread::scope(|scope| {
        let loads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| first.load(spec("hello", "acme", limits())).unwrap()))
            .collect();
        let loaded: Vec<_> = loads.into_iter().map(|load| load.join().unwrap()).collect();
        assert_eq!(counted(&first), [0, 1, 0], "four asked at once");
        drop(loaded);
    });
    let answers = async |host: &Host| {
        let revision = host.load(spec("hello", "acme", limits())).unwrap();
        assert_eq!(revision.snapshot(), Ok(()));
        assert_eq!(text(&revision, get("/x")).await, (200, "hello /x".to_owned()));
    };
    let second = host(folder.path());
    answers(&second).await;
    assert_eq!(counted(&second), [1, 0, 0]);

    let entries: Vec<_> = fs::read_dir(folder.path().join("cache/code"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [entry] = entries.as_slice() else { unreachable!("{entries:?}") };
    let mut bytes = fs::read(entry).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 1;
    fs::remove_file(entry).unwrap();
    fs::write(entry, bytes).unwrap();
    let third = host(folder.path());
    answers(&third).await;
    assert_eq!(counted(&third), [0, 0, 1]);
    let fourth = host(folder.path());
    answers(&fourth).await;
    assert_eq!(counted(&fourth), [1, 0, 0], "it was written anew");
}
