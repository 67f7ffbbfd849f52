//! A worker after its warm-up, as a component: the memory and the globals that the warm-up left are where each instance begins.
//!
//! It is taken for speed (an instance whose heap is already there grows no memory, and does no work that every call would repeat), so it must
//! change nothing that a caller could tell. What a warm-up drew, read or kept would be the same in every instance: a warm-up that reached for
//! anything but its request and its answer is a [`Refusal`], and the worker runs as it is.
//!
//! [`witness`] is what the worker sees meanwhile, [`reading`] takes the state out of the instance.

mod reading;
mod witness;

use crate::{
    Profile, engine,
    limits::thread_cpu,
    warm_up::{WarmUp, WarmUpRequest},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use reading::Reading;
use std::time::Duration;
use tokio::{sync::oneshot, time::timeout};
use wasmtime::{
    Config, Engine, OptLevel, Store, UpdateDeadline,
    component::{Component, Instance},
};
use wasmtime_wasi_http::{
    WasiHttpView,
    p2::bindings::{Proxy, ProxyPre, http::types::Scheme},
};
use wasmtime_wizer::Wizer;
use witness::Witness;

/// CPU time of a whole warm-up: what an interpreter needs to set itself up in code that was not optimised; a compiled worker needs milliseconds.
const CPU: Duration = Duration::from_secs(3);
/// Wall time of a whole warm-up: its CPU time on a machine that is busy serving.
const WALL: Duration = Duration::from_secs(30);
/// Memory for reading the memories of a worker, beside what its engine gives to its warm-up: one page for each.
const READING: usize = 4 << 16;
/// Bytes that one call of a host function may make the host copy.
const HOSTCALL_FUEL: usize = 4 << 20;
/// Resources of the component model that a warm-up may hold.
const MAX_HANDLES: usize = 10_000;
/// The authority that a warm-up's requests are sent to; a name that nobody can own (RFC 6761 6.4).
const AUTHORITY: &str = "warm-up.invalid";

/// Why a worker runs as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no warm-up.
    #[error("the pack declares no warm-up request")]
    NoWarmUp,
    /// Its engine takes none: what a worker of `wasi:http` 0.3 has under way when its answer is out belongs to no memory.
    #[error("the engine `async` takes no snapshots")]
    Engine,
    /// It drew random bytes: every instance would have drawn the same.
    #[error("the warm-up drew random bytes, which every instance would share")]
    Randomness,
    /// It drew the seed of its hash tables, which a caller could learn from one instance and use on all others.
    #[error("the warm-up drew a seed for hash tables (`wasi:random/insecure-seed`), which every instance would share")]
    HashSeed,
    /// It read a clock, or waited for one.
    #[error("the warm-up read a clock, and every instance would start at that time")]
    Clock,
    /// It called out.
    #[error("the warm-up called out over HTTP")]
    CallOut,
    /// It called an interface that is another one for each deployment or conversation: the store, a session, the configuration, secrets.
    #[error("the warm-up called {0}, which differs from call to call")]
    Import(String),
    /// It kept a stream, a field list or another handle, which no other instance has.
    #[error("the warm-up left a handle open, which no other instance would have")]
    Handles,
    /// It trapped, gave no answer, or was over a limit.
    #[error("the warm-up failed: {0}")]
    Failed(String),
    /// The machine did not let it end: another time it may.
    #[error("the warm-up could not be finished on this machine just now: {0}")]
    Busy(String),
    /// It is of a form whose state cannot be taken.
    #[error("the state of this component cannot be taken: {0}")]
    Form(String),
    /// The snapshot's memory is more than the deployment gives.
    #[error("the warm-up needed more memory than `limits.memory` gives")]
    Memory,
}

impl Refusal {
    /// A stable name for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoWarmUp => "no_warm_up",
            Self::Engine => "engine",
            Self::Randomness => "randomness",
            Self::HashSeed => "hash_seed",
            Self::Clock => "clock",
            Self::CallOut => "call_out",
            Self::Import(name) if name.starts_with("wasi:keyvalue/") || name.starts_with("greentic:state/") => "store",
            Self::Import(name) if name.starts_with("tollgate:host/session") => "session",
            Self::Import(name) if name.starts_with("wasi:config/") => "config",
            Self::Import(name) if name.contains("secrets") => "secrets",
            Self::Import(name) if name.contains(":http/") => "call_out",
            Self::Import(_) => "import",
            Self::Handles => "handles",
            Self::Failed(_) => "failed",
            Self::Busy(_) => "busy",
            Self::Form(_) => "form",
            Self::Memory => "memory",
        }
    }

    /// The refusal that a trap brought along, else the trap as one.
    fn of(error: &wasmtime::Error) -> Self {
        error
            .downcast_ref::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::Failed(format!("{error:#}")))
    }
}

