//! Who calls what: one group of connections for each misdeed, and the honest ones beside them.

use super::{
    Shared,
    client::{Connection, Framing},
};
use anyhow::Result;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Connections for each misdeed.
const EACH: usize = 3;
/// Connections of the other tenant.
pub(super) const HONEST_CONNECTIONS: usize = 8;
/// What an honest caller thinks between two requests: the point is who is served, not how many.
const HONEST_PAUSE: Duration = Duration::from_millis(5);
/// The same for a misdeed that costs little: all of them together still have the gateway busy.
const HOSTILE_PAUSE: Duration = Duration::from_millis(10);

/// Paths of `hostile` with one status that each must have led to by the end.
const PATHS: [(&str, u16); 20] = [
    ("/cpu", 504),
    ("/memory", 502),
    ("/trap", 502),
    ("/silent", 502),
    ("/deep", 502),
    ("/headers", 502),
    ("/fields", 502),
    ("/handles", 502),
    ("/alarms", 502),
    ("/entropy", 502),
    ("/hostcall", 502),
    ("/stdout", 504),
    ("/slow?ms=1500", 504),
    ("/slow?ms=200", 200),
    ("/outbound?url=http://127.0.0.1:1/", 200),
    ("/fill?keys=60&bytes=10", 200),
    ("/fill?keys=60&bytes=1000", 200),
    ("/clear?keys=30", 200),
    ("/ask?count=100", 200),
    ("/allocate?kib=4096", 200),
];
/// Paths whose answer breaks off after its head.
const BROKEN: [&str; 2] = ["/stall", "/empty-writes"];

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    over: AtomicBool,
    /// Answers by what was done and what came of it.
    answers: Mutex<BTreeMap<String, BTreeMap<String, u64>>>,
    /// Honest requests by time, in microseconds: powers of two.
    times: Mutex<[u64; 32]>,
}

impl Counts {
    fn count(&self, what: &str, came: String) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(what.to_owned()).or_default().entry(came).or_default() += 1;
    }

    fn took(&self, time: Duration) {
        let bucket = (u64::BITS - (time.as_micros() as u64).leading_zeros()) as usize;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = times.get_mut(bucket) {
            *count += 1;
        }
    }
}

/// What the attack has counted, when it is over.
#[derive(Debug)]
pub(super) struct Counted {
    /// By what was done and what came of it.
    pub(super) answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// Upper bounds of half, 99 and all of 100 honest requests, in milliseconds.
    pub(super) honest_ms: [f64; 3],
}

/// The name that honest requests are counted under.
pub(super) const HONEST: &str = "honest";

impl Counted {
    /// What must have come of each misdeed, and has not.
    pub(super) fn missing(&self) -> Vec<String> {
        let has = |what: &str, came: &str| self.answers.get(what).is_some_and(|answers| answers.contains_key(came));
        let paths = PATHS.iter().filter(|(path, status)| !has(path, &status.to_string()));
        let paths = paths.map(|(path, status)| format!("{path} never led to {status}"));
        let broken = BROKEN.iter().filter(|path| !has(path, "200, broken off"));
        let broken = broken.map(|path| format!("{path} was never broken off"));
        let slow = (!has("a slow body", "408")).then(|| "a slow body never led to 408".to_owned());
        paths.chain(broken).chain(slow).collect()
    }

    /// Honest requests that were answered, and those that were not.
    pub(super) fn honest(&self) -> (u64, u64) {
        let answers = self.answers.get(HONEST);
        let all: u64 = answers.map_or(0, |answers| answers.values().sum());
        let good = answers.and_then(|answers| answers.get("200")).copied().unwrap_or_default();
        (good, all - good)
    }
}

/// All who call. They can rest, and count on when they go on.
pub(super) struct Crowd {
    address: SocketAddr,
    counts: Shared,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(super) fn start(address: SocketAddr) -> Self {
        let mut crowd = Self {
            address,
            counts: Shared::default(),
            threads: Vec::new(),
        };
        crowd.resume();
        crowd
    }

    /// Everybody calls.
    pub(super) fn resume(&mut self) {
        let address = self.address;
        self.counts.over.store(false, Relaxed);
        for (path, _) in PATHS {
            self.join(EACH, move |counts| calls(address, path, counts));
        }
        for path in BROKEN {
            self.join(EACH, move |counts| breaks_off(address, path, counts));
        }
        self.join(EACH, move |counts| goes_away(address, counts));
        self.join(EACH, move |counts| sends_slowly(address, counts));
        self.join(HONEST_CONNECTIONS, move |counts| honest(address, counts));
    }

