//! One engine that runs: its pool, what guests on it may import, and who may take a place of it.

use super::{HostConfig, HostError, PAGE, PoolUse, Profile, tick};
use crate::{
    Compiled, LoadError,
    admission::pool::{Pool, TenantUse},
    entry::Entry,
    guest::{self, Guest},
    imports,
    reuse::Keeper,
    revision::{Prepared, Rooms},
    sockets,
};
use std::sync::Arc;
use wasmtime::{
    Engine, InstanceAllocationStrategy,
    component::{Component, InstancePre, Linker},
};

/// An engine and what belongs to it.
pub(super) struct Machine {
    pub(super) profile: Profile,
    pub(super) engine: Engine,
    /// Places of its pool.
    places: Pool,
    /// What is kept between two calls.
    pub(super) keeper: Arc<Keeper>,
    linker: Linker<Guest>,
}

impl Machine {
    /// Reserves its pool and starts its ticker.
    ///
    /// # Errors
    /// When the address space for the pool, or a thread, cannot be had.
    pub(super) fn start(profile: Profile, config: &HostConfig) -> Result<Self, HostError> {
        let failed = |error: wasmtime::Error| HostError::Pool(format!("{error:#}"));
        let (instances, kept) = (config.instances_of(profile), profile.kept());
        let mut settings = profile.features();
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(profile.pool(instances.saturating_add(kept))));
        let engine = Engine::new(&settings).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        guest::link(&mut linker).map_err(failed)?;
        if profile == Profile::Async {
            guest::link_async(&mut linker).map_err(failed)?;
        }
        tick(&engine).map_err(|error| HostError::Pool(error.to_string()))?;
        Ok(Self {
            profile,
            engine,
            places: Pool::new(instances as usize),
            keeper: Keeper::new(kept as usize),
            linker,
        })
    }

    /// Where the instances of a revision have their places.
    pub(super) fn rooms(&self) -> Rooms<'_> {
        Rooms {
            calls: &self.places,
            kept: &self.keeper,
        }
    }

    /// What each tenant has of its places.
    pub(super) fn tenants_use(&self) -> Vec<TenantUse> {
        self.places.tenants_use()
    }

    /// Makes it callable; `kept` is whether the cache has it.
    ///
    /// # Errors
    /// When its pool has no place for it, or it imports what this host does not give.
    pub(super) fn load(&self, compiled: &Compiled, kept: bool) -> Result<Prepared, LoadError> {
        // What was compiled for this machine is refused for one reason: its size.
        let component = compiled
            .load(&self.engine)
            .map_err(|error| LoadError::Size(format!("{error}{}", self.profile.advice())))?;
        // Else the first request would pay for the image.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let linked = self.link(&component)?;
        Ok(Prepared {
            entry: Entry::of(linked, self.profile).map_err(|error| LoadError::Link(format!("{error:#}")))?,
            memory: component
                .resources_required()
                .and_then(|needs| needs.max_initial_memory_size)
                .unwrap_or_default()
                .saturating_mul(PAGE),
            snapshot: compiled.snapshot.clone(),
            bytes: compiled.code().len() as u64,
            kept: kept.into(),
        })
    }

    /// Gives a component what it imports.
    ///
    /// # Errors
    /// When it imports what this host does not give.
    fn link(&self, component: &Component) -> Result<InstancePre<Guest>, LoadError> {
        let linked = match self.profile {
            Profile::Default | Profile::Async => self.linker.instantiate_pre(component),
            // An interpreter's library imports sockets, whether a script uses them or not.
            Profile::Large => {
                let mut linker = self.linker.clone();
                sockets::link(&mut linker, &self.engine, component).and_then(|()| linker.instantiate_pre(component))
            }
        };
        linked.map_err(|error| {
            let imports = component.component_type();
            imports::unfit(imports.imports(&self.engine).map(|(name, _)| name), self.profile, &error)
        })
    }

    pub(super) fn pool(&self) -> PoolUse {
        self.engine
            .pooling_allocator_metrics()
            .map_or_else(PoolUse::default, |pool| PoolUse {
                instances: pool.component_instances(),
                memories: pool.memories() as u64,
                warm_memories: u64::from(pool.unused_warm_memories()),
            })
    }
}
