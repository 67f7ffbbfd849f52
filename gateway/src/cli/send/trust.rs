//! Whose certificate is believed.

use crate::{cli::report::Failure, roots};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use std::{path::Path, sync::Arc};

/// Who may vouch for the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Roots<'a> {
    /// The system's authorities.
    System,
    /// The certificates of this PEM file alone.
    File(&'a Path),
    /// Nobody needs to.
    Anyone,
}

/// TLS as a client, HTTP/1.1 over it.
pub(super) fn config(roots: Roots<'_>) -> Result<Arc<ClientConfig>, Failure> {
    let failed = |message: String| Failure::new("tls", message);
    let provider = Arc::new(aws_lc_rs::default_provider());
    // The library gathers entropy on first use, for tens of milliseconds: that is our start, no part of the answer's time.
    let drawn = provider.secure_random.fill(&mut [0; 1]);
    drawn.map_err(|_| failed("the system gives no randomness".to_owned()))?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = match roots {
        Roots::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth(),
        Roots::File(path) => builder.with_root_certificates(from_file(path)?).with_no_client_auth(),
        Roots::System => builder.with_root_certificates(from_system()?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn from_file(path: &Path) -> Result<RootCertStore, Failure> {
    let failed = |why: String| Failure::new("tls", format!("--ca {}: {why}", path.display()));
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if store.is_empty() {
        Err(failed("no certificate in it".to_owned()))
    } else {
        Ok(store)
    }
}

fn from_system() -> Result<Arc<RootCertStore>, Failure> {
    let roots = roots::Roots::default().read();
    roots.map_err(|error| Failure::new("tls", format!("{error}; name one with --ca")))
}

/// Believes any certificate. The handshake's signatures are still checked, so that the peer has the key of what it shows.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
