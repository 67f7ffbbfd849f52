//! One POST over HTTP/1.1, with a deadline on every step.

use super::target::Target;
use crate::cli::report::Failure;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tollgate_ingress::sign::Signed;

/// For a look-up, a TCP and a TLS handshake: what browsers wait at most before they try another way.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// For the whole answer: longer than the longest that a provider waits (Standard Webhooks' 30 s at most).
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// Largest answer that is shown, in bytes; a webhook's is a line.
const MAX_ANSWER: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) time: Duration,
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
    pub(super) request_id: Option<String>,
}

/// Connects, sends, reads the answer. The time is that of the whole way.
pub(super) async fn post(target: &Target, tls: Option<Arc<ClientConfig>>, signed: Signed) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let mut refused = false;
    let connecting = async {
        let connected = connect(target).await;
        connected.inspect_err(|error| refused = error.kind() == io::ErrorKind::ConnectionRefused)
    };
    let connected = within("connect", CONNECT_DEADLINE, connecting).await;
    let tcp = connected.map_err(|failure| {
        if refused {
            failure.advise("is the gateway running at that address?")
        } else {
            failure
        }
    })?;
    match tls {
        None => exchange(target, tcp, signed, begun).await,
        Some(config) => {
            let name =
                ServerName::try_from(target.host.clone()).map_err(|_| Failure::usage("--url: the host is no name that TLS knows"))?;
            let mut advice = "for a certificate that you made yourself, name it with --ca";
            let connecting = async {
                let connected = TlsConnector::from(config).connect(name, tcp).await;
                connected.inspect_err(|error| {
                    if is_another_name(error) {
                        advice = "call it by a name that its certificate has";
                    }
                })
            };
            let connected = within("tls", CONNECT_DEADLINE, connecting).await;
            let stream = connected.map_err(|failure| failure.advise(advice))?;
            exchange(target, stream, signed, begun).await
        }
    }
}

/// Whether a certificate is believed, and has another name.
fn is_another_name(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ))
    )
}

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match target.known_addresses() {
        Some(known) => known,
        None => lookup_host((target.host.as_str(), target.port)).await?.collect(),
    };
    let mut failed = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
            // The first is told: it is the address that people expect.
            Err(error) => failed = failed.or_else(|| Some(io::Error::new(error.kind(), format!("{address}: {error}")))),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

async fn exchange<S>(target: &Target, stream: S, signed: Signed, begun: Instant) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = within("http", CONNECT_DEADLINE, http1::handshake(TokioIo::new(stream))).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Full::new(Bytes::from(signed.body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target
        .path_and_query
        .parse()
        .map_err(|_| Failure::usage("--url: no path that HTTP can carry"))?;
    *request.headers_mut() = signed.headers;
    let host = HeaderValue::from_str(&target.authority).map_err(|_| Failure::usage("--url: no host that HTTP can carry"))?;
    request.headers_mut().insert(HOST, host);
    let answering = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let request_id = response
            .headers()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let (body, truncated) = read(response.into_body()).await?;
        Ok::<_, hyper::Error>(Answer {
            status,
            time: begun.elapsed(),
            body,
            truncated,
            request_id,
        })
    };
    let mut unreadable = false;
    let answering = async { answering.await.inspect_err(|error| unreadable = error.is_parse()) };
    let answer = within("http", ANSWER_DEADLINE, answering).await;
    connection.abort();
    answer.map_err(|failure| {
        if unreadable {
            failure.advise("does this port speak HTTP/1.1? If it speaks TLS, the URL begins with https://")
        } else {
            failure
        }
    })
}

async fn read(mut body: Incoming) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        let room = MAX_ANSWER - bytes.len();
        bytes.extend(data.iter().take(room));
        if data.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

async fn within<T, E: std::error::Error>(
    kind: &'static str,
    limit: Duration,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(limit, step).await {
        Ok(done) => done.map_err(|error| Failure::chain(kind, &error)),
        Err(_) => Err(Failure::new(kind, format!("nothing for {} s", limit.as_secs()))),
    }
}
