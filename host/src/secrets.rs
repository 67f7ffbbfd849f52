//! `tollgate:host/secrets`: what the deployment's `secrets` grant, and nothing of anyone else.

use crate::{Revision, guest::Guest, own::secrets};
use std::collections::BTreeMap;
use tollgate_config::SecretName;
use wasmtime::component::{HasData, Linker};
use zeroize::Zeroizing;

/// A deployment's secrets, by the names that its worker says. Wiped when they are dropped; what a worker has read is gone with its memory.
pub type Secrets = BTreeMap<SecretName, Zeroizing<Vec<u8>>>;

struct Granted;

impl HasData for Granted {
    type Data<'a> = &'a Revision;
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    secrets::add_to_linker::<Guest, Granted>(linker, |guest| &*guest.revision)
}

impl secrets::Host for &Revision {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, secrets::Error>> {
        let secret = SecretName::new(&name).ok().and_then(|name| self.secrets.get(&name));
        Ok(secret.map(|secret| secret.to_vec()).ok_or(secrets::Error::NotGranted))
    }
}
