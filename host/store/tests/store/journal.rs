//! The journal, by its public words and on a real file.

use crate::{at, mark, patiently};
use proptest::prelude::*;
use redb::{Database, TableDefinition};
use std::collections::BTreeMap;
use tollgate_store::{Journal, JournalError, journal::IN_FLIGHT_MARKS};

#[tokio::test]
async fn a_mark_is_seen_at_once_and_until_it_expires() {
    let journal = Journal::in_memory(10).unwrap();
    assert!(journal.is_empty());
    assert!(!journal.any_done(&[mark(1)], at(0)).unwrap());
    let committing = journal.mark_done(vec![mark(1), mark(2)], at(100));
    for synced in [false, true] {
        for (marks, now, done) in [
            (vec![mark(1)], 0, true),
            (vec![mark(3), mark(2)], 99, true),
            (vec![mark(1)], 100, false),
            (vec![mark(3)], 0, false),
            (vec![], 0, false),
        ] {
            assert_eq!(
                journal.any_done(&marks, at(now)).unwrap(),
                done,
                "{marks:?} at {now}, synced: {synced}"
            );
        }
        if !synced {
            // The commit may be over already; from here on it is.
            journal.sweep(at(0), 0).await.unwrap();
        }
    }
    committing.synced().await.unwrap();
    assert_eq!(journal.len(), 2);
}

#[tokio::test]
async fn marks_of_other_endpoints_and_kinds_are_others() {
    let journal = Journal::in_memory(10).unwrap();
    let (mine, kind, endpoint) = (mark(2), mark(3).kind, mark(2).endpoint.as_str().to_owned() + "x");
    journal.mark_done(vec![mine.clone()], at(100)).synced().await.unwrap();
    let mut other = mine.clone();
    other.kind = kind;
    assert!(!journal.any_done(&[other], at(0)).unwrap(), "another kind");
    let mut other = mine.clone();
    other.endpoint = tollgate_config::EndpointId::new(&endpoint).unwrap();
    assert!(!journal.any_done(&[other], at(0)).unwrap(), "another endpoint");
}

#[tokio::test]
async fn it_says_when_it_is_full_and_never_evicts() {
    let journal = Journal::in_memory(2).unwrap();
    assert!(journal.has_room(2) && !journal.has_room(3) && !journal.has_room(u64::MAX));
    journal.mark_done(vec![mark(1), mark(2)], at(100)).synced().await.unwrap();
    assert!(!journal.has_room(1));
    // Deliveries that were admitted before it was full still find their place, but not without end.
    let over = (10..10 + IN_FLIGHT_MARKS).map(mark).collect();
    journal.mark_done(over, at(200)).synced().await.unwrap();
    let refused = journal.mark_done(vec![mark(5)], at(100)).synced().await;
    assert!(matches!(refused, Err(JournalError::Full(2))), "{refused:?}");
    assert!(!journal.any_done(&[mark(5)], at(0)).unwrap());
    assert!(journal.any_done(&[mark(1)], at(0)).unwrap());
    assert_eq!(journal.sweep(at(100), usize::MAX).await.unwrap(), 2);
    assert_eq!(journal.sweep(at(200), usize::MAX).await.unwrap() as u64, IN_FLIGHT_MARKS);
    assert!(journal.has_room(2), "expired marks make room");
}

#[tokio::test]
async fn dropping_it_commits_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), 1000).unwrap();
    for n in 0..100 {
        drop(journal.mark_done(vec![mark(n)], at(100)));
    }
    drop(journal.clone());
    drop(journal);
    let journal = Journal::open(folder.path(), 1000).unwrap();
    assert_eq!(journal.len(), 100);
    assert!((0..100).all(|n| journal.any_done(&[mark(n)], at(0)).unwrap()));
}

#[test]
fn what_it_cannot_open_is_named() {
    type Prepare = fn(&std::path::Path) -> Option<Box<dyn std::any::Any>>;
    let cases: &[(&str, Prepare, &str)] = &[
        (
            "held by another",
            |folder| Some(Box::new(Journal::open(folder, 1).unwrap())),
            "another process holds it",
        ),
        (
            "another kind of file",
            |folder| {
                std::fs::write(folder.join("journal.redb"), [7; 8192]).unwrap();
                None
            },
            "is no journal",
        ),
        (
            "a database of something else",
            |folder| {
                let database = patiently(|| Database::create(folder.join("journal.redb")));
                let writing = database.begin_write().unwrap();
                writing.open_table(TableDefinition::<u64, u64>::new("things")).unwrap();
                writing.commit().unwrap();
                None
            },
            "no journal of Tollgate",
        ),
        (
            "newer",
            |folder| {
                drop(Journal::open(folder, 1).unwrap());
                let database = patiently(|| Database::create(folder.join("journal.redb")));
                let writing = database.begin_write().unwrap();
                writing
                    .open_table(TableDefinition::<&str, u64>::new("meta"))
                    .unwrap()
                    .insert("format", 7)
                    .unwrap();
                writing.commit().unwrap();
                None
            },
            "has format 7; this build reads 1",
        ),
    ];
    for (name, prepare, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let held = prepare(folder.path());
        let before = std::fs::read(folder.path().join("journal.redb")).unwrap();
        let error = Journal::open(folder.path(), 1).unwrap_err();
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert_eq!(matches!(error, JournalError::Newer { found: 7, known: 1, .. }), *name == "newer");
        drop(held);
        if *name == "another kind of file" {
            assert_eq!(std::fs::read(folder.path().join("journal.redb")).unwrap(), before, "it was touched");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Mark(u64, u64),
    Sweep(usize),
    Later(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12_u64, 0..60_u64).prop_map(|(n, after)| Step::Mark(n, after)),
        2 => (0..5_usize).prop_map(Step::Sweep),
        2 => (0..30_u64).prop_map(Step::Later),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn it_is_a_map_from_marks_to_expiries(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), 1000).unwrap();
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Mark(n, after) => {
                    let expires = model.entry(n).or_default();
                    *expires = (*expires).max(now + after);
                    let committing = journal.mark_done(vec![mark(n)], at(now + after));
                    prop_assert_eq!(journal.any_done(&[mark(n)], at(now)).unwrap(), model[&n] > now, "before the sync");
                    runtime.block_on(committing.synced()).unwrap();
                }
                Step::Sweep(budget) => {
                    let mut expired: Vec<_> = model.iter().filter(|(_, expires)| **expires <= now).map(|(n, expires)| (*expires, mark(*n), *n)).collect();
                    expired.sort();
                    expired.truncate(budget);
                    for (_, _, n) in &expired {
                        model.remove(n);
                    }
                    prop_assert_eq!(runtime.block_on(journal.sweep(at(now), budget)).unwrap(), expired.len());
                }
                Step::Later(by) => now += by,
                Step::Reopen => {
                    drop(journal);
                    journal = Journal::open(folder.path(), 1000).unwrap();
                }
            }
            prop_assert_eq!(journal.len(), model.len() as u64);
            for n in 0..12 {
                let live = model.get(&n).is_some_and(|expires| *expires > now);
                prop_assert_eq!(journal.any_done(&[mark(n)], at(now)).unwrap(), live, "mark {} at {}", n, now);
            }
        }
    }
}
