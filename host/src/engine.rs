//! wasmtime's settings, the pool that instances live in, and the ticker that interrupts them.

use crate::{
    Compiled, Compiler, Job, LoadError, Refusal, Revision, RevisionSpec, WarmUp,
    admission::pool::{Pool, TenantUse},
    cache::{Cache, CacheConfig, CacheCounters, CacheError},
    guest::{self, Guest},
    lane::Lane,
    quota::Rates,
    revision::Prepared,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, SystemTime},
};
use tollgate_store::SessionStore;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Between two ticks of the epoch. Short enough that a loop holds a thread for no longer than a slow hash would, long enough
/// that an ordinary call never meets one.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Of each instance's memory, kept mapped when it ends and wiped by `memset` instead of `madvise`: the pages that an ordinary
/// worker touches. Costs at most this much resident memory for each warm place.
const MEMORY_KEEP_RESIDENT: usize = 2 << 20;
/// The same for tables; an ordinary worker's table is a few KiB.
const TABLE_KEEP_RESIDENT: usize = 64 << 10;
/// Bytes of a page of linear memory, which is what wasmtime counts in; other page sizes are off.
const PAGE: u64 = 64 << 10;
/// Core modules of one component: an adapted `wasi:http` worker has 3 to 5.
const CORE_INSTANCES_PER_COMPONENT: u32 = 50;
/// Linear memories of one component: its own and an adapter's.
const MEMORIES_PER_COMPONENT: u32 = 2;
/// Tables of one component.
const TABLES_PER_COMPONENT: u32 = 20;
/// Elements of one table: fits Rust, C and Go.
const TABLE_ELEMENTS: usize = 20_000;
/// Frames of a trap's backtrace in the log.
const BACKTRACE_FRAMES: usize = 16;
/// Stack for host functions above the guest's own: overflowing it would abort the process.
const HOST_STACK: usize = 1536 << 10;
/// Stack of a guest; recursing past it is a trap.
const GUEST_STACK: usize = 512 << 10;

/// Sizes of the pool.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Instances at once, over all deployments.
    pub instances: u32,
    /// Largest sum of memories that a deployment may ask for, in bytes.
    pub max_memory: u64,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Where compiled workers are kept; `None`: nowhere.
    pub cache: Option<CacheConfig>,
}

impl Default for HostConfig {
    /// 1,000 instances: 4 TiB of address space, of which only what is touched is resident; a full house of default deployments
    /// fits four times. 4 GiB of memory: what a 32-bit memory can have; deployments' own limits are far below.
    fn default() -> Self {
        Self {
            instances: 1_000,
            max_memory: 4 << 30,
            compiler: Compiler::Here,
            cache: None,
        }
    }
}

/// The host could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The address space for the pool, or a thread, cannot be had.
    #[error("the worker pool cannot be made: {0}; check `ulimit -v` and vm.overcommit_memory, or lower the number of instances")]
    Pool(String),
    /// The cache cannot be used, or not safely.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Places of the pool that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Component instances.
    pub instances: u64,
    /// Linear memories.
    pub memories: u64,
    /// Memories that are free and still mapped.
    pub warm_memories: u64,
}

/// The host: one engine and its pool. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Guest>,
    pool: Pool,
    lane: Lane,
    max_memory: u64,
    store: Arc<dyn SessionStore>,
    rates: Rates,
    compiler: Compiler,
    cache: Option<Cache>,
    /// Components that are loaded, by what they were made from, so that a pack that many use is compiled once.
    prepared: Mutex<HashMap<blake3::Hash, Arc<Slot>>>,
}

/// One component's place: held while it is compiled, so that a second caller waits for it instead of compiling it again.
type Slot = Mutex<Weak<Prepared>>;

