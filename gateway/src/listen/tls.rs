//! TLS: which certificate, which protocol, and a handshake that has to end.

use crate::gateway::StartError;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{collections::HashMap, fmt, io, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tollgate_config::manifest::{Certificate, Protocol, Tls};

/// Longest handshake: two round trips of a phone on a bad day.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It took too long.
    #[error("the handshake took too long")]
    Slow,
    /// The peer broke it off, or the two have nothing in common.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

impl HandshakeError {
    /// For the metric.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Slow => "tls_slow",
            Self::Failed(_) => "tls_failed",
        }
    }
}

/// Shakes hands. Runs in the connection's own task, never in the accept loop.
///
/// # Errors
/// See [`HandshakeError`].
pub(crate) async fn handshake(stream: TcpStream, config: Arc<ServerConfig>) -> Result<TlsStream<TcpStream>, HandshakeError> {
    Ok(timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream))
        .await
        .map_err(|_| HandshakeError::Slow)??)
}

/// A listener's TLS: its certificates and its protocols. TLS 1.2 and 1.3; no early data (it can be replayed), tickets without state on this side.
///
/// # Errors
/// When a certificate or key cannot be read or they do not belong together.
pub(crate) fn config(tls: &Tls, protocols: &[Protocol], strict_sni: bool) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificates = match tls {
        Tls::SelfSigned(names) => Certificates::self_signed(names, strict_sni, &provider)?,
        Tls::Certificates(files) => Certificates::read(files, strict_sni, &provider)?,
    };
    let wrong = |error: rustls::Error| StartError::Certificate {
        what: format!("TLS cannot be set up: {error}"),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(wrong)?;
    config.alpn_protocols = [(Protocol::H2, b"h2".as_slice()), (Protocol::H1, b"http/1.1")]
        .into_iter()
        .filter(|(protocol, _)| protocols.contains(protocol))
        .map(|(_, name)| name.to_vec())
        .collect();
    Ok(Arc::new(config))
}

/// A listener's certificates by name.
struct Certificates {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// `*.suffix`, which covers one label (RFC 9525 6.3).
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
    strict: bool,
}

impl Certificates {
    fn self_signed(names: &[String], strict: bool, provider: &CryptoProvider) -> Result<Self, StartError> {
        let wrong = |error: &dyn fmt::Display| StartError::Certificate {
            what: format!("no certificate can be made for {}: {error}", names.join(", ")),
        };
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| wrong(&error))?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| wrong(&error))?;
        let certified = CertifiedKey::from_der(vec![made.cert.der().clone()], key, provider).map_err(|error| wrong(&error))?;
        Self::of(vec![Arc::new(certified)], strict)
    }

    fn read(files: &[Certificate], strict: bool, provider: &CryptoProvider) -> Result<Self, StartError> {
        let read = |Certificate { cert, key }: &Certificate| -> Result<Arc<CertifiedKey>, StartError> {
            let wrong = |path: &Path, error: &dyn fmt::Display| StartError::Certificate {
                what: format!("{}: {error}", path.display()),
            };
            let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
                .and_then(Iterator::collect)
                .map_err(|error: rustls::pki_types::pem::Error| wrong(cert, &error))?;
            if chain.is_empty() {
                return Err(wrong(cert, &"there is no certificate in it"));
            }
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
            CertifiedKey::from_der(chain, private, provider)
                .map(Arc::new)
                .map_err(|error| wrong(cert, &format!("with {}: {error}", key.display())))
        };
        Self::of(files.iter().map(read).collect::<Result<_, _>>()?, strict)
    }

    /// Sorts certificates by the names that they are for. Of two for one name the first wins.
    fn of(all: Vec<Arc<CertifiedKey>>, strict: bool) -> Result<Self, StartError> {
        let none = || StartError::Certificate {
            what: "a TLS listener needs a certificate".into(),
        };
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for certified in &all {
            let leaf = certified.end_entity_cert().map_err(|_| none())?;
            let parsed = webpki::EndEntityCert::try_from(leaf).map_err(|error| StartError::Certificate {
                what: format!("a certificate cannot be read: {error}"),
            })?;
            for name in parsed.valid_dns_names() {
                let name = name.to_ascii_lowercase();
                match name.strip_prefix("*.") {
                    Some(suffix) => wildcard.entry(suffix.to_owned()).or_insert_with(|| certified.clone()),
                    None => exact.entry(name).or_insert_with(|| certified.clone()),
                };
            }
        }
        Ok(Self {
            exact,
            wildcard,
            first: all.into_iter().next().ok_or_else(none)?,
            strict,
        })
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let known = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            self.exact.get(&name).or_else(|| self.wildcard.get(name.split_once('.')?.1))
        });
        known.or((!self.strict).then_some(&self.first)).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("exact", &self.exact.keys())
            .field("wildcard", &self.wildcard.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn certificate(folder: &Path, stem: &str, names: &[&str]) -> Certificate {
        let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let (cert, key) = (folder.join(format!("{stem}.pem")), folder.join(format!("{stem}.key")));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Certificate { cert, key }
    }

    #[test]
    fn the_name_chooses_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let provider = aws_lc_rs::default_provider();
        let files = [
            certificate(folder.path(), "a", &["a.example", "shared.example"]),
            certificate(folder.path(), "b", &["*.b.example", "shared.example"]),
        ];
        for (strict, unknown) in [(false, Some(0)), (true, None)] {
            let certificates = Certificates::read(&files, strict, &provider).unwrap();
            let b = certificates.find(Some("x.b.example")).unwrap();
            for (name, expected) in [
                (Some("a.example"), Some(0)),
                (Some("A.Example"), Some(0)),
                (Some("shared.example"), Some(0)),
                (Some("x.b.example"), Some(1)),
                (Some("x.y.b.example"), unknown),
                (Some("b.example"), unknown),
                (Some("localhost"), unknown),
                (None, unknown),
            ] {
                let found = certificates.find(name).map(|found| usize::from(Arc::ptr_eq(&found, &b)));
                assert_eq!(found, expected, "{name:?}, strict: {strict}");
            }
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (
            certificate(folder.path(), "a", &["a.example"]),
            certificate(folder.path(), "b", &["b.example"]),
        );
        let mixed = Certificate {
            cert: a.cert.clone(),
            key: b.key.clone(),
        };
        let error = Certificates::read(&[mixed], false, &aws_lc_rs::default_provider())
            .unwrap_err()
            .to_string();
        assert!(error.contains("a.pem") && error.contains("b.key"), "{error}");
        let missing = Certificate {
            cert: folder.path().join("gone.pem"),
            key: b.key,
        };
        let error = Certificates::read(&[missing], false, &aws_lc_rs::default_provider())
            .unwrap_err()
            .to_string();
        assert!(error.contains("gone.pem"), "{error}");
    }
}
