//! `greentic:state/state-store`: a bucket of its own beside that of `wasi:keyvalue`.

use super::{
    Refused, agreed,
    bindings::greentic::interfaces_types::types::TenantCtx,
    state_store::{Host, HostError, OpAck},
};
use crate::{Revision, guest::Guest, kept};
use std::sync::Arc;
use tollgate_store::{Expect, Key, StoreError};

/// Where it lies: `env/tenant/deployment/state_version/greentic/key`.
const BUCKET: &str = "greentic";
/// Bytes of a key: as many as `wasi:keyvalue` takes.
const MAX_KEY: usize = 1_024;

impl From<Refused> for HostError {
    fn from(Refused { code, message }: Refused) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new("unavailable", "the store is unavailable"),
            StoreError::TooLarge { .. } => Self::new("too-large", error.to_string()),
            StoreError::Full { .. } | StoreError::Share { .. } => Self::new("quota", error.to_string()),
            StoreError::Conflict | StoreError::NotACounter => Self::new("conflict", error.to_string()),
        }
    }
}

/// The revision that is called, and where a key of it lies.
type Place = Result<(Arc<Revision>, Key), Refused>;

/// For one operation.
fn place(guest: &mut Guest, key: &str, ctx: Option<&TenantCtx>) -> Place {
    let revision = Arc::clone(&guest.revision);
    agreed(&revision, ctx)?;
    guest.ask_store(1).map_err(|spent| Refused::new("quota", spent.to_string()))?;
    if key.is_empty() || key.len() > MAX_KEY {
        let message = format!("a key has 1 to {MAX_KEY} bytes, this one has {}", key.len());
        return Err(Refused::new("invalid-key", message));
    }
    let key = Key::worker(&revision.tenant, &revision.deployment, &revision.state_version, BUCKET, key);
    Ok((revision, key))
}

async fn read(place: Place) -> Result<Vec<u8>, Refused> {
    let (revision, key) = place?;
    let found = kept::read(&revision, &key).await?;
    let found = found.ok_or_else(|| Refused::new("not-found", "nothing is kept under this key"))?;
    Ok(found.value.into())
}

async fn write(place: Place, bytes: Vec<u8>) -> Result<OpAck, Refused> {
    let (revision, key) = place?;
    kept::write(&revision, &key, bytes, Expect::Any, None).await?;
    Ok(OpAck::Ok)
}

async fn remove(place: Place) -> Result<OpAck, Refused> {
    let (revision, key) = place?;
    kept::remove(&revision, &key).await?;
    Ok(OpAck::Ok)
}

type Answer<T> = wasmtime::Result<Result<T, HostError>>;

impl Host for &mut Guest {
    async fn read(&mut self, key: String, ctx: Option<TenantCtx>) -> Answer<Vec<u8>> {
        Ok(read(place(self, &key, ctx.as_ref())).await.map_err(Into::into))
    }

    async fn write(&mut self, key: String, bytes: Vec<u8>, ctx: Option<TenantCtx>) -> Answer<OpAck> {
        Ok(write(place(self, &key, ctx.as_ref()), bytes).await.map_err(Into::into))
    }

    async fn delete(&mut self, key: String, ctx: Option<TenantCtx>) -> Answer<OpAck> {
        Ok(remove(place(self, &key, ctx.as_ref())).await.map_err(Into::into))
    }
}
