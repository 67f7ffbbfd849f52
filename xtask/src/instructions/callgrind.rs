//! Counting. The bench calls a function of its own between its parts, and callgrind writes its counters down each time, so that the start and the
//! compiling are parts by themselves and need not be subtracted. Nothing hangs on call stacks, which workers' fibers would confuse.

use super::baseline::Counts;
use crate::process;
use anyhow::{Context, Result, anyhow, ensure};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};
use std::{env::consts::ARCH, fs, path::Path, process::Command, thread};

/// Debian's package, and its program.
pub(super) const VALGRIND: &str = "valgrind";
/// Of each part: what the parts have in common is nothing against so many.
const CALLS: u64 = 200;
/// Two parts that count the same may differ by so much, else the machine or the host does something beside the calls.
const AGREEMENT: f64 = 0.02;
/// Where the bench lets the counters be written down.
const MARK: &str = "--dump-before=*tollgate_benches_mark*";

/// Runs the bench and gives the instructions of one instance and of one call.
///
/// # Errors
/// When it does not run, or counts disagree.
pub(super) fn count(bench: &Path, work: &Path) -> Result<Counts> {
    let out = work.join("out");
    let mut valgrind = Command::new(VALGRIND);
    valgrind
        .args(["--tool=callgrind", MARK, "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(bench)
        .arg(CALLS.to_string());
    let filter = without_auxv()?;
    let run = thread::spawn(move || -> Result<()> {
        // On this thread and its children only.
        seccompiler::apply_filter(&filter).context("the kernel takes no filter of system calls")?;
        process::run(&mut valgrind)
    });
    run.join().map_err(|_| anyhow!("the thread that ran valgrind panicked"))??;

    // The first part is the start.
    let part = |number: u32| -> Result<u64> {
        let file = out.with_extension(number.to_string());
        let text = fs::read_to_string(&file).with_context(|| format!("callgrind has not written {}", file.display()))?;
        sum(&text).with_context(|| format!("no sum in {}", file.display()))
    };
    Ok(Counts {
        instantiate: once("instances", part(2)?, part(4)?)?,
        call: once("calls", part(3)?, part(5)?)?,
    })
}

/// One time, of two parts.
fn once(what: &str, first: u64, second: u64) -> Result<u64> {
    let (least, most) = (first.min(second), first.max(second));
    ensure!(least > 0, "no {what} were counted");
    ensure!(
        (most - least) as f64 <= least as f64 * AGREEMENT,
        "{CALLS} {what} took {first} instructions, then {second}: these counts are not to be trusted, try again"
    );
    Ok(u64::midpoint(first, second) / CALLS)
}

/// The sum of a file of callgrind's.
fn sum(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok())
}

/// rustix asks the kernel where its clock lies (`prctl`, `PR_GET_AUXV`) and looks there; valgrind 3.19 has unmapped that page without telling. It
/// falls back to a file that valgrind has put right when the kernel refuses, so this makes it refuse.
fn without_auxv() -> Result<BpfProgram> {
    const PR_GET_AUXV: u64 = 0x4155_5856;
    const EINVAL: u32 = 22;
    let prctl = match ARCH {
        "x86_64" => 157,
        _ => 167,
    };
    let asked = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, PR_GET_AUXV)?;
    let rules = [(prctl, vec![SeccompRule::new(vec![asked])?])];
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(EINVAL),
        ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_make_one_count_when_they_agree() {
        assert_eq!(once("calls", CALLS * 1000, CALLS * 1010).ok(), Some(1005));
        for (first, second) in [(CALLS * 1000, CALLS * 1030), (CALLS * 1030, CALLS * 1000), (0, 0)] {
            assert!(once("calls", first, second).is_err(), "{first}, {second}");
        }
    }

    #[test]
    fn the_sum_is_found() {
        assert_eq!(sum("events: Ir\nsummary: 19534088\n\ntotals: 1\n"), Some(19_534_088));
        assert_eq!(sum("events: Ir\n"), None);
    }
}