/// Runs the warm-up and gives the component that begins where it ended. The bytes are not trusted; takes up to [`CPU`] and a compilation.
///
/// # Errors
/// Why the component has to run as it is.
pub(crate) fn take(component: &[u8], engine: Profile, warm_up: &WarmUp) -> Result<Vec<u8>, Refusal> {
    if warm_up.0.is_empty() {
        return Err(Refusal::NoWarmUp);
    }
    if engine == Profile::Async {
        return Err(Refusal::Engine);
    }
    let form = |error: wasmtime::Error| Refusal::Form(format!("{error:#}"));
    let failed = |error: wasmtime::Error| Refusal::of(&error);
    let wizer = {
        let mut wizer = Wizer::new();
        // Its own start function does not exist here: nothing is to be removed.
        wizer.keep_init_func(true);
        wizer
    };
    let (context, instrumented) = wizer.instrument_component(component).map_err(form)?;
    let memory = engine.warm_up_memory() + READING;
    let engine = Engine::new(&settings(engine)).map_err(form)?;
    engine::tick(&engine).map_err(|error| Refusal::Busy(error.to_string()))?;
    let component = Component::from_binary(&engine, &instrumented).map_err(form)?;
    let linked = witness::link(&engine, &component).and_then(|linker| linker.instantiate_pre(&component));
    let pre = ProxyPre::new(linked.map_err(form)?).map_err(form)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Refusal::Busy(error.to_string()))?;
    runtime.block_on(async {
        let mut store = store(&engine, memory);
        let warm = timeout(WALL, warm(&mut store, &pre, warm_up));
        let instance = warm
            .await
            .map_err(|_| Refusal::Busy(format!("it took more than {} s", WALL.as_secs())))??;
        let witness = store.data();
        if witness.called_out() {
            return Err(Refusal::CallOut);
        }
        if !witness.table.is_empty() {
            return Err(Refusal::Handles);
        }
        // What the worker may have the host copy has been spent or not; its whole memory is read now.
        store.set_hostcall_fuel(memory);
        let mut reading = Reading::new(&mut store, instance);
        let snapshot = wizer.snapshot_component(&context, &mut reading).await;
        reading.finish().map_err(failed)?;
        snapshot.map_err(form)
    })
}

/// The same WebAssembly as for serving, compiled quickly instead of well.
fn settings(engine: Profile) -> Config {
    let mut config = engine.features();
    config.cranelift_opt_level(OptLevel::None);
    // One instance is made of it: an image of its memory, which would be a file, gains nothing.
    config.memory_init_cow(false);
    config
}

fn store(engine: &Engine, memory: usize) -> Store<Witness> {
    let mut store = Store::new(engine, Witness::new(memory));
    store.limiter(|witness| &mut witness.memory);
    store.set_hostcall_fuel(HOSTCALL_FUEL);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    // The warm-up has this thread to itself.
    let began = thread_cpu();
    store.epoch_deadline_callback(move |_| {
        if thread_cpu().saturating_sub(began) < CPU {
            // So that the wall time is looked at.
            return Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())));
        }
        Err(Refusal::Failed(format!("it used more than {} s of CPU", CPU.as_secs())).into())
    });
    store
}

async fn warm(store: &mut Store<Witness>, pre: &ProxyPre<Witness>, warm_up: &WarmUp) -> Result<Instance, Refusal> {
    let failed = |error: wasmtime::Error| Refusal::of(&error);
    let instance = pre.instance_pre().instantiate_async(&mut *store).await.map_err(failed)?;
    let proxy = Proxy::new(&mut *store, &instance).map_err(failed)?;
    for request in &warm_up.0 {
        ask(store, &proxy, request).await?;
    }
    Ok(instance)
}

/// One request; the answer is read to its end. Which answer does not matter.
async fn ask(store: &mut Store<Witness>, proxy: &Proxy, request: &WarmUpRequest) -> Result<(), Refusal> {
    let trapped = |error: wasmtime::Error| Refusal::of(&error);
    let mut built = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("http://{AUTHORITY}{}", request.path));
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    let body = Full::new(Bytes::from(request.body.clone())).map_err(|never| -> wasmtime_wasi_http::Error { match never {} });
    let built = built.body(body).map_err(|error| Refusal::Failed(error.to_string()))?;
    let (head, heads) = oneshot::channel();
    let mut http = store.data_mut().http();
    let incoming = http.new_incoming_request(Scheme::Http, built).map_err(trapped)?;
    let answer = http.new_response_outparam(head).map_err(trapped)?;
    let called = async {
        let handler = proxy.wasi_http_incoming_handler();
        handler.call_handle(store, incoming, answer).await.map_err(trapped)
    };
    let drained = async {
        let head = heads
            .await
            .map_err(|_| Refusal::Failed("it returned without an answer".to_owned()))?;
        let answer = head.map_err(|code| Refusal::Failed(format!("it answered with the error {code:?}")))?;
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| Refusal::Failed(format!("its answer broke off: {error}")))?;
        }
        Ok(())
    };
    tokio::try_join!(called, drained).map(|_| ())
}
