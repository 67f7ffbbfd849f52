//! What `hello` costs without a sandbox and without a gateway: the same HTTP library, behind the same TLS, answers by itself.
//!
//! `native FOLDER` listens on three free ports of the loopback, for HTTP/1.1, for h2 without TLS and for both behind TLS, and says which in one line
//! of JSON. FOLDER gets the certificate that it made for itself as `native.pem` and `native.key`, for peers that cannot make one.
#![forbid(unsafe_code)]

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{convert::Infallible, fs, future::Future, io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// As a client offers it.
const H2: &[u8] = b"h2";
/// Who the certificate is for.
const NAME: &str = "hello.localhost";

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever starts it reads there where it listens")]
async fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("say a folder for the certificate, as `native target`"))?;
    let tls = TlsAcceptor::from(Arc::new(tls(&folder).map_err(io::Error::other)?));
    let [plain, h2c, secured] = [listener().await?, listener().await?, listener().await?];
    println!(
        r#"{{"h1":"{}","h2c":"{}","tls":"{}"}}"#,
        plain.local_addr()?,
        h2c.local_addr()?,
        secured.local_addr()?
    );
    tokio::try_join!(
        accept(plain, http1),
        accept(h2c, http2),
        accept(secured, move |stream| shake_hands(tls.clone(), stream))
    )?;
    Ok(())
}

async fn listener() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// The gateway's settings: the same versions and ciphers, tickets, and a certificate with a P-256 key.
fn tls(folder: &std::path::Path) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    fs::write(folder.join("native.pem"), made.cert.pem())?;
    fs::write(folder.join("native.key"), made.signing_key.serialize_pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Gives each connection a task of its own.
async fn accept<F: Future<Output = ()> + Send + 'static>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) {
    // A client that cannot shake hands shows at the load generator.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(H2) {
        http2(stream).await;
    } else {
        http1(stream).await;
    }
}

// The load generator hangs up when it is done: how a connection ends says nothing.

async fn http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let mut builder = http1::Builder::new();
    let served = builder
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service_fn(hello));
    drop(served.await);
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let served = builder
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service_fn(hello));
    drop(served.await);
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let asked = request.uri().path_and_query().map_or("", |path| path.as_str());
    Ok(Response::new(Full::new(Bytes::from(format!("hello {asked}")))))
}
