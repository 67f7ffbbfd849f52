//! The engines, made when something first needs them, and the ticker that interrupts what runs on them. [`profile`] has wasmtime's
//! settings, [`machine`] is one engine that runs.

mod machine;
mod profile;

use crate::{
    Activations, Compiler, Components, Job, LoadError, Loaded, Refusal, ResidenceLimits, Revision, RevisionSpec, WarmUp,
    admission::pool::TenantUse,
    cache::{Cache, CacheConfig, CacheCounters, CacheError},
    kept::Shelf,
    lane::Lane,
    quota::Rates,
    residence::{Maker, Residence, Unit},
    revision::Prepared,
};
use machine::Machine;
pub use profile::Profile;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;
use tollgate_store::SessionStore;
use wasmtime::Engine;

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
    /// The same on the engine `async`.
    pub async_instances: u32,
    /// Largest sum of memories that a deployment may ask for, in bytes.
    pub max_memory: u64,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Where compiled workers are kept; `None`: nowhere.
    pub cache: Option<CacheConfig>,
    /// What stays in memory. Without a cache all of it does.
    pub residence: ResidenceLimits,
}

impl Default for HostConfig {
    /// 1,000 instances: 4 TiB of address space, of which only what is touched is resident; a full house of default deployments
    /// fits four times. 100 large ones: with what they keep resident, half a GiB of memory that is used. 500 on `async`: twice a default
    /// deployment's concurrency, and their 7,000 stacks are a fifth of the mappings that Linux gives a process. 4 GiB of memory: what a 32-bit memory can have; deployments' own limits are far below.
    fn default() -> Self {
        Self {
            instances: 1_000,
            large_instances: 100,
            async_instances: 500,
            max_memory: 4 << 30,
            compiler: Compiler::Here,
            cache: None,
            residence: ResidenceLimits::default(),
        }
    }
}

