//! The limits of a call by name, and how often calls have hit them.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use tollgate_store::StoreError;
use wasmtime::{Trap, component::ResourceTableError};

/// A limit that a call, or the deployment that it is of, can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `limits.memory`: linear memories and tables together.
    Memory,
    /// Entries of one table.
    Table,
    /// The guest's stack.
    Stack,
    /// `limits.cpu`.
    Cpu,
    /// `limits.wall`.
    Wall,
    /// `limits.first_byte`.
    FirstByte,
    /// `limits.stall`.
    Stall,
    /// `limits.body`, while the worker reads it.
    Body,
    /// Silence of the caller within its body, while the worker reads it.
    BodyStall,
    /// Bytes that one call of an import hands over.
    Hostcall,
    /// Handles that one instance holds.
    Handles,
    /// Streams, fields, bodies and buckets that one call holds in the host.
    Resources,
    /// Header fields that one call builds or answers with.
    Fields,
    /// Bytes of randomness that one call of an import asks for.
    Random,
    /// Bytes of logging; hit once for each stream that was cut.
    Log,
    /// `limits.concurrency` and `limits.queue`, or the pool.
    Instances,
    /// `limits.breaker`.
    Breaker,
    /// `limits.store.keys`.
    StoreKeys,
    /// `limits.store.bytes`.
    StoreBytes,
    /// The tenant's part of a store that all keep in memory.
    StoreShare,
    /// `limits.store.operations`.
    StoreOperations,
    /// `limits.store.rate`.
    StoreRate,
}

impl Limit {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 22] = [
        Self::Memory,
        Self::Table,
        Self::Stack,
        Self::Cpu,
        Self::Wall,
        Self::FirstByte,
        Self::Stall,
        Self::Body,
        Self::BodyStall,
        Self::Hostcall,
        Self::Handles,
        Self::Resources,
        Self::Fields,
        Self::Random,
        Self::Log,
        Self::Instances,
        Self::Breaker,
        Self::StoreKeys,
        Self::StoreBytes,
        Self::StoreShare,
        Self::StoreOperations,
        Self::StoreRate,
    ];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::FirstByte => "first_byte",
            Self::Stall => "stall",
            Self::Body => "body",
            Self::BodyStall => "body_stall",
            Self::Hostcall => "hostcall",
            Self::Handles => "handles",
            Self::Resources => "resources",
            Self::Fields => "fields",
            Self::Random => "random",
            Self::Log => "log",
            Self::Instances => "instances",
            Self::Breaker => "breaker",
            Self::StoreKeys => "store_keys",
            Self::StoreBytes => "store_bytes",
            Self::StoreShare => "store_share",
            Self::StoreOperations => "store_operations",
            Self::StoreRate => "store_rate",
        }
    }

    /// The one that made a guest trap, if one did.
    ///
    /// Some of wasmtime's errors have no type of their own: their texts are told apart, and the tests that reach each limit hold them to it.
    pub(crate) fn of_trap(error: &wasmtime::Error) -> Option<Self> {
        if let Some(Over { limit, .. }) = error.chain().find_map(|error| error.downcast_ref()) {
            return Some(*limit);
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
            return Some(Self::Stack);
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return Some(Self::Resources);
        }
        let text = format!("{error:#}");
        let says = |part: &str| text.contains(part);
        if says("fuel allocated for hostcalls") {
            Some(Self::Hostcall)
        } else if says("store handle limit exceeded") {
            Some(Self::Handles)
        } else if says("resource table has no free keys") {
            Some(Self::Resources)
        } else if says("total size of fields exceeds limit") || says("too many fields in the field map") {
            Some(Self::Fields)
        } else if says("requested len") && says("exceeds limit") {
            Some(Self::Random)
        } else {
            None
        }
    }

    /// The one that the store holds a deployment to, if that is what it says.
    pub(crate) fn of_store(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Full { what: "keys", .. } => Some(Self::StoreKeys),
            StoreError::Full { .. } => Some(Self::StoreBytes),
            StoreError::Share { .. } => Some(Self::StoreShare),
            _ => None,
        }
    }
}

/// An error that says which limit it is.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) limit: Limit,
    pub(crate) text: String,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Over {}

/// How often each limit was hit.
#[derive(Debug, Default)]
pub struct Hits([AtomicU64; Limit::ALL.len()]);

impl Hits {
    /// Counts one.
    pub(crate) fn add(&self, limit: Limit) {
        if let Some(count) = self.0.get(limit as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How often this one was.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0.get(limit as usize).map_or(0, |count| count.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_limit_has_a_name_and_a_counter_of_its_own() {
        let hits = Hits::default();
        let mut names = HashSet::new();
        for limit in Limit::ALL {
            assert!(names.insert(limit.name()), "{limit:?}");
            assert_eq!(hits.of(limit), 0, "{limit:?} is counted with another one");
            hits.add(limit);
            assert_eq!(hits.of(limit), 1);
        }
    }
}
