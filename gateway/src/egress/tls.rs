//! Whose certificates a call out believes: the system's authorities.

use crate::roots::Roots;
use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs};
use std::sync::Arc;

/// Sessions that one deployment may resume; its pool keeps most connections open anyway.
const RESUMED_SESSIONS: usize = 32;

/// The system's authorities. Where there are none, every handshake fails.
pub(crate) fn system_roots(roots: &Roots) -> Arc<RootCertStore> {
    roots.read().unwrap_or_else(|error| {
        tracing::warn!(%error, "every call out by https will fail; SSL_CERT_FILE names a file of root certificates");
        Arc::new(RootCertStore::empty())
    })
}

/// One deployment's settings. Sessions are its own: a resumed one would show a server that two tenants share a gateway.
///
/// # Errors
/// When the provider has no protocol version, which the build rules out.
pub(crate) fn config(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(RESUMED_SESSIONS);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
