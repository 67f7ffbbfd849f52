//! `wasi:keyvalue` on the session store, scoped to the deployment that was called.
//!
//! A guest names a bucket and a key; where they lie (`env/tenant/deployment/state_version/bucket/key`) is the host's. There is one
//! bucket, `default`.

use crate::{Revision, guest::Guest, kept, quota::Spent};
use std::sync::Arc;
use tollgate_store::{Expect, Key, StoreError};
use wasmtime::component::{HasData, Linker, Resource, ResourceTableError};

/// The bucket that every deployment has.
const BUCKET: &str = "default";
/// Bytes of a key: a session key with three long ids fits twice.
const MAX_KEY: usize = 1_024;
/// Keys in one batch.
const MAX_BATCH: usize = 100;
/// Keys on one page of `list-keys`.
const PAGE: usize = 100;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/deps/keyvalue",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => crate::keyvalue::Error },
    });
}
use bindings::wasi::keyvalue::{atomics, batch, store};

/// An open bucket: where its pages of keys go on.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
#[derive(Debug, Default)]
pub struct Bucket {
    pages: Vec<String>,
}

/// What a guest is told, or why it traps.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
#[derive(Debug)]
pub enum Error {
    Guest(store::Error),
    Trap(wasmtime::Error),
}

impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => other("the store is unavailable"),
            error => other(&error.to_string()),
        }
    }
}

impl From<Spent> for Error {
    fn from(error: Spent) -> Self {
        other(&error.to_string())
    }
}

fn other(message: &str) -> Error {
    Error::Guest(store::Error::Other(message.to_owned()))
}

type Answer<T> = Result<T, Error>;

struct KeyValue;

impl HasData for KeyValue {
    type Data<'a> = &'a mut Guest;
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    store::add_to_linker::<Guest, KeyValue>(linker, |guest| guest)?;
    atomics::add_to_linker::<Guest, KeyValue>(linker, |guest| guest)?;
    batch::add_to_linker::<Guest, KeyValue>(linker, |guest| guest)
}

/// The part of the store that one call may touch.
struct Scope(Arc<Revision>);

impl Scope {
    /// The scope of the call that holds this bucket, for so many operations.
    fn of(guest: &mut Guest, bucket: &Resource<Bucket>, operations: usize) -> Answer<Self> {
        guest.table.get(bucket)?;
        guest.ask_store(operations)?;
        Ok(Self(Arc::clone(&guest.revision)))
    }

    /// Where a key of this call lies.
    fn key(&self, key: &str) -> Answer<Key> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(other(&format!("a key has 1 to {MAX_KEY} bytes, this one has {}", key.len())));
        }
        Ok(Key::worker(&self.0.tenant, &self.0.deployment, &self.0.state_version, BUCKET, key))
    }

    async fn write(&self, key: &str, value: Vec<u8>) -> Answer<()> {
        kept::write(&self.0, &self.key(key)?, value, Expect::Any, None).await?;
        Ok(())
    }

    async fn read(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        let found = kept::read(&self.0, &self.key(key)?).await?;
        Ok(found.map(|found| found.value.into()))
    }

    async fn remove(&self, key: &str) -> Answer<()> {
        Ok(kept::remove(&self.0, &self.key(key)?).await?)
    }
}

/// A batch is one call of the guest and many of the store.
fn bounded(count: usize) -> Answer<()> {
    if count > MAX_BATCH {
        return Err(other(&format!("a batch has at most {MAX_BATCH} keys, this one has {count}")));
    }
    Ok(())
}

impl store::Host for &mut Guest {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if identifier != BUCKET {
            return Err(Error::Guest(store::Error::NoSuchStore));
        }
        Ok(self.table.push(Bucket::default())?)
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<store::Error> {
        match error {
            Error::Guest(error) => Ok(error),
            Error::Trap(error) => Err(error),
        }
    }
}

impl store::HostBucket for &mut Guest {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        Scope::of(self, &bucket, 1)?.read(&key).await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        Scope::of(self, &bucket, 1)?.write(&key, value).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        Scope::of(self, &bucket, 1)?.remove(&key).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(Scope::of(self, &bucket, 1)?.read(&key).await?.is_some())
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<store::KeyResponse> {
        let scope = Scope::of(self, &bucket, 1)?;
        let pages = &self.table.get(&bucket)?.pages;
        // The guest's cursor is a number that only this bucket gave out: the page that it stands for is the store's own word.
        let after = match cursor {
            None => None,
            Some(page) => {
                let page = usize::try_from(page).ok().and_then(|page| pages.get(page)).cloned();
                Some(page.ok_or_else(|| other("the cursor is not of this bucket"))?)
            }
        };
        let page = kept::list(&scope.0, &scope.key("-")?, after.as_deref(), PAGE).await?;
        let cursor = match page.next {
            None => None,
            Some(next) => {
                let pages = &mut self.table.get_mut(&bucket)?.pages;
                pages.push(next);
                Some(pages.len() as u64 - 1)
            }
        };
        Ok(store::KeyResponse { keys: page.keys, cursor })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for &mut Guest {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        let scope = Scope::of(self, &bucket, 1)?;
        let delta = i64::try_from(delta).map_err(|_| other("the delta is over 2^63 - 1"))?;
        let sum = kept::increment(&scope.0, &scope.key(&key)?, delta).await?;
        u64::try_from(sum).map_err(|_| other("the counter is below zero"))
    }
}

impl batch::Host for &mut Guest {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        bounded(keys.len())?;
        let scope = Scope::of(self, &bucket, keys.len())?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(scope.read(&key).await?.map(|value| (key, value)));
        }
        Ok(found)
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        bounded(pairs.len())?;
        let scope = Scope::of(self, &bucket, pairs.len())?;
        for (key, value) in pairs {
            scope.write(&key, value).await?;
        }
        Ok(())
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        bounded(keys.len())?;
        let scope = Scope::of(self, &bucket, keys.len())?;
        for key in keys {
            scope.remove(&key).await?;
        }
        Ok(())
    }
}
