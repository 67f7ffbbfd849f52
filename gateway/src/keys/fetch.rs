//! One GET of a document with keys: https (or this machine), no redirects, a bound on its size, a deadline on the whole.

use crate::roots::Roots;
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use serde::Deserialize;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::OnceCell,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tollgate_ingress::jwt::{KeySet, KeySetError};

/// For a look-up, the handshakes and the whole document.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Largest document, in bytes: what `ingress` reads of a key set. The largest that issuers publish have about 40 KiB.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;

/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// Where a document is: https anywhere, http on this machine alone, where nobody can change it on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    text: String,
    host: String,
    port: u16,
    tls: bool,
    authority: HeaderValue,
    path: Uri,
}

/// Why a text is no place that keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No URL.
    #[error("not a URL with a host")]
    NotUrl,
    /// Who reads along could also write.
    #[error("keys come over https (over http from this machine alone)")]
    Insecure,
    /// `user@host`.
    #[error("a user name or password has no place in it")]
    UserInfo,
}

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`LocationError`].
    pub(crate) fn parse(text: &str) -> Result<Self, LocationError> {
        if text.len() > MAX_URL {
            return Err(LocationError::NotUrl);
        }
        let uri: Uri = text.parse().map_err(|_| LocationError::NotUrl)?;
        let authority = uri.authority().ok_or(LocationError::NotUrl)?;
        if authority.as_str().contains('@') {
            return Err(LocationError::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_here(&host) => false,
            Some("http") => return Err(LocationError::Insecure),
            _ => return Err(LocationError::NotUrl),
        };
        if host.is_empty() {
            return Err(LocationError::NotUrl);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            text: text.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| LocationError::NotUrl)?,
            path: path.parse().map_err(|_| LocationError::NotUrl)?,
            host,
            tls,
        })
    }

    /// The host in lower case, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        // RFC 6761 6.3: this machine, whatever a resolver says.
        if is_here(&self.host) {
            let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(here.map(|address| SocketAddr::new(address, self.port)).to_vec());
        }
        Ok(lookup_host((self.host.as_str(), self.port)).await?.collect())
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = None;
        for address in self.addresses().await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_here(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Why a document did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// No connection.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The system has no root certificates.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// HTTP went wrong.
    #[error("no answer")]
    Http(#[from] hyper::Error),
    /// Not 200. A redirect is none: whom it leads to is not whom the operator named.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// Too long.
    #[error("the document is over {MAX_DOCUMENT} bytes")]
    TooLarge,
    /// Broke off.
    #[error("the document broke off: {0}")]
    Broken(String),
    /// Too slow.
    #[error("it took more than {} s", DEADLINE.as_secs())]
    Slow,
    /// Not what was looked for.
    #[error("the document has no keys")]
    Keys(#[from] KeySetError),
    /// Keys, and none that can be used.
    #[error("none of the document's keys can be used ({0} skipped)")]
    NoKey(usize),
    /// The metadata's `jwks_uri`.
    #[error("the metadata's `jwks_uri` is refused")]
    Metadata(#[source] LocationError),
    /// Not certificates, or not to be believed.
    #[error("{0}")]
    Certificate(String),
}

impl FetchError {
    /// Whether it says nothing of the document: it may come the next time.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Tls(_) | Self::Http(_) | Self::Broken(_) | Self::Slow => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge | Self::Keys(_) | Self::NoKey(_) | Self::Metadata(_) | Self::Certificate(_) => false,
        }
    }
}

/// Fetches. One for a gateway.
pub(super) struct Fetcher {
    roots: Roots,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// An issuer's metadata (OpenID Connect Discovery 1.0, 3), as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

impl Fetcher {
    /// Believes whom these vouch for.
    pub(super) fn new(roots: Roots) -> Self {
        let tls = OnceCell::new();
        Self { roots, tls }
    }

    /// The authorities it believes.
    ///
    /// # Errors
    /// When there are none.
    pub(super) async fn roots(&self) -> Result<Arc<RootCertStore>, FetchError> {
        self.roots.get().await.map_err(|error| FetchError::Tls(error.to_string()))
    }

    /// An issuer's keys: the document at its place, or the one that it names, when it is the issuer's metadata.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn keys(&self, location: &Location) -> Result<KeySet, FetchError> {
        let mut document = self.get(location).await?;
        if let Ok(Metadata { jwks_uri }) = serde_json::from_slice(&document) {
            let keys = Location::parse(&jwks_uri).map_err(FetchError::Metadata)?;
            if location.tls && !keys.tls {
                return Err(FetchError::Metadata(LocationError::Insecure));
            }
            document = self.get(&keys).await?;
        }
        let keys = KeySet::parse(&document)?;
        if keys.keys().is_empty() {
            return Err(FetchError::NoKey(keys.skipped()));
        }
        Ok(keys)
    }

    /// A document.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(super) async fn get(&self, location: &Location) -> Result<Bytes, FetchError> {
        let fetching = async {
            let stream = location.connect().await.map_err(FetchError::Connect)?;
            if !location.tls {
                return exchange(location, stream).await;
            }
            let name = ServerName::try_from(location.host.clone()).map_err(|error| FetchError::Tls(error.to_string()))?;
            let tls = TlsConnector::from(self.tls().await?);
            exchange(location, tls.connect(name, stream).await.map_err(FetchError::Connect)?).await
        };
        timeout(DEADLINE, fetching).await.map_err(|_| FetchError::Slow)?
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, FetchError> {
        self.tls.get_or_try_init(async || config(self.roots().await?)).await.cloned()
    }
}

async fn exchange<S>(location: &Location, stream: S) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = location.path.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, location.authority.clone());
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, application/jwk-set+json, */*;q=0.1"),
    );
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))),
    );
    let exchange = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        match Limited::new(response.into_body(), MAX_DOCUMENT).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
            Err(error) => Err(FetchError::Broken(error.to_string())),
        }
    };
    // The connection lives no longer than this: nothing of it is left behind when the caller gives up.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

fn config(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, FetchError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (url, expected) in [
            ("https://login.example/keys?v=1", Ok(("login.example", 443, true))),
            ("https://LOGIN.example:8443", Ok(("login.example", 8443, true))),
            ("http://127.0.0.1:9/keys", Ok(("127.0.0.1", 9, false))),
            ("http://[::1]:9/keys", Ok(("::1", 9, false))),
            ("http://keys.localhost/", Ok(("keys.localhost", 80, false))),
            ("http://login.example/keys", Err(LocationError::Insecure)),
            ("http://127.0.0.1.example/keys", Err(LocationError::Insecure)),
            ("http://10.0.0.1/keys", Err(LocationError::Insecure)),
            ("https://a:b@login.example/keys", Err(LocationError::UserInfo)),
            ("file:///etc/keys", Err(LocationError::NotUrl)),
            ("ftp://login.example/keys", Err(LocationError::NotUrl)),
            ("/keys", Err(LocationError::NotUrl)),
            ("", Err(LocationError::NotUrl)),
        ] {
            let found = Location::parse(url);
            let found = found
                .as_ref()
                .map(|found| (found.host(), found.port, found.tls))
                .map_err(|error| *error);
            assert_eq!(found, expected, "{url}");
        }
        assert!(Location::parse(&format!("https://a/{}", "x".repeat(MAX_URL))).is_err());
    }
}
