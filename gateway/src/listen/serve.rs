//! One connection's life: which HTTP, its limits, its deadlines, its end.

use super::{
    Caller, Peer, Terms,
    bare::{Named, Quiet},
    stall::Stall,
};
use crate::{edge, gate::Gate, metrics::Metrics};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_rustls::server::TlsStream;
use tollgate_config::{manifest::Protocol, pattern::Host};

/// From accept (or the handshake's end) to the first request's whole head. hyper waits for ever for an HTTP/2 preface and header
/// block (hyper#4172, h2#928), and with it a drain.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// Between requests, and for a later head of HTTP/1.1, whose clock hyper starts when the answer before it has ended. What reverse proxies use.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// A write that makes no progress for so long is given up; and an answer is over so long after its worker must be.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// How often a connection's answers are looked at. HTTP/2 flow control lets a client hold an answer while its socket makes progress (it grants no
/// window and answers pings), and hyper does not poll a body that has no window: nothing but a look from outside ends that.
const PATROL: Duration = Duration::from_secs(5);

/// After a connection was asked to end because it was idle.
const GOODBYE: Duration = Duration::from_secs(2);

/// Read buffer of HTTP/1.1: holds the longest target that hyper itself can refuse with 414 (65,534 bytes), and our own limits well.
const H1_BUFFER: usize = 128 * 1024;

/// Streams at once on one HTTP/2 connection; RFC 9113 6.5.2 asks for 100 at least.
const H2_STREAMS: u32 = 128;

/// Rapid reset (CVE-2023-44487): streams that were reset before we took them.
const H2_PENDING_RESETS: usize = 20;

/// MadeYouReset (CVE-2025-8671): streams that a peer's errors made us reset. A client in order causes none.
const H2_ERROR_RESETS: usize = 128;

/// Eight times what a request may have, so that one over the limit gets our 431 with its id and its count. Beyond it h2 answers a bare 431 of
/// its own.
const H2_HEADER_LIST: u32 = 8 * edge::head::MAX_FIELD_BYTES as u32;

/// Twice what a request may have, for the same reason.
const H1_FIELDS: usize = 2 * edge::head::MAX_FIELDS;

/// An answer's bytes that wait for a slow stream.
const H2_SEND_BUFFER: usize = 256 * 1024;

/// A silent HTTP/2 peer is asked whether it lives, and has as long to say so.
const H2_PING: Duration = Duration::from_secs(20);

/// What goes on at a connection, seen from its requests.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    running: AtomicUsize,
    begun: AtomicU64,
    /// Answers on their way, by when they must be over.
    due: Mutex<BTreeSet<Due>>,
    answers: AtomicU64,
}

/// When an answer must be over, and a number that tells apart those of one instant.
pub(crate) type Due = (Instant, u64);

impl Activity {
    /// A request begins.
    pub(crate) fn enter(&self) {
        self.begun.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
    }

    /// A request's answer goes out; its worker may still use this much time.
    pub(crate) fn answering(&self, wall: Duration) -> Due {
        let due = (Instant::now() + wall + STALL, self.answers.fetch_add(1, Relaxed));
        self.due().insert(due);
        due
    }

    /// A request has ended.
    pub(crate) fn leave(&self, due: Option<Due>) {
        if let Some(due) = due {
            self.due().remove(&due);
        }
        self.running.fetch_sub(1, Relaxed);
    }