impl HostConfig {
    fn instances_of(&self, profile: Profile) -> u32 {
        match profile {
            Profile::Default => self.instances,
            Profile::Large => self.large_instances,
            Profile::Async => self.async_instances,
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

/// The host's parts.
pub(crate) struct Inner {
    /// Those that something needed so far.
    machines: Mutex<BTreeMap<Profile, Arc<Machine>>>,
    config: HostConfig,
    lane: Lane,
    shelf: Arc<Shelf>,
    rates: Rates,
    cache: Option<Cache>,
    residence: Arc<Residence<Inner>>,
}

impl Host {
    /// Starts the engine `default`. Others start when the first component asks for them.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved.
    pub fn new(config: HostConfig, store: Arc<dyn SessionStore>) -> Result<Self, HostError> {
        let machine = Arc::new(Machine::start(Profile::Default, &config)?);
        let lane = Lane::new().map_err(|error| HostError::Pool(error.to_string()))?;
        let residence = Residence::new(config.residence);
        let cache = config.cache.clone().map(|cache| Cache::open(cache, &machine.engine)).transpose()?;
        Ok(Self(Arc::new(Inner {
            machines: Mutex::new(BTreeMap::from([(Profile::Default, machine)])),
            config,
            lane,
            shelf: Shelf::new(store),
            rates: Rates::default(),
            cache,
            residence,
        })))
    }

    /// Compiles and links. Takes from milliseconds to minutes of CPU: call it from a blocking thread.
    ///
    /// # Errors
    /// When it is no component, needs what this host does not give, or asks for more than the pool has.
    pub fn load(&self, spec: RevisionSpec) -> Result<Arc<Revision>, LoadError> {
        let again: Arc<dyn Components> = Arc::new(spec.component.clone());
        self.load_from(spec, &again)
    }

    /// The same; when the worker has left memory and the cache has lost it, `again` gives its bytes, which are not kept until then.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_from(&self, spec: RevisionSpec, again: &Arc<dyn Components>) -> Result<Arc<Revision>, LoadError> {
        if spec.limits.memory.get() > self.0.config.max_memory {
            return Err(LoadError::Size(format!(
                "limits.memory is {}, the host gives at most {} bytes",
                spec.limits.memory, self.0.config.max_memory
            )));
        }
        if spec.limits.reuse.is_some() && spec.engine != Profile::Async {
            return Err(LoadError::Reuse {
                engine: spec.engine.name(),
            });
        }
        let machine = self.0.machine(spec.engine)?;
        let (mut unit, prepared) = self.prepare(&spec, &spec.warm_up, again)?;
        let snapshot = if prepared.snapshot.is_ok() && prepared.memory > spec.limits.memory.get() {
            // As it is, it may still do with what the deployment gives.
            (unit, _) = self.prepare(&spec, &WarmUp::none(), again)?;
            Err(Refusal::Memory)
        } else {
            prepared.snapshot.clone()
        };
        let rate = self
            .0
            .rates
            .bound(&*self.0.shelf.store, &spec.tenant, &spec.deployment, &spec.limits.store);
        Ok(Revision::new(
            spec,
            unit,
            snapshot,
            machine.rooms(),
            self.0.lane.clone(),
            Arc::clone(&self.0.shelf),
            rate,
        ))
    }

    /// What each tenant has of the pools, and who of it waits.
    pub fn tenants(&self) -> Vec<TenantUse> {
        let machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tenants: BTreeMap<_, TenantUse> = BTreeMap::new();
        for part in machines.values().flat_map(|machine| machine.tenants_use()) {
            match tenants.get_mut(&part.tenant) {
                Some(sum) => sum.add(&part),
                None => drop(tenants.insert(part.tenant.clone(), part)),
            }
        }
        tenants.into_values().collect()
    }

    /// Calls that go on in the slow lane now.
    pub fn slow_calls(&self) -> usize {
        self.0.lane.tasks()
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

    /// Operations that workers asked of the session store and that it did not do: the disk, or the database on it.
    pub fn store_failures(&self) -> u64 {
        self.0.shelf.failures.all()
    }

    /// What bringing workers into memory has counted.
    pub fn activations(&self) -> &Activations {
        &self.0.residence.counters
    }

    /// The workers that are in memory.
    pub fn loaded(&self) -> Loaded {
        self.0.residence.loaded()
    }

    /// Lets go of workers that nobody has called for too long. Looks at the file of each that is to leave, and of all once an hour: microseconds each.
    pub fn sweep(&self, now: Instant) {
        self.0.residence.sweep(now);
    }

    fn prepare(
        &self,
        spec: &RevisionSpec,
        warm_up: &WarmUp,
        again: &Arc<dyn Components>,
    ) -> Result<(Arc<Unit<Inner>>, Arc<Prepared>), LoadError> {
        let residence = &self.0.residence;
        let name = Job::name(&spec.component, spec.engine, warm_up);
        // Without a cache nothing leaves, and nothing is asked for again.
        let again = self.0.cache.is_some().then(|| Arc::clone(again));
        let unit = residence.unit(name, || {
            Unit::new(
                name,
                spec.engine,
                warm_up.clone(),
                again,
                Arc::clone(&self.0),
                Arc::clone(residence),
            )
        });
        let prepared = unit.load(&spec.component)?;
        Ok((unit, prepared))
    }
}

impl Maker for Inner {
    type Made = Prepared;

    fn find(&self, name: blake3::Hash, engine: Profile) -> Option<Prepared> {
        let cache = self.cache.as_ref()?;
        let name = cache.name(name);
        let compiled = cache.load(name, SystemTime::now())?;
        let linked = self.machine(engine).and_then(|machine| machine.load(&compiled, true));
        linked.inspect_err(|_| cache.discard(name)).ok()
    }

    fn make(&self, job: &Job) -> Result<Prepared, LoadError> {
        let machine = self.machine(job.engine)?;
        let compiled = self.config.compiler.run(job)?;
        let mut prepared = machine.load(&compiled, false)?;
        let Some(cache) = self.cache.as_ref().filter(|_| compiled.lasts()) else {
            return Ok(prepared);
        };
        let name = cache.name(job.digest());
        match cache.store(name, &compiled) {
            Ok(()) => {
                let now = SystemTime::now();
                let in_memory = self.residence.in_cache().into_iter().map(|name| cache.name(name));
                if cache.make_room(now, in_memory.chain([name])) {
                    self.residence.note();
                }
                // It may itself be more than there is room for.
                prepared.kept = cache.note(name, now).into();
            }
            Err(error) => tracing::warn!(target: "cache", %error, "a compiled worker is not kept on disk, and stays in memory"),
        }
        Ok(prepared)
    }

    fn weight(prepared: &Prepared) -> (u64, bool) {
        (prepared.bytes, prepared.kept.load(Ordering::Relaxed))
    }

    fn left(&self, engine: Profile, prepared: &Arc<Prepared>) {
        if let Ok(machine) = self.machine(engine) {
            machine.keeper.evict(prepared);
        }
    }

    fn keeps(&self, name: blake3::Hash, prepared: &Prepared) -> bool {
        let noted = self
            .cache
            .as_ref()
            .is_some_and(|cache| cache.note(cache.name(name), SystemTime::now()));
        prepared.kept.fetch_and(noted, Ordering::Relaxed) && noted
    }
}

impl Inner {
    /// The engine of this kind; starts it when it is the first time.
    fn machine(&self, profile: Profile) -> Result<Arc<Machine>, LoadError> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = machines.get(&profile) {
            return Ok(Arc::clone(machine));
        }
        let started = Machine::start(profile, &self.config);
        let machine = Arc::new(started.map_err(|error| LoadError::Size(format!("the engine `{}`: {error}", profile.name())))?);
        machines.insert(profile, Arc::clone(&machine));
        Ok(machine)
    }
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
