//! `tollgate serve`: from a manifest to a gateway that runs until it is told to stop.

use super::{
    problem,
    report::{self, Failure, Name, Outcome},
};
use crate::gateway::{DrainReport, Running, StartError};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::{io, net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tollgate_config::Environment;

/// How long what is in flight may take after the first signal: longer than any worker's default wall time (10 s) with its queue and
/// a slow reader, shorter than the 30 s after which supervisors kill.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(25);
/// How long a blocking call may hold up the exit after that.
pub const RUNTIME_DEADLINE: Duration = Duration::from_secs(1);

/// Run the gateway that a manifest declares.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The environment's manifest
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    /// Reads the manifest.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn environment(&self) -> Result<Environment, Failure> {
        problem::read(&self.config)
    }
}

/// The runtime that everything runs on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tollgate")
        .build();
    runtime.map_err(|error| Failure::new("start", format!("no runtime: {error}")))
}

/// SIGTERM, SIGINT, and SIGHUP: a terminal that closes ends the gateway as gently as a supervisor does.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Absent under `nohup`.
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on, these signals end nothing by themselves.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::new("start", format!("no signal handler: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let hangup = match hangup_is_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup()).map_err(failed)?),
        };
        Ok(Self {
            terminate,
            interrupt,
            hangup,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
            () = heard(self.hangup.as_mut()) => (),
        }
    }
}

async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether whoever started us said to outlive the terminal, as `nohup` does: a handler of ours would undo that (`proc(5)`, `SigIgn`).
pub fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        // SIGHUP is signal 1, the lowest bit.
        .is_some_and(|mask| mask & 1 == 1)
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let taken = matches!(&error, StartError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse);
        let kind = match &error {
            StartError::Manifest(_) => "manifest",
            StartError::Secrets(_) => "secret",
            StartError::Bind { .. } => "bind",
            _ => "start",
        };
        let failure = Self::chain(kind, &error);
        if taken {
            failure.advise("stop what listens there, or give the manifest another address")
        } else {
            failure
        }
    }
}

#[derive(Serialize)]
struct Ready<'a> {
    listeners: Vec<ReadyListener<'a>>,
    admin: SocketAddr,
}

#[derive(Serialize)]
struct ReadyListener<'a> {
    address: SocketAddr,
    tls: bool,
    protocols: Vec<&'a str>,
}

/// Prints the ready line, the only one on stdout. A supervisor that has closed the pipe has no use for it: the gateway goes on.
pub fn print_ready(running: &Running) {
    let listeners = running.listeners.iter().map(|bound| ReadyListener {
        address: bound.address,
        tls: bound.tls,
        protocols: bound.protocols.iter().map(|protocol| protocol.as_str()).collect(),
    });
    let ready = Ready {
        listeners: listeners.collect(),
        admin: running.admin,
    };
    if let Ok(ready) = to_raw_value(&ready) {
        report::print(&report::line(
            Name {
                op: "serve",
                noun: "gateway",
            },
            &ready,
        ));
    }
}

/// How a drain ended, as an outcome.
///
/// # Errors
/// When something was cut off.
pub fn drained(report: DrainReport) -> Result<Outcome, Failure> {
    if report.clean {
        return Ok(Outcome::told());
    }
    let seconds = DRAIN_DEADLINE.as_secs();
    Err(Failure::new(
        "drain",
        format!("{} tasks had not ended after {seconds} s and were cut off", report.cut_off),
    ))
}
