//! Calling out. The host has no client: what a worker sends goes to the [`Outbound`] of its revision, which decides what is granted, and
//! sends it. A revision without one may call nowhere.

use crate::body::{DropEmpty, Inward, Outward};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header::HeaderValue, uri::Scheme};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Largest piece of a body that a guest hands over at once.
const CHUNK: usize = 64 << 10;
/// Pieces that wait for the client; with [`CHUNK`], the host memory that one answer can hold: 512 KiB.
const CHUNKS: usize = 7;
/// Calls out of one call at once: twice what a worker asks that fans out to a handful of services.
pub const MAX_AT_ONCE: usize = 16;

/// What of the request that runs the worker goes on with what the worker sends: the trace, and who has passed it on.
const CARRIED: [HeaderName; 3] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("cdn-loop"),
];

/// Why a call out has no answer, or its body no end. Each is an `error-code` of `wasi:http/types`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// Not granted: `HTTP-request-denied`.
    #[error("the call out is not granted")]
    Denied,
    /// The address is one that may not be called: `destination-IP-prohibited`.
    #[error("the address may not be called")]
    AddressProhibited,
    /// It has been passed on by gateways too often: `loop-detected`.
    #[error("the call goes in a loop")]
    Loop,
    /// As many are under way as may: `connection-limit-reached`.
    #[error("too many calls out at once")]
    TooMany,
    /// The name has no address: `DNS-error`.
    #[error("the name has no address")]
    Dns,
    /// The look-up took too long: `DNS-timeout`.
    #[error("the look-up took too long")]
    DnsTimeout,
    /// Nobody listens there: `connection-refused`.
    #[error("nobody listens there")]
    Refused,
    /// No way to the address: `destination-unavailable`.
    #[error("no way leads there")]
    Unavailable,
    /// Connecting, the handshake included, took too long: `connection-timeout`.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The peer went away: `connection-terminated`.
    #[error("the peer went away")]
    Terminated,
    /// The peer sent nothing for too long: `connection-read-timeout`.
    #[error("the peer sent nothing for too long")]
    ReadTimeout,
    /// The worker's own time was up: `HTTP-response-timeout`.
    #[error("the worker's time was up")]
    Deadline,
    /// The TLS handshake failed: `TLS-protocol-error`.
    #[error("the TLS handshake failed")]
    Tls,
    /// The peer's certificate is not believed: `TLS-certificate-error`.
    #[error("the certificate is not believed")]
    Certificate,
    /// The peer ended the handshake: `TLS-alert-received`.
    #[error("the peer ended the TLS handshake")]
    Alert,
    /// The target is longer than the limit: `HTTP-request-URI-too-long`.
    #[error("the target is too long")]
    TargetTooLong,
    /// More header fields, or bytes of them, than the limit: `HTTP-request-header-section-size`.
    #[error("the request's header is over {0} bytes or has too many fields")]
    RequestHeader(u32),
    /// A body over the limit: `HTTP-request-body-size`.
    #[error("the request's body is over {0} bytes")]
    RequestBody(u64),
    /// The worker did not end its body as it promised: `internal-error`.
    #[error("the request's body is not whole")]
    RequestIncomplete,
    /// More header fields, or bytes of them, than the limit: `HTTP-response-header-section-size`.
    #[error("the answer's header is over {0} bytes or has too many fields")]
    ResponseHeader(u32),
    /// A body over the limit: `HTTP-response-body-size`.
    #[error("the answer's body is over {0} bytes")]
    ResponseBody(u64),
    /// The answer ended before its body did: `HTTP-response-incomplete`.
    #[error("the answer is not whole")]
    ResponseIncomplete,
    /// The peer changes the protocol: `HTTP-upgrade-failed`.
    #[error("the peer changes the protocol")]
    Upgrade,
    /// What came is no HTTP: `HTTP-protocol-error`.
    #[error("the peer breaks the protocol")]
    Protocol,
}

impl From<OutboundError> for Error {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Denied => Self::HttpRequestDenied,
            OutboundError::AddressProhibited => Self::DestinationIpProhibited,
            OutboundError::Loop => Self::LoopDetected,
            OutboundError::TooMany => Self::ConnectionLimitReached,
            OutboundError::Dns => Self::DnsError {
                rcode: None,
                info_code: None,
            },
            OutboundError::DnsTimeout => Self::DnsTimeout,
            OutboundError::Refused => Self::ConnectionRefused,
            OutboundError::Unavailable => Self::DestinationUnavailable,
            OutboundError::ConnectTimeout => Self::ConnectionTimeout,
            OutboundError::Terminated => Self::ConnectionTerminated,
            OutboundError::ReadTimeout => Self::ConnectionReadTimeout,
            OutboundError::Deadline => Self::HttpResponseTimeout,
            OutboundError::Tls => Self::TlsProtocolError,
            OutboundError::Certificate => Self::TlsCertificateError,
            OutboundError::Alert => Self::TlsAlertReceived {
                alert_id: None,
                alert_message: None,
            },
            OutboundError::TargetTooLong => Self::HttpRequestUriTooLong,
            OutboundError::RequestHeader(limit) => Self::HttpRequestHeaderSectionSize(Some(limit)),
            OutboundError::RequestBody(limit) => Self::HttpRequestBodySize(Some(limit)),
            OutboundError::RequestIncomplete => Self::InternalError(Some(error.to_string())),
            OutboundError::ResponseHeader(limit) => Self::HttpResponseHeaderSectionSize(Some(limit)),
            OutboundError::ResponseBody(limit) => Self::HttpResponseBodySize(Some(limit)),
            OutboundError::ResponseIncomplete => Self::HttpResponseIncomplete,
            OutboundError::Upgrade => Self::HttpUpgradeFailed,
            OutboundError::Protocol => Self::HttpProtocolError,
        }
    }
}

