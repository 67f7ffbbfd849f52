//! `store`, `journal`, `cache` and `trust`: what lies on disk, and whose packs may run.

use super::{Cache, Journal, Store, Trust, context::Context, value::Value};
use crate::unit::{ByteSize, parse_duration};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Where sessions live when the manifest does not say: beside the manifest, in a folder that a listing hides.
pub const STORE_PATH: &str = ".tollgate/store";
/// The journal's folder beside the store's.
pub const JOURNAL_NAME: &str = "journal";

/// The cache's folder beside the store's.
pub const CACHE_NAME: &str = "cache";

/// Compiled workers in memory: some five hundred ordinary ones, or a handful with an interpreter.
pub const CACHE_LOADED: ByteSize = ByteSize::mib(512);
/// A worker that nobody called for so long leaves memory; bringing it back costs a caller milliseconds.
pub const CACHE_IDLE: Duration = Duration::from_secs(600);

/// Reads `store`.
pub(super) fn store(value: Option<Value<'_>>, context: &mut Context) -> Option<Store> {
    #[derive(Clone, Copy, PartialEq)]
    enum StoreKind {
        Sled,
        Memory,
    }
    let Some(value) = value else {
        return Some(Store::Sled(context.join(STORE_PATH)));
    };
    let fields = value.fields("store", context)?;
    let kind = match fields.get("kind") {
        Some(value) => value.word(
            "store",
            &[("sled", StoreKind::Sled), ("memory", StoreKind::Memory)],
            &["redis"],
            context,
        ),
        None => Some(StoreKind::Sled),
    };
    let path = match fields.get("path") {
        Some(value) if kind == Some(StoreKind::Memory) => {
            return value.refuse_with(
                "a store in memory has no path",
                "leave it out, or use `kind: sled`".to_owned(),
                context,
            );
        }
        Some(value) => value.path(context),
        None => Some(context.join(STORE_PATH)),
    };
    Some(match kind? {
        StoreKind::Sled => Store::Sled(path?),
        StoreKind::Memory => Store::Memory,
    })
}

/// Reads `journal`; where it is not said, it goes with the store.
pub(super) fn journal(value: Option<Value<'_>>, store: Option<&Store>, context: &mut Context) -> Option<Journal> {
    let Some(value) = value else {
        return Some(match store? {
            Store::Memory => Journal::Memory,
            Store::Sled(path) => Journal::Folder(beside(path)),
        });
    };
    let path = value.fields("journal", context)?.need("path", context)?;
    let folder = path.path(context)?;
    if let Some(Store::Sled(taken)) = store
        && *taken == folder
    {
        return path.refuse_with("the store has this folder already", "use another".to_owned(), context);
    }
    Some(Journal::Folder(folder))
}

fn beside(store: &Path) -> PathBuf {
    let journal = store.with_file_name(JOURNAL_NAME);
    // A store that is itself called `journal` keeps its folder.
    if journal == store {
        store.with_file_name(format!("{JOURNAL_NAME}.redb"))
    } else {
        journal
    }
}

/// Reads `cache`; where it is not said, it lies beside the store. A store in memory leaves nothing on disk, and neither does its cache.
pub(super) fn cache(value: Option<Value<'_>>, store: Option<&Store>, context: &mut Context) -> Option<Option<Cache>> {
    let Some(value) = value else {
        return Some(match store? {
            Store::Memory => None,
            Store::Sled(path) => Some(Cache {
                path: path.with_file_name(CACHE_NAME),
                loaded: CACHE_LOADED,
                idle: CACHE_IDLE,
            }),
        });
    };
    let fields = value.fields("cache", context)?;
    let loaded = match fields.get("loaded") {
        Some(value) => value.parse(ByteSize::parse, context),
        None => Some(CACHE_LOADED),
    };
    let idle = match fields.get("idle") {
        Some(value) => value.parse(parse_duration, context),
        None => Some(CACHE_IDLE),
    };
    let path = fields.need("path", context)?;
    let folder = path.path(context)?;
    if matches!(store, Some(Store::Sled(taken)) if *taken == folder) {
        return path.refuse_with("the store has this folder already", "use another".to_owned(), context);
    }
    Some(Some(Cache {
        path: folder,
        loaded: loaded?,
        idle: idle?,
    }))
}

/// Reads `trust`.
pub(super) fn trust(value: Option<Value<'_>>, context: &mut Context) -> Option<Trust> {
    let Some(value) = value else { return Some(Trust::default()) };
    let fields = value.fields("trust", context)?;
    let keys = match fields.get("keys") {
        Some(value) => paths(&value, context),
        None => Some(Vec::new()),
    };
    let unsigned = fields.get("unsigned");
    let allow_unsigned = match &unsigned {
        Some(value) => value.word("choice", &[("allow", true)], &[], context),
        None => Some(false),
    };
    if let (Some(value), Some(true), Some(false)) = (&unsigned, allow_unsigned, context.local) {
        return value.refuse_with(
            "unsigned packs run in environment `local` alone",
            "sign the pack, and name its publisher's key under `trust.keys`".to_owned(),
            context,
        );
    }
    Some(Trust {
        keys: keys?,
        allow_unsigned: allow_unsigned?,
    })
}

fn paths(value: &Value<'_>, context: &mut Context) -> Option<Vec<PathBuf>> {
    let items = value.list(context)?;
    let paths: Vec<_> = items.iter().map(|item| item.path(context)).collect();
    paths.into_iter().collect()
}
