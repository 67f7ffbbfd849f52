//! `greentic:secrets-store/secrets-store`: what the deployment's `secrets` grant, to be read and never to be written.

use super::secrets_store::{Host, SecretsError};
use crate::guest::Guest;
use tollgate_config::SecretName;

impl Host for &mut Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, SecretsError>> {
        let Ok(name) = SecretName::new(&key) else {
            return Ok(Err(SecretsError::InvalidKey));
        };
        let secret = self.revision.secrets.get(&name);
        Ok(secret.map(|secret| Some(secret.to_vec())).ok_or(SecretsError::Denied))
    }

    fn put(&mut self, _: String, _: Vec<u8>) -> wasmtime::Result<()> {
        // It has no result to refuse in, and a worker that takes it for done would lose a secret.
        wasmtime::bail!("`secrets-store.put` is refused: secrets are the manifest's, and no worker writes them")
    }
}
