//! The operator's own listener: probes, status, metrics.
//!
//! Probes and status need no token. The rest needs the bearer token; without one set, only a caller on this machine is heard, and only under a
//! loopback name: a web page that has rebound its own name to 127.0.0.1 comes with that name (DNS rebinding).

use crate::{
    edge::authority,
    gate::Gate,
    listen::bare::{Named, Quiet},
    metrics::{self, Metrics},
    request_id::{self, RequestId},
    respond::X_REQUEST_ID,
    snapshot::State,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use subtle::ConstantTimeEq;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tollgate_config::{EnvId, RevisionId};
use tollgate_host::Refusal;
use zeroize::Zeroizing;

/// Connections at once: an operator, a scraper and a few probes, sixteen times over.
const MAX_CONNECTIONS: usize = 64;

/// For a request's head, and between two requests.
const HEAD: Duration = Duration::from_secs(30);

/// Read buffer; no request here has a body or a long head.
const BUFFER: usize = 16 * 1024;

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Deliveries of accounts that no tenant lists, the newest first.
const UNKNOWN_ACCOUNTS: &str = "/admin/unknown-accounts";

/// The listener's parts.
pub(crate) struct Admin {
    gate: Arc<Gate>,
    environment: EnvId,
    /// SHA-256 of the token: comparing hashes takes the same time for every guess, of any length.
    token: Option<[u8; 32]>,
}

/// Every answer of the admin listener's own has an id, so those without one are hyper's.
struct Bare(Arc<Gate>);

impl Quiet for Bare {
    fn is_quiet(&self) -> bool {
        true
    }

    fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

impl Admin {
    /// With this token, or for loopback only.
    pub(crate) fn new(gate: Arc<Gate>, environment: EnvId, token: Option<Zeroizing<Vec<u8>>>) -> Arc<Self> {
        Arc::new(Self {
            gate,
            environment,
            token: token.map(|token| Sha256::digest(&*token).into()),
        })
    }

    /// Serves until the gateway is cut off: probes are answered while it drains.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let admin = self.clone();
                    self.gate.tasks.serve_aside("admin connection", async move {
                        admin.connection(stream, peer).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(peer, &request)));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
        if let Err(error) =
            pin!(builder.serve_connection(TokioIo::new(Named::new(stream, Arc::new(Bare(self.gate.clone())))), service)).await
        {
            tracing::debug!(%peer, %error, "an admin connection ended by an error");
        }
    }

    fn answer<B>(&self, peer: SocketAddr, request: &Request<B>) -> Response<Full<Bytes>> {
        let mut response = self.route(peer, request);
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, RequestId::from_number(request_id::draw()).header());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn route<B>(&self, peer: SocketAddr, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if !matches!(path, "/livez" | "/readyz" | "/healthz" | "/status" | "/metrics" | UNKNOWN_ACCOUNTS) {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" | "/healthz" => self.ready(),
            "/status" => self.status(),
            _ => self.guarded(peer, request),
        }
    }

    fn guarded<B>(&self, peer: SocketAddr, request: &Request<B>) -> Response<Full<Bytes>> {
        match &self.token {
            Some(token) if !bearer(request).is_some_and(|given| bool::from(Sha256::digest(given).as_slice().ct_eq(token))) => {
                let mut response = text(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            None if !(peer.ip().to_canonical().is_loopback() && is_local(request)) => {
                text(StatusCode::FORBIDDEN, "without a token only loopback is heard\n")
            }
            _ if request.uri().path() == UNKNOWN_ACCOUNTS => {
                answer(StatusCode::OK, "application/json", format!("{}\n", self.gate.strays.shown()))
            }
            _ => match metrics::render(&self.gate) {
                Ok(body) => answer(StatusCode::OK, METRICS_TYPE, body),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n")
                }
            },
        }
    }

    /// True readiness: every weighted revision is ready, and nothing is ending.
    fn ready(&self) -> Response<Full<Bytes>> {
        let snapshot = self.gate.snapshot();
        if self.gate.tasks.is_stopping() {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else if !snapshot.complete {
            text(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
        } else if snapshot.is_ready() {
            text(StatusCode::OK, "ok\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, "a revision has failed: see /status\n")
        }
    }

    fn status(&self) -> Response<Full<Bytes>> {
        let snapshot = self.gate.snapshot();
        let deployments: Vec<_> = snapshot
            .deployments
            .iter()
            .map(|deployment| {
                let (state, revision, digest, snapshot, loaded) = match &deployment.state {
                    State::Ready(loaded) => {
                        let snapshot = loaded.revision.snapshot().map_or_else(Refusal::code, |()| "taken");
                        (
                            "ready",
                            Some(&loaded.id),
                            Some(&loaded.digest),
                            Some(snapshot),
                            loaded.revision.is_loaded(),
                        )
                    }
                    // Why is in the log, not here: this page needs no token.
                    State::Failed { revision } => ("failed", revision.as_ref(), None, None, false),
                };
                json!({
                    "id": deployment.id.as_str(),
                    "tenant": deployment.tenant.tenant_id.as_str(),
                    "state": state,
                    "revision": revision.map(RevisionId::as_str),
                    "pack": digest,
                    "snapshot": snapshot,
                    "in_memory": loaded,
                })
            })
            .collect();
        let status = json!({
            "environment": self.environment.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "ready": snapshot.is_ready() && !self.gate.tasks.is_stopping(),
            "draining": self.gate.tasks.is_stopping(),
            "deployments": deployments,
        });
        answer(StatusCode::OK, "application/json", format!("{status}\n"))
    }
}

/// RFC 6750 2.1: the scheme's name is case-insensitive.
fn bearer<B>(request: &Request<B>) -> Option<&[u8]> {
    let mut all = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn is_local<B>(request: &Request<B>) -> bool {
    let mut all = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else {
        return false;
    };
    let Ok(target) = authority::parse(host.as_bytes()) else {
        return false;
    };
    let host = target.host.as_str();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for (host, local) in [
            ("localhost", true),
            ("LOCALHOST:9901", true),
            ("127.0.0.1:9901", true),
            ("127.9.9.9", true),
            ("[::1]:9901", true),
            ("[::ffff:127.0.0.1]", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
            ("localhost@evil", false),
        ] {
            let request = Request::builder().header(HOST, host).body(()).unwrap();
            assert_eq!(is_local(&request), local, "{host}");
        }
        assert!(!is_local(&Request::new(())));
        let two = Request::builder()
            .header(HOST, "localhost")
            .header(HOST, "localhost")
            .body(())
            .unwrap();
        assert!(!is_local(&two));
    }

    #[test]
    fn a_bearer_token_is_read_from_one_header() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("", None),
        ] {
            let request = Request::builder().header(AUTHORIZATION, value).body(()).unwrap();
            assert_eq!(bearer(&request), token.map(str::as_bytes), "{value:?}");
        }
    }
}
