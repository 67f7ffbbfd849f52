//! Whose certificates a call out believes: the system's authorities.

use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs};
use std::sync::Arc;

/// Sessions that one deployment may resume; its pool keeps most connections open anyway.
const RESUMED_SESSIONS: usize = 32;

/// The system's authorities. Reads them from disk: call it from a blocking thread. Where there are none, every handshake fails.
pub(crate) fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let error = found.errors.first().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(
            error,
            "the system has no root certificates: every call out by https will fail; SSL_CERT_FILE names a file of them"
        );
    }
    roots
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