    /// Nobody calls, and every connection is closed.
    pub(super) fn rest(&mut self) {
        self.counts.over.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of a client shows as a misdeed that led nowhere.
            let _ = thread.join();
        }
    }

    fn join(&mut self, connections: usize, call: impl Fn(&Counts) + Copy + Send + 'static) {
        for _ in 0..connections {
            let counts = Arc::clone(&self.counts);
            self.threads.push(thread::spawn(move || {
                while !counts.over.load(Relaxed) {
                    call(&counts);
                    thread::sleep(HOSTILE_PAUSE);
                }
            }));
        }
    }

    /// Ends the attack.
    pub(super) fn stop(mut self) -> Counted {
        self.rest();
        let times = *self.counts.times.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u64 = times.iter().sum();
        let quantile = |share: f64| {
            let mut left = (all as f64 * share).ceil() as u64;
            let bucket = times.iter().position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            });
            bucket.map_or(0.0, |bucket| (1_u64 << bucket) as f64 / 1e3)
        };
        Counted {
            honest_ms: [quantile(0.5), quantile(0.99), quantile(1.0)],
            answers: std::mem::take(&mut self.counts.answers.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Calls a path on one connection, until it is closed.
fn calls(address: SocketAddr, path: &str, counts: &Counts) {
    let Ok(mut connection) = Connection::open(address) else {
        return counts.count(path, "no connection".to_owned());
    };
    while !counts.over.load(Relaxed) {
        match connection.get("hostile.localhost", path) {
            Ok(answer) => {
                counts.count(path, answer.status.to_string());
                if !answer.kept {
                    return;
                }
            }
            Err(error) => return counts.count(path, format!("{error}")),
        }
        thread::sleep(HOSTILE_PAUSE);
    }
}

/// Reads an answer that never ends, until the gateway ends it.
fn breaks_off(address: SocketAddr, path: &str, counts: &Counts) {
    let came = || -> Result<String> {
        let mut connection = Connection::open(address)?;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n").as_bytes())?;
        let (status, framing, _) = connection.head()?;
        if !matches!(framing, Framing::Chunks) {
            return Ok(status.to_string());
        }
        Ok(match connection.body(framing) {
            Ok(_) => format!("{status}, whole"),
            Err(_) => format!("{status}, broken off"),
        })
    };
    counts.count(path, came().unwrap_or_else(|error| format!("{error}")));
}

/// Asks for what takes long and is gone before it comes.
fn goes_away(address: SocketAddr, counts: &Counts) {
    for path in ["/stall", "/slow?ms=900", "/cpu"] {
        if let Ok(mut connection) = Connection::open(address) {
            let sent = connection.send(format!("GET {path} HTTP/1.1\r\nHost: hostile.localhost\r\n\r\n").as_bytes());
            counts.count("went away", if sent.is_ok() { "sent" } else { "not sent" }.to_owned());
            thread::sleep(HOSTILE_PAUSE);
        }
    }
}

/// Promises a body, sends a part of it and waits: where the worker waits for longer than the gateway does.
fn sends_slowly(address: SocketAddr, counts: &Counts) {
    let came = || -> Result<String> {
        let mut connection = Connection::open(address)?;
        connection.send(b"POST /read HTTP/1.1\r\nHost: patient.localhost\r\nContent-Length: 10\r\n\r\nab")?;
        Ok(connection.answer()?.status.to_string())
    };
    counts.count("a slow body", came().unwrap_or_else(|error| format!("{error}")));
}

/// The other tenant's callers.
fn honest(address: SocketAddr, counts: &Counts) {
    let Ok(mut connection) = Connection::open(address) else {
        return counts.count(HONEST, "no connection".to_owned());
    };
    while !counts.over.load(Relaxed) {
        let begun = Instant::now();
        match connection.get("hello.localhost", "/soak") {
            Ok(answer) => {
                counts.took(begun.elapsed());
                counts.count(HONEST, answer.status.to_string());
                if !answer.kept {
                    return;
                }
            }
            Err(error) => return counts.count(HONEST, format!("{error}")),
        }
        thread::sleep(HONEST_PAUSE);
    }
}
