//! From a target to a connection: look up, check, connect to what was checked, shake hands.

use super::{
    Caller, Client, Refusal,
    header::{MAX_FIELD_BYTES, MAX_FIELDS},
    policy::permit_addresses,
    target::{Host, Target},
};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tollgate_config::pattern::OutboundScheme;
use tollgate_host::{OutboundBody, OutboundError};

/// Addresses of a name that are tried: a working service answers at the first or second.
const MAX_TRIED: usize = 4;
/// Window of one HTTP/2 stream: what one answer may wait with in memory.
const STREAM_WINDOW: u32 = 256 << 10;
/// Window of one HTTP/2 connection.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A connection that takes requests.
#[derive(Debug)]
pub(super) enum Sender {
    /// HTTP/1.1: one at a time.
    H1(http1::SendRequest<OutboundBody>),
    /// HTTP/2: many at once.
    H2(http2::SendRequest<OutboundBody>),
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failed {
    /// Not granted.
    Refused(Refusal),
    /// It did not come about.
    Error(OutboundError),
}

impl From<OutboundError> for Failed {
    fn from(error: OutboundError) -> Self {
        Self::Error(error)
    }
}

/// Connects within `patience`, look-up and handshake included. `literal` is the address of a target that is one.
pub(super) async fn connect(caller: &Caller, target: &Target, literal: Option<SocketAddr>, patience: Duration) -> Result<Sender, Failed> {
    let deadline = Instant::now() + patience;
    let client = &*caller.client;
    let addresses = match (literal, &target.host) {
        (Some(address), _) => vec![address],
        (None, Host::Address(ip)) => vec![SocketAddr::new(*ip, target.port)],
        (None, Host::Name(name)) => {
            let addresses = look_up(caller, name, target.port, deadline).await?;
            permit_addresses(&addresses, &client.own).map_err(Failed::Refused)?;
            addresses
        }
    };
    let stream = dial(client, &addresses, deadline).await?;
    let shaken = timeout_at(deadline, shake(client, target, stream, caller.tls.clone())).await;
    shaken.map_err(|_| OutboundError::ConnectTimeout)?.map_err(Failed::Error)
}

async fn look_up(caller: &Caller, name: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, OutboundError> {
    let client = &caller.client;
    let asked = timeout_at(deadline, async {
        let own = Arc::clone(&caller.look_ups).acquire_owned().await.ok()?;
        let all = Arc::clone(&client.look_ups).acquire_owned().await.ok()?;
        let (network, name) = (Arc::clone(&client.network), name.to_owned());
        let (tell, told) = oneshot::channel();
        // The system's look-up holds a thread until it ends, whoever still waits for it; so it keeps its places until then.
        client.tasks.serve_aside("look-up", async move {
            let _ = tell.send(network.resolve(&name, port).await);
            drop((own, all));
        });
        told.await.ok()?.ok()
    });
    match asked.await {
        Err(_) => Err(OutboundError::DnsTimeout),
        Ok(Some(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(OutboundError::Dns),
    }
}

/// Connects to one address after the other, each with a fair part of the time that is left.
async fn dial(client: &Client, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, OutboundError> {
    let tried = addresses.len().min(MAX_TRIED);
    let mut failed = None;
    for (index, address) in addresses.iter().take(tried).enumerate() {
        let now = Instant::now();
        let left = u32::try_from(tried - index).unwrap_or(1);
        let part = now + deadline.saturating_duration_since(now) / left;
        let error = match timeout_at(part, client.network.dial(*address)).await {
            Ok(Ok(stream)) => {
                // Without it small requests wait for the peer's acknowledgement.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => of_connect(&error),
            Err(_) => OutboundError::ConnectTimeout,
        };
        failed = failed.or(Some(error));
    }
    Err(failed.unwrap_or(OutboundError::Dns))
}

fn of_connect(error: &io::Error) -> OutboundError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => OutboundError::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => OutboundError::Terminated,
        io::ErrorKind::TimedOut => OutboundError::ConnectTimeout,
        _ => OutboundError::Unavailable,
    }
}

async fn shake(client: &Client, target: &Target, stream: TcpStream, tls: Option<Arc<ClientConfig>>) -> Result<Sender, OutboundError> {
    match (target.scheme, tls) {
        (OutboundScheme::Http, _) => h1(client, stream).await,
        (OutboundScheme::Https, None) => Err(OutboundError::Tls),
        (OutboundScheme::Https, Some(config)) => {
            let name = match &target.host {
                Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| OutboundError::Tls)?,
                Host::Address(address) => ServerName::IpAddress((*address).into()),
            };
            let stream = TlsConnector::from(config)
                .connect(name, stream)
                .await
                .map_err(|error| of_tls(&error))?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                h2(client, stream).await
            } else {
                h1(client, stream).await
            }
        }
    }
}

fn of_tls(error: &io::Error) -> OutboundError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => OutboundError::Certificate,
        Some(rustls::Error::AlertReceived(_)) => OutboundError::Alert,
        Some(_) => OutboundError::Tls,
        None => OutboundError::Terminated,
    }
}

async fn h1(client: &Client, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, OutboundError> {
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_FIELDS).max_buf_size(MAX_FIELD_BYTES as usize);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| OutboundError::Terminated)?;
    client.tasks.serve_aside("call out", async move {
        // What it ended by, the request that was on it has been told.
        let _ = connection.await;
    });
    Ok(Sender::H1(sender))
}

async fn h2(client: &Client, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, OutboundError> {
    let (sender, connection) = http2::Builder::new(client.tasks.aside())
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_FIELD_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| OutboundError::Terminated)?;
    client.tasks.serve_aside("call out", async move {
        let _ = connection.await;
    });
    Ok(Sender::H2(sender))
}
