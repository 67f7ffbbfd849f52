//! The kinds of engine that a component may run on. In wasmtime a pool's place sizes are an engine's, so what needs more has an engine
//! of its own, and ordinary workers do not pay for it.

use wasmtime::{Config, Enabled, PoolingAllocationConfig};

/// Core instances of one component on `large`: an interpreter that is linked of shared libraries has one for each, and some for its bindings.
const LARGE_CORE_INSTANCES: u32 = 200;
/// Core modules of one component on `default`: an adapted `wasi:http` worker has 3 to 5.
const CORE_INSTANCES: u32 = 50;
/// The same on `async`, where each may wait on a stack of its own: a worker and a middleware before it, in one component.
const ASYNC_CORE_INSTANCES: u32 = 12;
/// Stacks of one component on `async`: one for each of its parts that may wait within a call, one for what starts next, one that is being put away.
const ASYNC_STACKS: u32 = ASYNC_CORE_INSTANCES + 2;
/// Instances on `async` that may be kept between two calls, beside those that run: an eighth of the default 500. Each takes of them as many as it has
/// [`crate::reuse::SLICE`]s of memory.
const KEPT: u32 = 64;
/// Linear memories of one component: its own and an adapter's.
const MEMORIES: u32 = 2;
/// Tables of one component.
const TABLES: u32 = 20;
/// Tables of one module: its own, and that of the shim which moves into it.
const MODULE_TABLES: u32 = 2;
/// Elements of one table on `default`: fits Rust, C and Go.
const TABLE_ELEMENTS: usize = 20_000;
/// The same on `large`: ten times what today's largest interpreter has, with its native libraries.
const LARGE_TABLE_ELEMENTS: usize = 100_000;
/// Bytes of wasmtime's own bookkeeping for one instance on `large` (functions, imports, globals); elsewhere wasmtime's default of 1 MiB.
const LARGE_INSTANCE: usize = 8 << 20;
/// Of each instance's memory, kept mapped when it ends and wiped by `memset` instead of `madvise`: the pages that an ordinary
/// worker touches. Costs at most this much resident memory for each warm place.
const MEMORY_KEEP_RESIDENT: usize = 2 << 20;
/// The same on `large`: what an interpreter touches for a small request.
const LARGE_MEMORY_KEEP_RESIDENT: usize = 4 << 20;
/// The same for tables; an ordinary worker's table is a few KiB.
const TABLE_KEEP_RESIDENT: usize = 64 << 10;
/// Stack for host functions above the guest's own: overflowing it would abort the process.
const HOST_STACK: usize = 1536 << 10;
/// Stack of a guest on `default`; recursing past it is a trap.
const GUEST_STACK: usize = 512 << 10;
/// The same on `large`: an interpreter's own recursion is several frames deep for each one of its script.
const LARGE_GUEST_STACK: usize = 2 << 20;
/// The largest memory image on `large` that is mapped rather than copied at each start, however sparse it is: a deployment's default
/// memory. Elsewhere wasmtime's default of 16 MiB.
const LARGE_IMAGE: u64 = 64 << 20;
/// Frames of a trap's backtrace in the log.
const BACKTRACE_FRAMES: usize = 16;
/// Memory of a warm-up on `default`, in bytes: a deployment's default.
const WARM_UP_MEMORY: usize = 64 << 20;
/// The same on `large`: an interpreter in code that keeps more than its first request needs.
const LARGE_WARM_UP_MEMORY: usize = 256 << 20;

/// An engine's kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// For compiled languages: small instances, many at once.
    #[default]
    Default,
    /// For a language's whole interpreter: large instances, fewer at once.
    Large,
    /// For workers that answer by `wasi:http/handler` 0.3: small instances, whose calls may wait for several things at once.
    Async,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Large, Self::Async];

    /// As packs, metrics and messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Large => "large",
            Self::Async => "async",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Instances that may be kept between two calls, beside those that run.
    pub(super) fn kept(self) -> u32 {
        match self {
            Self::Default | Self::Large => 0,
            Self::Async => KEPT,
        }
    }

    /// What an operator can do about a component that does not fit.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Default => "; if it holds a language's interpreter, say `engine: large` for it in pack.yaml and build the pack again",
            Self::Large | Self::Async => "",
        }
    }

    /// Bytes of memories and tables that a warm-up may have.
    pub(crate) fn warm_up_memory(self) -> usize {
        match self {
            Self::Default | Self::Async => WARM_UP_MEMORY,
            Self::Large => LARGE_WARM_UP_MEMORY,
        }
    }

    /// What decides the machine code, and so must be the same where it is made and where it runs.
    ///
    /// Guard pages and Spectre mitigations stay on: wasmtime's defaults, never touched here.
    pub(crate) fn features(self) -> Config {
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
        // What waits within a call costs every call of an engine something, so only one of them has it. Stacks and threads of a guest's own stay off:
        // how many stacks one instance can hold depends on it.
        let concurrent = self == Self::Async;
        config
            .concurrency_support(concurrent)
            .wasm_component_model_async(concurrent)
            .wasm_component_model_async_stackful(false)
            .wasm_component_model_threading(false);
        config.relaxed_simd_deterministic(true);
        config.epoch_interruption(true);
        let stack = match self {
            Self::Default | Self::Async => GUEST_STACK,
            Self::Large => LARGE_GUEST_STACK,
        };
        config.max_wasm_stack(stack).async_stack_size(stack + HOST_STACK);
        config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES));
        if self == Self::Large {
            config.memory_guaranteed_dense_image_size(LARGE_IMAGE);
        }
        config
    }

    /// The pool of an engine with so many instances at once.
    pub(super) fn pool(self, instances: u32) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_memories(instances.saturating_mul(MEMORIES))
            // Every component may have its most of each, or few of one tenant's would leave none to others.
            .total_tables(instances.saturating_mul(TABLES))
            .total_stacks(instances)
            .total_gc_heaps(0)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_unused_warm_slots(instances)
            .max_tables_per_module(MODULE_TABLES)
            .table_keep_resident(TABLE_KEEP_RESIDENT)
            // Asks the kernel which pages were written, and wipes only those; from Linux 6.7.
            .pagemap_scan(Enabled::Auto);
        match self {
            Self::Default => pool
                .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
                .max_core_instances_per_component(CORE_INSTANCES)
                .table_elements(TABLE_ELEMENTS)
                .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT),
            Self::Async => pool
                .total_stacks(instances.saturating_mul(ASYNC_STACKS))
                .total_core_instances(instances.saturating_mul(ASYNC_CORE_INSTANCES))
                .max_core_instances_per_component(ASYNC_CORE_INSTANCES)
                .table_elements(TABLE_ELEMENTS)
                .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT),
            Self::Large => pool
                .total_core_instances(instances.saturating_mul(LARGE_CORE_INSTANCES))
                .max_core_instances_per_component(LARGE_CORE_INSTANCES)
                .table_elements(LARGE_TABLE_ELEMENTS)
                .max_component_instance_size(LARGE_INSTANCE)
                .max_core_instance_size(LARGE_INSTANCE)
                .linear_memory_keep_resident(LARGE_MEMORY_KEEP_RESIDENT),
        };
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_one_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.name()), Some(profile));
        }
        assert_eq!(Profile::named("huge"), None);
    }
}
