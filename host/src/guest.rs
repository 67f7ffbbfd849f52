//! A guest's side of a call: what its store holds and what its imports reach.

use crate::{
    Revision, Session, greentic, keyvalue,
    limits::MemoryBudget,
    log,
    outgoing::Exit,
    quota::{Operations, Spent},
    secrets, session, settings,
};
use std::{sync::Arc, time::Instant};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::IoView;

/// Streams, fields, bodies and buckets that one call may hold in the host: a few more than it may have handles. Some handles stand for two, such as a
/// timer and what waits for it.
const MAX_RESOURCES: usize = 4_096;
/// The same that an instance may still hold when it is kept for another call: what a worker keeps open, such as its bucket. More would be memory of the
/// host that no call answers for.
const MAX_KEPT_RESOURCES: usize = 16;
/// Bytes of randomness from one call of a host function.
const MAX_RANDOM: u64 = 64 << 10;
/// Memory of one fields resource, bookkeeping included; an answer's own limit is lower.
const MAX_FIELDS_SIZE: usize = 128 << 10;

/// What the store of one call, or of calls that follow each other, holds.
pub(crate) struct Guest {
    pub(crate) revision: Arc<Revision>,
    pub(crate) memory: MemoryBudget,
    pub(crate) table: ResourceTable,
    /// The conversation of this call, if it has one.
    pub(crate) session: Option<Session>,
    /// Where `greentic:telemetry` writes, from its first line on.
    pub(crate) telemetry: Option<log::Lines>,
    pub(crate) outgoing: Exit,
    /// Made when it is first asked for: most workers read no clock, draw no chance and print nothing.
    wasi: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    operations: Operations,
    /// What the call has written to the streams of `wasi`, once there are some.
    written: Vec<log::Used>,
    /// It asked for more than it may.
    is_spent: bool,
}

impl Guest {
    pub(crate) fn new(revision: Arc<Revision>, outgoing: Exit, session: Option<Session>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELDS_SIZE);
        Self {
            operations: Operations::new(revision.limits.store.operations),
            memory: MemoryBudget::new(revision.limits.memory.as_usize()),
            revision,
            table,
            session,
            telemetry: None,
            wasi: None,
            outgoing,
            http,
            written: Vec::new(),
            is_spent: false,
        }
    }

    /// For the next call in this store: what a call has of its own is new. The instance keeps its memory, its handles and its clocks, which must not run
    /// backwards.
    pub(crate) fn renew(&mut self, outgoing: Exit, session: Option<Session>) {
        self.outgoing = outgoing;
        self.session = session;
        self.telemetry = None;
        self.operations = Operations::new(self.revision.limits.store.operations);
        self.is_spent = false;
        for written in &self.written {
            written.reset();
        }
    }

    /// Whether the call has reached no limit that it outlives, and has left nothing behind that goes on or that the host would have to keep for it.
    pub(crate) fn is_modest(&mut self) -> bool {
        let is_over = self.telemetry.as_ref().is_some_and(log::Lines::is_over) || self.written.iter().any(log::Used::is_over);
        let is_light = self.table.iter_mut().nth(MAX_KEPT_RESOURCES).is_none();
        !self.is_spent && !is_over && is_light && self.outgoing.is_at_rest()
    }

    /// Takes so many operations of the store from what the call and its deployment may ask. Every interface that reaches the store asks here first.
    ///
    /// # Errors
    /// What is used up; counted already, and fit to be shown to the guest.
    pub(crate) fn ask_store(&mut self, operations: usize) -> Result<(), Spent> {
        let asked = self.operations.take(operations, &self.revision.rate, Instant::now());
        asked.inspect_err(|spent| {
            self.is_spent = true;
            self.revision.counters.limits.add(spent.limit());
        })
    }
}

/// No environment, no arguments, no files, no sockets; stdin is empty.
fn wasi(revision: &Arc<Revision>, written: &mut Vec<log::Used>) -> WasiCtx {
    let (stdout, stderr) = (log::Output::stdout(revision), log::Output::stderr(revision));
    written.extend([stdout.used(), stderr.used()]);
    WasiCtx::builder().stdout(stdout).stderr(stderr).max_random_size(MAX_RANDOM).build()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| Box::new(wasi(&self.revision, &mut self.written))),
            table: &mut self.table,
        }
    }
}

impl IoView for Guest {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outgoing,
        }
    }
}

/// Gives every import that workers may ask for. `wasi:sockets` is not among them: a component that asks for it does not load.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi_io::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    link_proxy(linker)?;
    link_cli(linker)?;
    keyvalue::link(linker)?;
    settings::link(linker)?;
    secrets::link(linker)?;
    session::link(linker)?;
    greentic::link(linker)
}

/// Clocks, chance and the standard streams of `wasi:http/proxy`.
fn link_proxy(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use wasmtime_wasi::{
        cli::{WasiCli, WasiCliView},
        clocks::{WasiClocks, WasiClocksView},
        p2::bindings::{cli, clocks, random},
        random::WasiRandom,
    };
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, |guest| guest.ctx().ctx.random())?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)
}

/// The same of WASI 0.3, for the engine `async`; `wasi:sockets` is not among it either. The host's own interfaces are those of [`link`].
pub(crate) fn link_async(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p3::{cli, clocks, filesystem, random};
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    cli::add_to_linker(linker)?;
    clocks::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    // There is no folder to begin with, so nothing of it reaches a file.
    filesystem::add_to_linker(linker)
}

/// What the standard libraries of Rust, C and Go import whether they use it or not: an empty environment, no files, other randomness.
pub(crate) fn link_cli<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    use wasmtime_wasi::{
        cli::{WasiCli, WasiCliView},
        filesystem::{WasiFilesystem, WasiFilesystemView},
        p2::bindings::{cli, filesystem, random},
        random::WasiRandom,
    };
    random::insecure::add_to_linker::<T, WasiRandom>(linker, |guest| guest.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |guest| guest.ctx().ctx.random())?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)
}
