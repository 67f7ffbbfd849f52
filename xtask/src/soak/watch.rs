//! What the gateway uses, as the kernel and its own metrics say.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// Looks at one gateway.
pub(super) struct Watch {
    process: u32,
    admin: SocketAddr,
}

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Resident memory, in bytes.
    pub(super) resident: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Open files and sockets.
    pub(super) files: u64,
    /// Places of the pool that are taken.
    pub(super) instances: u64,
    /// Places that tenants hold.
    pub(super) held: u64,
    /// Callers that wait for one.
    pub(super) waiting: u64,
    /// Tasks that have not ended.
    pub(super) tasks: u64,
    /// Calls in the slow lane.
    pub(super) slow: u64,
    /// Requests whose answer has not ended.
    pub(super) requests: u64,
    /// Open connections.
    pub(super) connections: u64,
}

impl Watch {
    pub(super) fn new(process: u32, admin: SocketAddr) -> Self {
        Self { process, admin }
    }

    pub(super) fn look(&self) -> Result<Sample> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let number = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok());
            number.with_context(|| format!("no {name} in the kernel's status"))
        };
        let metrics = self.metrics()?;
        let sum = |name: &str| sum(&metrics, name);
        Ok(Sample {
            resident: number("VmRSS")? << 10,
            threads: number("Threads")?,
            files: fs::read_dir(format!("/proc/{}/fd", self.process))?.count() as u64,
            instances: sum("tollgate_pool_instances"),
            held: sum("tollgate_tenant_instances"),
            waiting: sum("tollgate_tenant_waiting"),
            tasks: sum("tollgate_tasks"),
            slow: sum("tollgate_slow_calls"),
            requests: sum("tollgate_requests"),
            connections: sum("tollgate_connections"),
        })
    }

    /// The samples of one metric by their labels.
    pub(super) fn lines(&self, name: &str) -> Result<BTreeMap<String, u64>> {
        let metrics = self.metrics()?;
        let mine = metrics.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        Ok(mine
            .filter_map(|(labels, value)| Some((labels.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// The sum of one metric's samples.
    pub(super) fn sum(&self, name: &str) -> Result<u64> {
        Ok(sum(&self.metrics()?, name))
    }

    fn metrics(&self) -> Result<String> {
        // The connection is closed after it: the answer is all there is to read.
        let mut stream = TcpStream::connect(self.admin)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

fn sum(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') {
            rest.rsplit_once(' ')?.1
        } else {
            rest.strip_prefix(' ')?
        };
        value.parse::<u64>().ok()
    });
    values.sum()
}

impl Sample {
    /// Whether nothing is under way. The look itself has a connection of its own on the admin listener, which is not counted.
    pub(super) fn is_quiet(&self) -> bool {
        [self.instances, self.held, self.waiting, self.slow, self.requests, self.connections]
            .iter()
            .all(|number| *number == 0)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "resident_bytes": self.resident, "threads": self.threads, "files": self.files, "instances": self.instances, "held": self.held,
            "waiting": self.waiting, "tasks": self.tasks, "slow_calls": self.slow, "requests": self.requests, "connections": self.connections,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB, {} threads, {} files, {} instances, {} tasks, {} connections",
            self.resident >> 20,
            self.threads,
            self.files,
            self.instances,
            self.tasks,
            self.connections
        )
    }
}
