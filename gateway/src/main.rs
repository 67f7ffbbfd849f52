//! The binary `tollgate`: parse, build, run, drain.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use tollgate::{
    cli::{
        self, Command,
        report::{Failure, Outcome},
        serve::{self, DRAIN_DEADLINE, Signals},
    },
    gateway::{Gateway, Running},
    logging,
};
use tollgate_config::Environment;
use tollgate_host::Compiler;

// A gateway allocates small things from many threads; the system's allocator gives such memory back late.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(code) => return code,
    };
    let name = invocation.command.name();
    let outcome = match invocation.command {
        Command::Serve(command) => command.environment().and_then(|environment| run(environment, |_| ())),
        Command::Demo(command) => command.prepare().and_then(|demo| {
            let outcome = run(demo.environment.clone(), |running| cli::demo::tell(&demo, running));
            outcome.map_err(cli::demo::advise)
        }),
        command => command.run(),
    };
    invocation.format.report(name, outcome)
}

/// Builds the gateway, runs it until a signal, drains it.
fn run(environment: Environment, ready: impl FnOnce(&Running)) -> Result<Outcome, Failure> {
    let _logs = logging::start();
    let runtime = serve::runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let running = tokio::select! {
            started = Gateway::start(environment, Compiler::this_program()) => started?,
            () = signals.next() => return Err(Failure::new("stopped", "a signal came before the gateway was ready")),
        };
        serve::print_ready(&running);
        ready(&running);
        signals.next().await;
        tokio::select! {
            drained = running.drain(DRAIN_DEADLINE) => serve::drained(drained),
            () = signals.next() => Err(Failure::new("stopped", "a second signal ended the drain")),
        }
    });
    // What still blocks a thread then is nothing that was promised: the drain has put state to disk.
    runtime.shutdown_timeout(serve::RUNTIME_DEADLINE);
    outcome
}
