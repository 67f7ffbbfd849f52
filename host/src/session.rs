//! `tollgate:host/session`: the state of the conversation that a request belongs to.

use crate::{Revision, guest::Guest, kept, own::session as wit};
use std::{sync::Arc, time::Duration};
use tollgate_config::EndpointId;
use tollgate_store::{Expect, Key, StoreError, Version};
use wasmtime::component::{HasData, Linker};

/// Bytes of one conversation's state: what the store takes of a value. A worker that has more to remember keeps it under keys of its own.
pub const MAX_SESSION: usize = tollgate_store::session::MAX_VALUE_BYTES;

/// How long a state lives that nobody writes: longer than a person leaves a conversation and comes back to it.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The conversation that a request belongs to. Whoever calls a [`Revision`] puts it into the request's extensions, where nothing that came over the
/// network can be; a request without one has no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where it is held: two bots of one tenant never meet.
    pub endpoint: EndpointId,
    /// The platform's name for it.
    pub key: String,
}

struct Conversation;

impl HasData for Conversation {
    type Data<'a> = &'a mut Guest;
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wit::add_to_linker::<Guest, Conversation>(linker, |guest| guest)
}

impl From<StoreError> for wit::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::Full { .. } | StoreError::Share { .. } => Self::Quota(error.to_string()),
            StoreError::Unavailable(_) => Self::Other("the store is unavailable".to_owned()),
            error => Self::Other(error.to_string()),
        }
    }
}

impl Guest {
    /// Where this call's conversation lies, for one operation.
    fn conversation(&mut self) -> Place {
        self.ask_store(1).map_err(|spent| wit::Error::Quota(spent.to_string()))?;
        let session = self.session.as_ref().ok_or(wit::Error::NoSession)?;
        let Revision {
            tenant,
            deployment,
            state_version,
            ..
        } = &*self.revision;
        let key = Key::session(tenant, deployment, state_version, &session.endpoint, &session.key);
        Ok((Arc::clone(&self.revision), key))
    }
}

/// Where a call's conversation lies, or why nowhere.
type Place = Result<(Arc<Revision>, Key), wit::Error>;

async fn read(place: Place) -> Result<Option<wit::State>, wit::Error> {
    let (revision, key) = place?;
    let found = kept::read(&revision, &key).await?;
    Ok(found.map(|found| wit::State {
        value: found.value.into(),
        version: found.version.0,
    }))
}

async fn write(place: Place, value: Vec<u8>, expect: Expect) -> Result<u64, wit::Error> {
    let (revision, key) = place?;
    if value.len() > MAX_SESSION {
        return Err(wit::Error::TooLarge(MAX_SESSION as u64));
    }
    let Version(version) = kept::write(&revision, &key, value, expect, Some(SESSION_LIFE)).await?;
    Ok(version)
}

async fn remove(place: Place) -> Result<(), wit::Error> {
    let (revision, key) = place?;
    Ok(kept::remove(&revision, &key).await?)
}

impl wit::Host for &mut Guest {
    async fn get(&mut self) -> wasmtime::Result<Result<Option<wit::State>, wit::Error>> {
        Ok(read(self.conversation()).await)
    }

    async fn set(&mut self, value: Vec<u8>) -> wasmtime::Result<Result<u64, wit::Error>> {
        Ok(write(self.conversation(), value, Expect::Any).await)
    }

    async fn swap(&mut self, value: Vec<u8>, expected: Option<u64>) -> wasmtime::Result<Result<u64, wit::Error>> {
        let expect = expected.map_or(Expect::Absent, |version| Expect::Version(Version(version)));
        Ok(write(self.conversation(), value, expect).await)
    }

    async fn delete(&mut self) -> wasmtime::Result<Result<(), wit::Error>> {
        Ok(remove(self.conversation()).await)
    }
}