/// A body of a call out, either way.
pub type OutboundBody = UnsyncBoxBody<Bytes, OutboundError>;

/// What a worker sends.
#[derive(Debug)]
pub struct Outgoing {
    /// As the worker made it: an absolute URI, no `Host`, no empty DATA frames in its body. Nothing of it has been judged.
    pub request: http::Request<OutboundBody>,
    /// How long to wait for a connection, as the worker asks; the rest alike.
    pub connect: Option<Duration>,
    /// How long to wait for the answer's head.
    pub first_byte: Option<Duration>,
    /// How long to wait between two pieces of its body.
    pub between_bytes: Option<Duration>,
    /// The call that the worker runs in.
    pub origin: Arc<Origin>,
}

/// The call that a worker calls out from.
#[derive(Debug)]
pub struct Origin {
    /// The trace and the hops (`cdn-loop`) of the request that runs the worker.
    pub headers: HeaderMap,
    /// When the call ends, whatever happens.
    pub deadline: Instant,
    /// [`MAX_AT_ONCE`] places; whoever sends holds one until the answer's body has ended.
    pub places: Arc<Semaphore>,
}

/// The answer's head, with a body that brings the rest. Dropping either ends the call out.
pub type Sent = Pin<Box<dyn Future<Output = Result<http::Response<OutboundBody>, OutboundError>> + Send>>;

/// Sends what the workers of one deployment may send, and refuses the rest.
pub trait Outbound: Send + Sync {
    /// Whether anything is granted; where nothing is, calls remember nothing for it.
    fn is_open(&self) -> bool;

    /// Judges and sends.
    fn send(&self, outgoing: Outgoing) -> Sent;
}

/// One call's way out.
pub(crate) struct Exit {
    outbound: Option<Arc<dyn Outbound>>,
    origin: Option<Arc<Origin>>,
}

impl Exit {
    /// For a call of this request that ends at this time.
    pub(crate) fn new(outbound: Option<Arc<dyn Outbound>>, request: &HeaderMap, deadline: Instant) -> Self {
        let origin = outbound.as_ref().filter(|outbound| outbound.is_open()).map(|_| {
            let mut headers = HeaderMap::new();
            for name in CARRIED {
                for value in request.get_all(&name) {
                    headers.append(&name, HeaderValue::clone(value));
                }
            }
            origin(headers, deadline)
        });
        Self { outbound, origin }
    }

    /// Whether no call out is left of it: none under way, and no answer whose body has not ended.
    pub(crate) fn is_at_rest(&self) -> bool {
        // Whoever sends holds the origin until it has a place, and then the place.
        let is_alone = |origin: &Arc<Origin>| Arc::strong_count(origin) == 1 && Arc::strong_count(&origin.places) == 1;
        self.origin.as_ref().is_none_or(is_alone)
    }

    /// None: an instance between two calls calls nowhere.
    pub(crate) fn closed() -> Self {
        Self {
            outbound: None,
            origin: None,
        }
    }

    /// Hands a request to the judge of this revision.
    ///
    /// # Errors
    /// `Denied` when there is none; what the judge says comes with the answer.
    pub(crate) fn send(&mut self, request: http::Request<OutboundBody>, options: RequestOptions) -> Result<Sent, OutboundError> {
        let outbound = self.outbound.as_ref().ok_or(OutboundError::Denied)?;
        // Where nothing is granted, the origin is asked for by the first call out alone, to be refused.
        let origin = self.origin.get_or_insert_with(|| origin(HeaderMap::new(), Instant::now()));
        Ok(outbound.send(Outgoing {
            request,
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
            origin: Arc::clone(origin),
        }))
    }
}

fn origin(headers: HeaderMap, deadline: Instant) -> Arc<Origin> {
    Arc::new(Origin {
        headers,
        deadline,
        places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
    })
}

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Exit {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        // GHSA-f8mm-ggr3-89wh holds for a client's HTTP/2 as well.
        let request = request.map(|body| {
            DropEmpty(Outward(body))
                .map_err(|_| OutboundError::RequestIncomplete)
                .boxed_unsync()
        });
        let sent = match self.send(request, options.unwrap_or_default()) {
            Ok(sent) => sent,
            Err(error) => return Box::new(std::future::ready(Err(error.into()))),
        };
        Box::new(async move {
            let answer = sent.await?;
            let nothing: Sending = Box::new(std::future::ready(Ok(())));
            Ok((answer.map(|body| Inward::new(body.map_err(Error::from)).boxed_unsync()), nothing))
        })
    }

    /// Every scheme goes to the judge: one that is not granted is denied, and no error of the protocol.
    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        true
    }

    /// What is sent as `Host` is the client's to say.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    /// Of these one waits for the client, and one is on its way to it.
    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}
