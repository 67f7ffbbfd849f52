//! The engines, made when something first needs them, and the ticker that interrupts what runs on them. [`profile`] has wasmtime's
//! settings, [`machine`] is one engine that runs.

mod machine;
mod profile;

use crate::{
    Compiled, Compiler, Job, LoadError, Refusal, Revision, RevisionSpec, WarmUp,
    cache::{Cache, CacheConfig, CacheCounters, CacheError},
    lane::Lane,
    quota::Rates,
    revision::Prepared,
};
use machine::Machine;
pub use profile::Profile;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, SystemTime},
};
use tollgate_store::SessionStore;
use wasmtime::{Engine, component::Component};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Between two ticks of the epoch. Short enough that a loop holds a thread for no longer than a slow hash would, long enough
/// that an ordinary call never meets one.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Bytes of a page of linear memory, which is what wasmtime counts in; other page sizes are off.
const PAGE: u64 = 64 << 10;
/// Sizes of the pool.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Instances at once on the engine `default`, over all deployments.
    pub instances: u32,
    /// The same on the engine `large`.
    pub large_instances: u32,
    /// Largest sum of memories that a deployment may ask for, in bytes.
    pub max_memory: u64,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Where compiled workers are kept; `None`: nowhere.
    pub cache: Option<CacheConfig>,
}

impl Default for HostConfig {
    /// 1,000 instances: 4 TiB of address space, of which only what is touched is resident; a full house of default deployments
    /// fits four times. 100 large ones: with what they keep resident, half a GiB of memory that is used. 4 GiB of memory: what a 32-bit memory can have; deployments' own limits are far below.
    fn default() -> Self {
        Self {
            instances: 1_000,
            large_instances: 100,
            max_memory: 4 << 30,
            compiler: Compiler::Here,
            cache: None,
        }
    }
}

impl HostConfig {
    fn instances_of(&self, profile: Profile) -> u32 {
        match profile {
            Profile::Default => self.instances,
            Profile::Large => self.large_instances,
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

/// Places of a pool, or of all, that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Component instances.
    pub instances: u64,
    /// Linear memories.
    pub memories: u64,
    /// Memories that are free and still mapped.
    pub warm_memories: u64,
}

/// The host: its engines and their pools. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    /// Those that something needed so far.
    machines: Mutex<BTreeMap<Profile, Arc<Machine>>>,
    config: HostConfig,
    lane: Lane,
    store: Arc<dyn SessionStore>,
    rates: Rates,
    cache: Option<Cache>,
    /// Components that are loaded, by what they were made from, so that a pack that many use is compiled once.
    prepared: Mutex<HashMap<blake3::Hash, Arc<Slot>>>,
}

/// One component's place: held while it is compiled, so that a second caller waits for it instead of compiling it again.
type Slot = Mutex<Weak<Prepared>>;

impl Host {
    /// Starts the engine `default`. Others start when the first component asks for them.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved.
    pub fn new(config: HostConfig, store: Arc<dyn SessionStore>) -> Result<Self, HostError> {
        let machine = Arc::new(Machine::start(Profile::Default, &config)?);
        let lane = Lane::new().map_err(|error| HostError::Pool(error.to_string()))?;
        let cache = config.cache.clone().map(|cache| Cache::open(cache, &machine.engine)).transpose()?;
        Ok(Self(Arc::new(Inner {
            machines: Mutex::new(BTreeMap::from([(Profile::Default, machine)])),
            config,
            lane,
            store,
            rates: Rates::default(),
            cache,
            prepared: Mutex::default(),
        })))
    }

