//! What a worker sees while it is warmed up: its request, an empty environment, and nothing that differs from call to call.
//!
//! Linked are interfaces whose answers are the same for every instance. Any other is there to be imported, and refuses when it is called;
//! so does one that this host will get later, without a word here.

use super::Refusal;
use crate::{guest, limits::MemoryBudget, sockets};
use wasmtime::{
    Engine,
    component::{Component, HasData, Linker, Resource, ResourceTable, types::ComponentItem},
};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    p2::{
        DynPollable,
        bindings::{
            clocks::{monotonic_clock, wall_clock},
            random::{insecure, insecure_seed, random},
        },
    },
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

/// Resources that a warm-up may hold: as many as a call.
const MAX_RESOURCES: usize = 4_096;

/// Interfaces that answer, without their releases of 0.2, which are compatible with each other.
const ANSWERED: [&str; 5] = ["wasi:http/", "wasi:io/", "wasi:cli/", "wasi:clocks/", "wasi:random/"];
/// The one more package that standard libraries import; it shows no files.
const FILES: [&str; 2] = ["wasi:filesystem/types", "wasi:filesystem/preopens"];

/// What the store of a warm-up holds.
pub(super) struct Witness {
    pub(super) memory: MemoryBudget,
    pub(super) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
}

impl Witness {
    pub(super) fn new(memory: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            memory: MemoryBudget::new(memory),
            table,
            // Nothing is written anywhere: what a worker logs in its warm-up is nobody's news.
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            outgoing: Outgoing { asked: false },
        }
    }

    /// Whether the worker has called out; it was told that it may not.
    pub(super) fn called_out(&self) -> bool {
        self.outgoing.asked
    }
}

impl WasiView for Witness {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Witness {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outgoing,
        }
    }
}

struct Outgoing {
    asked: bool,
}

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        self.asked = true;
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

/// Gives this component all that it imports.
pub(super) fn link(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<Witness>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi_http::p2::add_to_linker_async(&mut linker)?;
    guest::link_cli(&mut linker)?;
    // In the place of those that answer.
    linker.allow_shadowing(true);
    random::add_to_linker::<Witness, Refusing>(&mut linker, |_| Refusing)?;
    insecure::add_to_linker::<Witness, Refusing>(&mut linker, |_| Refusing)?;
    insecure_seed::add_to_linker::<Witness, Refusing>(&mut linker, |_| Refusing)?;
    wall_clock::add_to_linker::<Witness, Refusing>(&mut linker, |_| Refusing)?;
    monotonic_clock::add_to_linker::<Witness, Refusing>(&mut linker, |_| Refusing)?;
    for (name, import) in component.component_type().imports(engine) {
        let answered = ANSWERED.iter().any(|package| name.starts_with(package))
            || FILES.iter().any(|interface| name.split('@').next() == Some(interface));
        if let (false, ComponentItem::ComponentInstance(instance)) = (answered, import.ty) {
            refuse(&mut linker, name, instance.exports(engine).map(|(item, export)| (item, export.ty)))?;
        }
    }
    Ok(linker)
}

/// An interface that refuses.
fn refuse<'a>(
    linker: &mut Linker<Witness>,
    interface: &str,
    items: impl Iterator<Item = (&'a str, ComponentItem)>,
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(interface)?;
    for (item, kind) in items {
        match kind {
            ComponentItem::ComponentFunc(_) => {
                let named = Refusal::Import(interface.to_owned());
                instance.func_new(item, move |_, _, _, _| Err(named.clone().into()))?;
            }
            ComponentItem::Resource(_) => instance.resource(item, sockets::resource::<()>(item), |_, _| Ok(()))?,
            _ => {}
        }
    }
    Ok(())
}

/// Randomness and clocks, which refuse.
struct Refusing;

impl HasData for Refusing {
    type Data<'a> = Self;
}

impl random::Host for Refusing {
    fn get_random_bytes(&mut self, _: u64) -> wasmtime::Result<Vec<u8>> {
        Err(Refusal::Randomness.into())
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Err(Refusal::Randomness.into())
    }
}

impl insecure::Host for Refusing {
    fn get_insecure_random_bytes(&mut self, _: u64) -> wasmtime::Result<Vec<u8>> {
        Err(Refusal::Randomness.into())
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Err(Refusal::Randomness.into())
    }
}

impl insecure_seed::Host for Refusing {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Err(Refusal::HashSeed.into())
    }
}

impl wall_clock::Host for Refusing {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Err(Refusal::Clock.into())
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Err(Refusal::Clock.into())
    }
}

impl monotonic_clock::Host for Refusing {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Err(Refusal::Clock.into())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Err(Refusal::Clock.into())
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(Refusal::Clock.into())
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(Refusal::Clock.into())
    }
}
