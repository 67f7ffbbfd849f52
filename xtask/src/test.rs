//! `cargo xtask test`: what CI runs is what a developer runs.

use crate::{demo, instructions, process, samples, tally::Tally};
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Runs every step, even after a failed one, and closes with one line of counts.
///
/// # Errors
/// When a step or a test failed.
pub(crate) fn run(root: &Path, release: bool) -> Result<()> {
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut step = |name: &str, run: &mut dyn FnMut() -> Result<Tally>| {
        println!("=== {name}");
        match run() {
            Ok(counted) => tally += counted,
            Err(error) => {
                println!("{name}: {error:#}");
                tally.failed += 1;
            }
        }
    };
    // The tests start these workers.
    step("samples", &mut || samples::build(root, false).map(|()| Tally::default()));
    for (name, folder) in [
        ("formatting", "."),
        ("formatting of the samples", "packs/samples"),
        ("formatting of the fuzz targets", "fuzz"),
    ] {
        // Names the files; `cargo fmt` mends them.
        step(name, &mut || {
            quiet(process::cargo(&root.join(folder)).args(["fmt", "--", "--check", "--files-with-diff"]))
        });
    }
    let lints = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step("lints", &mut || quiet(process::cargo(root).args(lints)));
    // One profile, so that the binary which the tests start is the one that is built here, and wasmtime is compiled once.
    step("tests", &mut || {
        tests(process::cargo(root).args(["test", "--locked", "--workspace", "--no-fail-fast"]))
    });
    step("instructions of a call", &mut || {
        instructions::test(root).map(|()| Tally::default())
    });
    if release {
        // What serves is another build, whose linking takes minutes: the command line's tests try it, its demo and a kill -9 among them.
        step("the release", &mut || {
            let binary = demo::release(root)?;
            let cli = ["test", "--locked", "--workspace", "--test", "cli"];
            tests(process::cargo(root).args(cli).env("TOLLGATE_BINARY", binary))
        });
    } else {
        println!("=== the release: not built (`--release` does, and CI)");
    }

    println!("{} s", begun.elapsed().as_secs());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn quiet(command: &mut Command) -> Result<Tally> {
    process::run(command).map(|()| Tally::default())
}

/// Runs cargo's tests, their output passed through line by line.
fn tests(command: &mut Command) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().context("no stdout")?).lines() {
        let line = line?;
        println!("{line}");
        tally += Tally::from_line(&line).unwrap_or_default();
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        tally.failed = 1; // it did not compile, or a binary died before it could count
    }
    if status.success() && tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(tally)
}