    /// Compiles and links. Takes from milliseconds to minutes of CPU: call it from a blocking thread.
    ///
    /// # Errors
    /// When it is no component, needs what this host does not give, or asks for more than the pool has.
    pub fn load(&self, spec: RevisionSpec) -> Result<Arc<Revision>, LoadError> {
        if spec.limits.memory.get() > self.0.config.max_memory {
            return Err(LoadError::Size(format!(
                "limits.memory is {}, the host gives at most {} bytes",
                spec.limits.memory, self.0.config.max_memory
            )));
        }
        let machine = self.machine(spec.engine)?;
        let prepared = self.prepare(
            &machine,
            &Job {
                component: spec.component.clone(),
                engine: spec.engine,
                warm_up: spec.warm_up.clone(),
            },
        )?;
        let (prepared, snapshot) = if prepared.snapshot.is_ok() && prepared.memory > spec.limits.memory.get() {
            // As it is, it may still do with what the deployment gives.
            let plain = self.prepare(
                &machine,
                &Job {
                    component: spec.component.clone(),
                    engine: spec.engine,
                    warm_up: WarmUp::none(),
                },
            )?;
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
            machine.gate.clone(),
            self.0.lane.clone(),
            Arc::clone(&self.0.store),
            rate,
        ))
    }

    /// Places that are taken now, of all engines together.
    pub fn pool(&self) -> PoolUse {
        self.pools().into_iter().fold(PoolUse::default(), |sum, (_, pool)| PoolUse {
            instances: sum.instances + pool.instances,
            memories: sum.memories + pool.memories,
            warm_memories: sum.warm_memories + pool.warm_memories,
        })
    }

    /// Places that are taken now, of each engine that has started.
    pub fn pools(&self) -> Vec<(Profile, PoolUse)> {
        let machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.values().map(|machine| (machine.profile, machine.pool())).collect()
    }

    /// What the cache of compiled workers has counted, if there is one.
    pub fn cache(&self) -> Option<&CacheCounters> {
        self.0.cache.as_ref().map(|cache| &cache.counters)
    }

    /// Component instances in use; falls when one is back in the pool.
    pub fn instances_in_use(&self) -> u64 {
        self.pool().instances
    }

    /// The engine of this kind; starts it when it is the first time.
    fn machine(&self, profile: Profile) -> Result<Arc<Machine>, LoadError> {
        let mut machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = machines.get(&profile) {
            return Ok(Arc::clone(machine));
        }
        let started = Machine::start(profile, &self.0.config);
        let machine = Arc::new(started.map_err(|error| LoadError::Size(format!("the engine `{}`: {error}", profile.name())))?);
        machines.insert(profile, Arc::clone(&machine));
        Ok(machine)
    }

    fn prepare(&self, machine: &Machine, job: &Job) -> Result<Arc<Prepared>, LoadError> {
        let slot = {
            let mut known = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|prepared| prepared.strong_count() > 0));
            Arc::clone(known.entry(job.digest()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = slot.upgrade() {
            return Ok(prepared);
        }
        let (component, snapshot) = self.compile(machine, job)?;
        let prepared = Arc::new(link(machine, &component, snapshot)?);
        *slot = Arc::downgrade(&prepared);
        Ok(prepared)
    }

    /// From the cache, else by the compiler.
    fn compile(&self, machine: &Machine, job: &Job) -> Result<(Component, Result<(), Refusal>), LoadError> {
        let load = |compiled: &Compiled| Ok((compiled.load(&machine.engine)?, compiled.snapshot.clone()));
        // What was compiled just now for this machine is refused for one reason: its size.
        let fresh = || -> Result<_, LoadError> {
            let compiled = self.0.config.compiler.run(job)?;
            let loaded = load(&compiled).map_err(|error: LoadError| machine.unfit(&error))?;
            Ok((compiled, loaded))
        };
        let Some(cache) = &self.0.cache else {
            return fresh().map(|(_, loaded)| loaded);
        };
        let name = cache.name(job);
        if let Some(compiled) = cache.load(name, SystemTime::now()) {
            match load(&compiled) {
                Ok(loaded) => return Ok(loaded),
                Err(_) => cache.discard(name),
            }
        }
        let (compiled, loaded) = fresh()?;
        if let Err(error) = cache.store(name, &compiled, SystemTime::now()) {
            tracing::warn!(target: "cache", %error, "a compiled worker is not kept");
        }
        Ok(loaded)
    }
}

fn link(machine: &Machine, component: &Component, snapshot: Result<(), Refusal>) -> Result<Prepared, LoadError> {
    // Else the first request would pay for the image.
    component
        .initialize_copy_on_write_image()
        .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
    let linked = machine.link(component)?;
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
