//! What was acknowledged is there after kill -9: a child process writes and says what was acknowledged, and is killed at
//! some point; then the folder is opened here and everything it said is looked for.

use crate::{at, key, mark};
use bytes::Bytes;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};
use tollgate_store::{Expect, Journal, SessionStore, SledStore, session::Counts};

/// Tells a child what it is: `sled` or `journal`, and its folder.
const ROLE: &str = "TOLLGATE_STORE_CHILD";
/// Each on the folder that the last one left.
const KILLS: usize = 25;
/// More writes than a child lives for.
const ENDLESS: u32 = 1_000_000;
/// Writers at once in the child, so that kills fall into shared flushes and commits.
const WRITERS: u64 = 6;

/// No test by itself: the body of the child. Without a role it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, folder) = role.split_once(':').unwrap();
    match role {
        "sled" => write_sessions(Path::new(folder)).await,
        "journal" => write_marks(Path::new(folder)).await,
        #[cfg(unix)]
        "full" => crate::embedded::fill(Path::new(folder)).await,
        role => panic!("no role {role}"),
    }
}

/// The command that starts this test binary again as a child.
pub(crate) fn child_command(role: &str, folder: &Path) -> (PathBuf, [&'static str; 4], String) {
    let arguments = ["crash::child", "--exact", "--nocapture", "--test-threads=1"];
    (std::env::current_exe().unwrap(), arguments, format!("{role}:{}", folder.display()))
}

fn start(role: &str, folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let (program, arguments, role) = child_command(role, folder);
    let mut child = Command::new(program)
        .args(arguments)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

/// Says that a write was acknowledged. One call writes one line.
fn acknowledge(writer: u64, n: u64) {
    std::io::stdout().write_all(format!("ack {writer} {n}\n").as_bytes()).unwrap();
}

/// Kills the child once it has said so many lines, and returns what it said up to the kill: writers and numbers.
fn kill_after(lines: usize, role: &str, folder: &Path) -> Vec<(u64, u64)> {
    let (mut child, said) = start(role, folder);
    let mut acknowledged = Vec::new();
    for line in said.lines() {
        let line = line.unwrap();
        // A line may be cut off by the kill: then its write is not known to be acknowledged.
        let mut words = line.split(' ');
        let (Some("ack"), Some(writer), Some(n)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let (Ok(writer), Ok(n)) = (writer.parse(), n.parse()) else {
            continue;
        };
        acknowledged.push((writer, n));
        if acknowledged.len() == lines {
            child.kill().unwrap();
        }
    }
    let ended = child.wait().unwrap();
    assert!(
        acknowledged.len() >= lines && !ended.success(),
        "the child ended by itself: {ended}"
    );
    acknowledged
}

/// How many lines to wait for: anything from the first write to some hundred.
fn lines(kill: usize) -> usize {
    1 + kill * 37 % 120
}

/// Of all sizes up to some pages.
fn value(writer: u64, n: u64) -> Bytes {
    Bytes::from(vec![writer as u8; 1 + (n as usize * 611) % 9000])
}

async fn write_sessions(folder: &Path) {
    let store = Arc::new(SledStore::open(folder).unwrap());
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..ENDLESS {
                let n = store.increment(&key(&format!("count{writer}")), 1, at(0)).await.unwrap();
                let value = Bytes::from(vec![writer as u8; 1 + (n as usize * 611) % 9000]);
                store
                    .put(
                        &key(&format!("value{writer}/{n}")),
                        value,
                        Expect::Absent,
                        Some(at(n as u64)),
                        at(0),
                    )
                    .await
                    .unwrap();
                acknowledge(writer, n as u64);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn acknowledged_sessions_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut known = Vec::new();
    for kill in 0..KILLS {
        known.extend(kill_after(lines(kill), "sled", folder.path()));
        let store = SledStore::open(folder.path()).unwrap();
        for (writer, n) in &known {
            let count = store.get(&key(&format!("count{writer}")), at(0)).await.unwrap().unwrap().value;
            let count: u64 = String::from_utf8(count.to_vec()).unwrap().parse().unwrap();
            assert!(count >= *n, "kill {kill}: writer {writer} counted {n}, and now {count}");
            let found = store.get(&key(&format!("value{writer}/{n}")), at(0)).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("kill {kill}: value {n} of writer {writer} is gone"));
            assert_eq!(found.value, value(*writer, *n));
        }
        assert_eq!(store.counts(), Counts::default(), "kill {kill}");
    }
}

async fn write_marks(folder: &Path) {
    let journal = Journal::open(folder, 1_000_000).unwrap();
    let from = journal.len();
    let writers = (0..WRITERS).map(|writer| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for n in from.. {
                journal
                    .mark_done(vec![mark(n * WRITERS + writer)], at(1000))
                    .synced()
                    .await
                    .unwrap();
                acknowledge(writer, n);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[test]
fn acknowledged_marks_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut known = Vec::new();
    for kill in 0..KILLS {
        known.extend(
            kill_after(lines(kill), "journal", folder.path())
                .into_iter()
                .map(|(writer, n)| n * WRITERS + writer),
        );
        let journal = Journal::open(folder.path(), 1_000_000).unwrap();
        for n in &known {
            assert!(journal.any_done(&[mark(*n)], at(0)).unwrap(), "kill {kill}: mark {n} is gone");
        }
        assert!(journal.len() >= known.len() as u64);
    }
}
