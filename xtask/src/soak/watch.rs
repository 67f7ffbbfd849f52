//! What the gateway uses, as the kernel and its own metrics say.

use super::memory::Memory;
use crate::gateway::Gateway;
use anyhow::Result;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, fs};

/// Looks at one gateway.
pub(super) struct Watch<'a> {
    gateway: &'a Gateway,
}

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Resident memory, in bytes.
    pub(super) resident: u64,
    /// What it is made of.
    pub(super) memory: Memory,
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

impl<'a> Watch<'a> {
    pub(super) fn new(gateway: &'a Gateway) -> Self {
        Self { gateway }
    }

    pub(super) fn look(&self) -> Result<Sample> {
        let status = self.gateway.server.status()?;
        let metrics = self.metrics()?;
        let sum = |name: &str| sum(&metrics, name);
        Ok(Sample {
            resident: status.resident,
            // Takes the kernel a few milliseconds, in which the gateway gets no new memory.
            memory: Memory::read(&fs::read_to_string(self.gateway.server.proc().join("smaps"))?)?,
            threads: status.threads,
            files: fs::read_dir(self.gateway.server.proc().join("fd"))?.count() as u64,
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
        self.gateway.admin("/metrics")
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
            "resident_bytes": self.resident, "memory": self.memory.json(), "threads": self.threads, "files": self.files, "instances": self.instances, "held": self.held,
            "waiting": self.waiting, "tasks": self.tasks, "slow_calls": self.slow, "requests": self.requests, "connections": self.connections,
        })
    }
}

impl Sample {
    /// Everything, for people.
    pub(super) fn figures(&self) -> [(&'static str, u64); 13] {
        [
            ("resident, MiB", self.resident >> 20),
            ("of it the pool (warm slots), MiB", self.memory.pool >> 20),
            ("of it the heap, MiB", self.memory.heap >> 20),
            ("of it the program and files, MiB", self.memory.files >> 20),
            ("threads", self.threads),
            ("open files", self.files),
            ("tasks", self.tasks),
            ("instances", self.instances),
            ("places that tenants hold", self.held),
            ("callers that wait", self.waiting),
            ("calls in the slow lane", self.slow),
            ("requests", self.requests),
            ("connections", self.connections),
        ]
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB ({}), {} threads, {} files, {} instances, {} tasks, {} connections",
            self.resident >> 20,
            self.memory,
            self.threads,
            self.files,
            self.instances,
            self.tasks,
            self.connections
        )
    }
}