impl Host {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved.
    pub fn new(config: HostConfig, store: Arc<dyn SessionStore>) -> Result<Self, HostError> {
        let failed = |error: wasmtime::Error| HostError::Pool(format!("{error:#}"));
        let engine = Engine::new(&settings(&config)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        guest::link(&mut linker).map_err(failed)?;
        tick(&engine).map_err(|error| HostError::Pool(error.to_string()))?;
        let lane = Lane::new().map_err(|error| HostError::Pool(error.to_string()))?;
        let pool = Pool::new(config.instances as usize);
        let prepared = Mutex::default();
        let cache = config.cache.map(|cache| Cache::open(cache, &engine)).transpose()?;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            pool,
            lane,
            max_memory: config.max_memory,
            store,
            rates: Rates::default(),
            compiler: config.compiler,
            cache,
            prepared,
        })))
    }

    /// Compiles and links. Takes from milliseconds to minutes of CPU: call it from a blocking thread.
    ///
    /// # Errors
    /// When it is no component, needs what this host does not give, or asks for more than the pool has.
    pub fn load(&self, spec: RevisionSpec) -> Result<Arc<Revision>, LoadError> {
        if spec.limits.memory.get() > self.0.max_memory {
            return Err(LoadError::Size(format!(
                "limits.memory is {}, the host gives at most {} bytes",
                spec.limits.memory, self.0.max_memory
            )));
        }
        let prepared = self.prepare(&Job {
            component: spec.component.clone(),
            warm_up: spec.warm_up.clone(),
        })?;
        let (prepared, snapshot) = if prepared.snapshot.is_ok() && prepared.memory > spec.limits.memory.get() {
            // As it is, it may still do with what the deployment gives.
            let plain = self.prepare(&Job {
                component: spec.component.clone(),
                warm_up: WarmUp::none(),
            })?;
            (plain, Err(Refusal::Memory))
        } else {
            let snapshot = prepared.snapshot.clone();
            (prepared, snapshot)
        };
        let rate = self
            .0
            .rates
            .bound(&*self.0.store, &spec.tenant, &spec.deployment, &spec.limits.store);
        Ok(Revision::new(
            spec,
            prepared,
            snapshot,
            &self.0.pool,
            self.0.lane.clone(),
            Arc::clone(&self.0.store),
            rate,
        ))
    }

    /// What each tenant has of the pool, and who of it waits.
    pub fn tenants(&self) -> Vec<TenantUse> {
        self.0.pool.tenants_use()
    }

    /// Calls that go on in the slow lane now.
    pub fn slow_calls(&self) -> usize {
        self.0.lane.tasks()
    }

    /// Places that are taken now.
    pub fn pool(&self) -> PoolUse {
        self.0.engine.pooling_allocator_metrics().map_or(
            PoolUse {
                instances: 0,
                memories: 0,
                warm_memories: 0,
            },
            |pool| PoolUse {
                instances: pool.component_instances(),
                memories: pool.memories() as u64,
                warm_memories: u64::from(pool.unused_warm_memories()),
            },
        )
    }

    /// What the cache of compiled workers has counted, if there is one.
    pub fn cache(&self) -> Option<&CacheCounters> {
        self.0.cache.as_ref().map(|cache| &cache.counters)
    }

    /// Component instances in use; falls when one is back in the pool.
    pub fn instances_in_use(&self) -> u64 {
        self.pool().instances
    }

    fn prepare(&self, job: &Job) -> Result<Arc<Prepared>, LoadError> {
        let slot = {
            let mut known = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|prepared| prepared.strong_count() > 0));
            Arc::clone(known.entry(job.digest()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = slot.upgrade() {
            return Ok(prepared);
        }
        let (component, snapshot) = self.compile(job)?;
        let prepared = Arc::new(self.link(&component, snapshot)?);
        *slot = Arc::downgrade(&prepared);
        Ok(prepared)
    }

    /// From the cache, else by the compiler.
    fn compile(&self, job: &Job) -> Result<(Component, Result<(), Refusal>), LoadError> {
        let load = |compiled: Compiled| Ok((compiled.load(&self.0.engine)?, compiled.snapshot));
        let Some(cache) = &self.0.cache else {
            return load(self.0.compiler.run(job)?);
        };
        let name = cache.name(job);
        if let Some(compiled) = cache.load(name, SystemTime::now()) {
            match load(compiled) {
                Ok(loaded) => return Ok(loaded),
                Err(_) => cache.discard(name),
            }
        }
        let compiled = self.0.compiler.run(job)?;
        if let Err(error) = cache.store(name, &compiled, SystemTime::now()) {
            tracing::warn!(target: "cache", %error, "a compiled worker is not kept");
        }
        load(compiled)
    }

    fn link(&self, component: &Component, snapshot: Result<(), Refusal>) -> Result<Prepared, LoadError> {
        // Else the first request would pay for the image.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let linked = self
            .0
            .linker
            .instantiate_pre(component)
            .map_err(|error| LoadError::Link(format!("{error:#}")))?;
        Ok(Prepared {
            pre: ProxyPre::new(linked).map_err(|error| LoadError::Link(format!("{error:#}")))?,
            memory: component
                .resources_required()
                .and_then(|needs| needs.max_initial_memory_size)
                .unwrap_or_default()
                .saturating_mul(PAGE),
            snapshot,
        })
    }
}

fn settings(host: &HostConfig) -> Config {
    let mut config = features();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(host)));
    config
}

/// What decides the machine code, and so must be the same where it is made and where it runs.
///
/// Guard pages and Spectre mitigations stay on: wasmtime's defaults, never touched here.
pub(crate) fn features() -> Config {
    let mut config = Config::new();
    // GC is off at run time, though its cargo feature stays on: with it, a guest can abort the host
    // (GHSA-43j2-gcp4-m22g, GHSA-wvgq-g5hf-6gm6, open in 48.0.8). What needs it is refused when it is compiled.
    config
        .gc_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false);
    // Proposals that no worker needs, and that widen what a guest can reach.
    config.wasm_threads(false).wasm_memory64(false).wasm_multi_memory(false);
    config.relaxed_simd_deterministic(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK).async_stack_size(GUEST_STACK + HOST_STACK);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES));
    config
}

fn pool(host: &HostConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(host.instances)
        .total_core_instances(host.instances.saturating_mul(4))
        .total_memories(host.instances.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(host.instances.saturating_mul(3))
        .total_stacks(host.instances)
        .total_gc_heaps(0)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(host.instances)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        // Asks the kernel which pages were written, and wipes only those; from Linux 6.7.
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the epoch until the engine is gone.
pub(crate) fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("tollgate-ticker".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}
