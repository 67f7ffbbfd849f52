//! `cargo xtask instructions`: how many instructions an instance and a whole call of `hello` take, in machine code of the host and of the worker alike,
//! counted by callgrind. Unlike times they do not drift with the machine's pace, so that a change which costs shows at once.
//!
//! In reading order: [`baseline`] (what they were, and whether that still holds), [`callgrind`] (how they are counted).

mod baseline;
mod callgrind;

use crate::{process, samples};
use anyhow::{Context, Result, bail, ensure};
use baseline::{Baseline, Counts};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

/// What is counted: `benches/benches/calls.rs`.
const BENCH: &str = "calls";
/// The counts that must not grow.
const BASELINE: &str = "benches/instructions.json";

/// Of `cargo xtask instructions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Write the counts down as the new baseline, whatever they are
    #[arg(long)]
    renew: bool,
}

/// Counts, and compares with the baseline. Without valgrind, which it tries to install, it says so and is content.
///
/// # Errors
/// When the counts have grown by more than [`baseline::SLACK`], or the worker does not run.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if process::find(callgrind::VALGRIND).is_none()
        && let Err(error) = process::install(&[callgrind::VALGRIND])
    {
        println!("skipped: instructions are not counted, valgrind cannot be had here ({error:#})");
        return Ok(());
    }
    if !root.join("target/samples/hello.wasm").is_file() {
        samples::build(root, false)?;
    }
    let counts = count(root)?;
    println!("instructions: {counts}");
    let file = root.join(BASELINE);
    if options.renew {
        fs::write(&file, Baseline::new(counts).text()?)?;
        println!("instructions: {} is written anew", file.display());
        return Ok(());
    }
    check(&file, counts)
}

/// As [`run`], for a test run, when the samples are there. Only CI installs what is missing.
///
/// # Errors
/// As [`run`].
pub(crate) fn test(root: &Path) -> Result<()> {
    if process::find(callgrind::VALGRIND).is_none() && std::env::var_os("CI").is_none() {
        println!("skipped: instructions are not counted, there is no valgrind: `apt-get install valgrind`");
        return Ok(());
    }
    run(root, &Options { renew: false })
}

fn check(file: &Path, counts: Counts) -> Result<()> {
    let renew = "`cargo xtask instructions --renew` makes these the new baseline, to be committed with what changed them";
    let text = fs::read(file).with_context(|| format!("no {}; {renew}", file.display()))?;
    let baseline: Baseline = Baseline::read(&text).with_context(|| format!("{}; {renew}", file.display()))?;
    if let Some(other) = baseline.other_compiler() {
        println!("instructions: the baseline was counted with {other}, which may explain a difference");
    }
    let compared = baseline.compare(counts);
    for line in &compared.lines {
        println!("instructions: {line}");
    }
    if compared.has_grown {
        bail!("a call takes more instructions than {} allows; {renew}", file.display());
    }
    if compared.has_shrunk {
        println!("instructions: so much less that the baseline lets the next loss pass; {renew}");
    }
    Ok(())
}

fn count(root: &Path) -> Result<Counts> {
    let work = process::target(root).join("instructions");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    callgrind::count(&bench(root)?, &work)
}

/// Builds the bench as the tests are built, and gives its program.
fn bench(root: &Path) -> Result<PathBuf> {
    let mut build = process::cargo(root);
    build.args([
        "build",
        "--locked",
        "--workspace",
        "--bench",
        BENCH,
        "--message-format=json-render-diagnostics",
    ]);
    let told = process::output(build.stderr(Stdio::inherit()))?;
    let program = told.lines().find_map(|line| {
        let told: Value = serde_json::from_str(line).ok()?;
        let is_it = told.pointer("/target/name")?.as_str()? == BENCH;
        let program = told.get("executable")?.as_str()?;
        is_it.then(|| PathBuf::from(program))
    });
    let program = program.with_context(|| format!("cargo names no program of the bench {BENCH}"))?;
    ensure!(program.is_file(), "no {}", program.display());
    Ok(program)
}
