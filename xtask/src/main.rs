//! What a developer runs: `cargo xtask demo | test | samples | compare | instructions | languages | soak`.
//!
//! In reading order: [`samples`] (with [`toolchain`] for Rust and [`languages`] for others), [`test`] (with [`tally`]), [`demo`], [`compare`], [`instructions`],
//! [`soak`]; [`process`] starts programs, [`gateway`] one of them, [`machine`] says where.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people: what it does goes to the terminal"
)]

mod compare;
mod demo;
mod gateway;
mod instructions;
mod languages;
mod machine;
mod process;
mod samples;
mod soak;
mod tally;
mod test;
mod toolchain;

use clap::{Parser, Subcommand};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What a developer of Tollgate runs")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the gateway and run its demo in the foreground
    Demo {
        /// Passed on to `tollgate demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything that CI runs: the samples, formatting, lints, all tests
    Test {
        /// Build the release too, and try it by the command line's tests; CI always does
        #[arg(long)]
        release: bool,
    },
    /// Build, pack and sign the sample workers into target/samples
    Samples {
        /// Build for wasm32-unknown-unknown with the standard library's sources, even where wasm32-wasip2 is installed
        #[arg(long)]
        build_std: bool,
    },
    /// Measure Tollgate and its installed peers on the same job, and write a report
    Compare(compare::Options),
    /// Count the instructions of an instance and of a whole call under callgrind; fail when they have grown
    Instructions(instructions::Options),
    /// Measure what a worker costs in each language, with and without a snapshot, and write a report
    Languages(languages::cost::Options),
    /// Let hostile workers do all they can for a long time, beside honest calls, and check that nothing grew or failed
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match run(Command::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let root = root();
    match task {
        Task::Demo { arguments } => demo::run(&root, &arguments),
        Task::Test { release } => test::run(&root, release || std::env::var_os("CI").is_some()),
        Task::Samples { build_std } => samples::build(&root, build_std),
        Task::Compare(options) => compare::run(&root, &options),
        Task::Instructions(options) => instructions::run(&root, &options),
        Task::Languages(options) => languages::cost::run(&root, &options),
        Task::Soak(options) => soak::run(&root, &options),
    }
}

/// The project's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
