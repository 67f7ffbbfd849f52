//! The system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others): whom every call out over TLS believes.

use rustls::RootCertStore;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::spawn_blocking;

/// Read when first needed, and once: a gateway that fetches nothing needs none. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Roots(Arc<Mutex<Option<Arc<RootCertStore>>>>);

/// The system has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the system has no root certificates{0}")]
pub(crate) struct NoRoots(String);

impl Roots {
    /// Them. May read the disk: call it from a blocking thread.
    ///
    /// # Errors
    /// When there are none; they are looked for again the next time.
    pub(crate) fn read(&self) -> Result<Arc<RootCertStore>, NoRoots> {
        // Whole before and after every statement.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roots) = &*held {
            return Ok(roots.clone());
        }
        let roots = Arc::new(load()?);
        *held = Some(roots.clone());
        Ok(roots)
    }

    /// Them, for an async task.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn get(&self) -> Result<Arc<RootCertStore>, NoRoots> {
        let this = self.clone();
        let read = spawn_blocking(move || this.read()).await;
        read.unwrap_or_else(|error| Err(NoRoots(format!(": {error}"))))
    }
}

fn load() -> Result<RootCertStore, NoRoots> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(NoRoots(why));
    }
    Ok(roots)
}