    /// Whether the client holds an answer longer than it may; while the gateway stops, it has [`GOODBYE`] instead of [`STALL`].
    fn is_overdue(&self, now: Instant, leaving: bool) -> bool {
        let spared = if leaving { STALL - GOODBYE } else { Duration::ZERO };
        self.due().first().is_some_and(|(due, _)| *due <= now + spared)
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BTreeSet<Due>> {
        // The set is whole after every statement.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a connection without TLS: HTTP/1.1, or HTTP/2 by prior knowledge.
pub(crate) async fn plain(stream: TcpStream, caller: Caller, terms: &Terms, gate: &Arc<Gate>) {
    let version = match (terms.speaks(Protocol::H1), terms.speaks(Protocol::H2)) {
        (true, true) => Version::Either,
        (false, true) => Version::H2,
        _ => Version::H1,
    };
    serve(stream, version, gate, |activity| Peer {
        address: caller.address,
        proxy: caller.proxy,
        tls: false,
        server_name: None,
        trusted: caller.trusted,
        activity,
    })
    .await;
}

/// Serves a connection with TLS: the protocol that ALPN chose, HTTP/1.1 when it chose none.
pub(crate) async fn encrypted(stream: TlsStream<TcpStream>, caller: Caller, terms: &Terms, gate: &Arc<Gate>) {
    let (_, session) = stream.get_ref();
    let version = match session.alpn_protocol() {
        Some(b"h2") => Version::H2,
        _ if terms.speaks(Protocol::H1) => Version::H1,
        // RFC 9113 3.2: HTTP/2 over TLS is chosen by ALPN or not at all.
        _ => return gate.metrics.connection_error("no_common_protocol"),
    };
    let server_name = session.server_name().map(|name| Host::parse(name).ok());
    serve(stream, version, gate, |activity| Peer {
        address: caller.address,
        proxy: caller.proxy,
        tls: true,
        server_name,
        trusted: caller.trusted,
        activity,
    })
    .await;
}

/// A connection as [`Named`] sees it.
struct Connection {
    peer: Arc<Peer>,
    gate: Arc<Gate>,
}

impl Quiet for Connection {
    fn is_quiet(&self) -> bool {
        self.peer.activity.running.load(Relaxed) == 0
    }

    fn metrics(&self) -> &Metrics {
        &self.gate.metrics
    }
}

enum Version {
    H1,
    H2,
    Either,
}

async fn serve<T>(stream: T, version: Version, gate: &Arc<Gate>, peer: impl FnOnce(Activity) -> Peer)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = Arc::new(peer(Activity::default()));
    let quiet = Arc::new(Connection {
        peer: peer.clone(),
        gate: gate.clone(),
    });
    let service = service_fn(|request| edge::answer(gate.clone(), peer.clone(), request));
    let builder = builder(gate);
    let builder = match version {
        Version::H1 => builder.http1_only(),
        Version::H2 => builder.http2_only(),
        Version::Either => builder,
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Named::new(Stall::new(stream, STALL), quiet)), service));
    let stopping = gate.tasks.stopping();
    let mut leaving = false;
    let mut seen = 0;
    let mut look_again = Instant::now() + FIRST_REQUEST;
    let mut patrol = Instant::now() + PATROL;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    gate.metrics.connection_error("http");
                    tracing::debug!(address = %peer.address, %error, "a connection ended by an error");
                }
                return;
            }
            () = stopping.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
                // Who has sent nothing has nothing to finish: hyper would wait for its preface.
                if peer.activity.begun.load(Relaxed) == 0 {
                    return;
                }
                patrol = Instant::now() + GOODBYE;
            }
            () = sleep_until(patrol) => {
                if peer.activity.is_overdue(Instant::now(), leaving) {
                    gate.metrics.connection_error("answer_not_read");
                    return;
                }
                patrol = Instant::now() + PATROL;
            }
            () = sleep_until(look_again) => {
                let begun = peer.activity.begun.load(Relaxed);
                let quiet = peer.activity.running.load(Relaxed) == 0 && begun == seen;
                if quiet && (begun == 0 || leaving) {
                    gate.metrics.connection_error(if begun == 0 { "no_request" } else { "idle" });
                    return;
                }
                if quiet {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                seen = begun;
                look_again = Instant::now() + if leaving { GOODBYE } else { IDLE };
            }
        }
    }
}

/// Every limit of the protocols in one place. Timers are always set: without one hyper's deadlines are silently off.
fn builder(gate: &Gate) -> auto::Builder<crate::tasks::Tasks> {
    let mut builder = auto::Builder::new(gate.tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(H1_BUFFER)
        .max_headers(H1_FIELDS)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_ERROR_RESETS)
        .max_header_list_size(H2_HEADER_LIST)
        .max_send_buf_size(H2_SEND_BUFFER)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    builder
}
