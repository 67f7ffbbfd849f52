//! `tollgate compile`: what the gateway starts to compile a worker. No command for people: it reads a job from stdin, and writes machine code.

use super::report::{Failure, Outcome};
use std::{
    io::{stdin, stdout},
    time::Duration,
};

/// Compile a worker for the gateway that started this.
#[derive(Debug, clap::Args)]
pub struct Compile {
    /// Bytes of memory that this process may write to
    memory: u64,
    /// Seconds of CPU time that it may use
    cpu: u64,
}

impl Compile {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let served = tollgate_host::serve_child(self.memory, Duration::from_secs(self.cpu), stdin().lock(), stdout().lock());
        served.map_err(|error| Failure::chain("compile", &error))?;
        Ok(Outcome::told())
    }
}
