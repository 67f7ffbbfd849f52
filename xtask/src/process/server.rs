//! A program that serves until it is dropped, and what the kernel says that it uses.

use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// `USER_HZ`, in which the kernel tells the CPU time of children: 100 on every Linux of today.
const TICKS: f64 = 100.0;

/// A running program. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that says nothing on stdout; its stderr goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn silent(command: &mut Command, log: &Path) -> Result<Self> {
        let child = command.stdout(Stdio::null()).stderr(File::create(log)?).spawn()?;
        Ok(Self { child })
    }

    /// Starts a program that says in its first line that it serves, and where; gives that line.
    ///
    /// # Errors
    /// When it cannot be started or says no text.
    pub(crate) fn announced(command: &mut Command, log: &Path) -> Result<(Self, String)> {
        let child = command.stdout(Stdio::piped()).stderr(File::create(log)?).spawn()?;
        let mut server = Self { child };
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        Ok((server, line))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The kernel's folder of it.
    pub(crate) fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }

    /// CPU time of all its threads that live.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut sum = 0;
        for task in fs::read_dir(self.proc().join("task"))? {
            let spent = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += spent.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Seconds of CPU of its children that have ended: a gateway's compilers.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn children_cpu(&self) -> Result<f64> {
        // The 14th and 15th fields from the state on: cutime, cstime.
        ticks(&self.proc(), 13)
    }

    /// Resident memory in bytes, and the number of threads.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn status(&self) -> Result<Status> {
        let text = fs::read_to_string(self.proc().join("status"))?;
        let number = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok());
            number.with_context(|| format!("no {name} in the kernel's status"))
        };
        Ok(Status {
            resident: number("VmRSS")? << 10,
            threads: number("Threads")?,
        })
    }
}

/// Seconds of CPU of this program, its threads that have ended too.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn own_cpu() -> Result<f64> {
    // The 12th and 13th fields from the state on: utime, stime.
    ticks(Path::new("/proc/self"), 11)
}

/// The sum of two fields side by side of the kernel's `stat` (proc_pid_stat(5)), in seconds.
fn ticks(proc: &Path, after: usize) -> Result<f64> {
    let text = fs::read_to_string(proc.join("stat"))?;
    // After the name, which may hold spaces.
    let (_, rest) = text.rsplit_once(')').context("no stat")?;
    let spent = rest
        .split_whitespace()
        .skip(after)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    Ok(spent.sum::<f64>() / TICKS)
}

/// See [`Server::status`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    /// In bytes.
    pub(crate) resident: u64,
    /// That have not ended.
    pub(crate) threads: u64,
}
