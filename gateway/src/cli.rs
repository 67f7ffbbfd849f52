//! The command line: what can be said. Each command's file says what it does, [`report`] how it answers.
//!
//! stdout is data, stderr is for people; the exit status is 0 for success, 1 for failure, 2 for a command line that is wrong.

mod check;
mod compile;
pub mod demo;
mod explain;
mod keys;
mod pack;
mod problem;
mod providers;
mod reference;
pub mod report;
mod send;
pub mod serve;

use clap::{
    CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use report::{Failure, Format, Name, Outcome};
use std::{ffi::OsString, process::ExitCode};

/// Stands at the edge, lets in only webhooks and HTTP that it can verify, and hands each delivery to a WebAssembly worker
/// in a sandbox of its own.
#[derive(Debug, Parser)]
#[command(
    name = "tollgate",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 110
)]
struct Arguments {
    /// Answer in JSON: `{"op","noun","result"}` on stdout, `{"op","noun","error"}` on stderr
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway that a manifest declares
    Serve(serve::Serve),
    /// Run a gateway with a sample tenant, endpoint and worker; needs no file
    Demo(demo::Demo),
    /// Check a manifest: every error at once, with its place
    Check(check::Check),
    /// Say whether the gate would accept a recorded request, and if not, why
    Explain(explain::Explain),
    /// Sign a payload as a provider does and send it
    Send(send::Send),
    /// Keys that packs are signed with
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Packs: signed archives of workers
    #[command(subcommand)]
    Pack(pack::Pack),
    /// List the providers that this build verifies
    Providers(providers::Providers),
    /// What the gateway starts to compile a worker
    #[command(hide = true)]
    Compile(compile::Compile),
    /// Not built yet.
    #[command(hide = true)]
    Traffic(Later),
    /// Not built yet.
    #[command(hide = true)]
    Revisions(Later),
    /// Not built yet.
    #[command(hide = true)]
    Deliveries(Later),
    /// Not built yet.
    #[command(hide = true)]
    Sessions(Later),
}

/// Whatever stands after a command that is not built yet.
#[derive(Debug, clap::Args)]
pub struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// A command line that was understood.
#[derive(Debug)]
pub struct Invocation {
    /// How to answer.
    pub format: Format,
    /// What to do.
    pub command: Command,
}

/// Understands a command line, the program's name first.
///
/// # Errors
/// The exit status, once help, the version or what is wrong has been printed.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Looked for by hand, so that a command line that cannot be parsed is answered in the form that it asks for.
    let format = if arguments.iter().any(|argument| argument == "--json") {
        Format::Json
    } else {
        Format::Text
    };
    match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => Ok(Invocation {
            format,
            command: parsed.command,
        }),
        Err(error) => Err(match (error.kind(), format) {
            (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _) => report::print(&error.render().to_string()),
            (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, Format::Text) => report::help(&error.render().to_string()),
            (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, _) => {
                format.report(Name::UNKNOWN, Err(unfinished(&arguments)))
            }
            _ => format.report(Name::UNKNOWN, Err(Failure::usage(without_hidden(error).render()))),
        }),
    }
}

/// A command line that ends before it says what to do. Commands that are not built yet are not offered.
fn unfinished(arguments: &[OsString]) -> Failure {
    let root = grammar();
    let (mut name, mut command) = (root.get_name().to_owned(), &root);
    for argument in arguments.iter().skip(1) {
        let Some(below) = command.find_subcommand(argument) else { continue };
        name = format!("{name} {}", below.get_name());
        command = below;
    }
    let known: Vec<&str> = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .map(clap::Command::get_name)
        .collect();
    Failure::usage(format!("`{name}` wants a command after it: {}", known.join(", ")))
}

/// An error that suggests nothing which is not built yet.
fn without_hidden(mut error: clap::Error) -> clap::Error {
    let root = grammar();
    let hidden = |name: &str| {
        let all = root
            .get_subcommands()
            .flat_map(|command| std::iter::once(command).chain(command.get_subcommands()));
        all.filter(|command| command.is_hide_set())
            .any(|command| command.get_name() == name)
    };
    let shown = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(one)) if hidden(&one) => None,
        Some(ContextValue::Strings(several)) => {
            let shown: Vec<String> = several.into_iter().filter(|name| !hidden(name)).collect();
            (!shown.is_empty()).then_some(ContextValue::Strings(shown))
        }
        other => other,
    };
    if let Some(shown) = shown {
        error.insert(ContextKind::SuggestedSubcommand, shown);
    }
    error
}

/// The whole command line, for the pages that describe it.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

impl Command {
    /// What the answer is called.
    pub fn name(&self) -> Name {
        let (op, noun) = match self {
            Self::Serve(_) | Self::Demo(_) => ("serve", "gateway"),
            Self::Check(_) => ("check", "manifest"),
            Self::Explain(_) => ("explain", "request"),
            Self::Send(_) => ("send", "delivery"),
            Self::Keys(command) => (command.op(), "key"),
            Self::Pack(command) => (command.op(), "pack"),
            Self::Providers(_) => ("list", "provider"),
            Self::Compile(_) => ("compile", "worker"),
            Self::Traffic(_) => ("traffic", "deployment"),
            Self::Revisions(_) => ("revisions", "deployment"),
            Self::Deliveries(_) => ("deliveries", "gateway"),
            Self::Sessions(_) => ("sessions", "gateway"),
        };
        Name { op, noun }
    }

    /// Does it; `serve` and `demo` are run by `main`.
    ///
    /// # Errors
    /// What failed.
    pub fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Check(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Send(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::Pack(command) => command.run(),
            Self::Providers(command) => command.run(),
            Self::Compile(command) => command.run(),
            Self::Serve(_) | Self::Demo(_) => Err(Failure::new("internal", "this command runs in main")),
            Self::Traffic(_) => Err(Failure::later("tollgate traffic")),
            Self::Revisions(_) => Err(Failure::later("tollgate revisions")),
            Self::Deliveries(_) => Err(Failure::later("tollgate deliveries")),
            Self::Sessions(_) => Err(Failure::later("tollgate sessions")),
        }
    }
}
