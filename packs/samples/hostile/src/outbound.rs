//! Calls out, and tells what came of it: `status: N` with the first KiB of the body, or the error code's name as WIT spells it.

use wasip2::{
    http::{
        outgoing_handler,
        types::{ErrorCode, Fields, IncomingResponse, OutgoingRequest, Scheme},
    },
    io::streams::{InputStream, StreamError},
};

/// How much of the answer is shown, in bytes.
const SHOWN: usize = 1024;

/// Calls a URL as it stands in the query: raw, or percent-encoded as a whole.
pub fn call(url: &str, authorization: Option<&str>) -> String {
    let url = if url.contains("://") { url.into() } else { percent_decoded(url) };
    match request(&url, authorization).and_then(send) {
        Ok(response) => show(&response),
        Err(error) => describe(&error),
    }
}

/// The authority goes to the host exactly as it stands in the URL: what is odd about it is the host's to judge.
fn request(url: &str, authorization: Option<&str>) -> Result<OutgoingRequest, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    let fields = Fields::new();
    if let Some(value) = authorization {
        fields.append("authorization", value.as_bytes()).expect("a valid header");
    }
    let request = OutgoingRequest::new(fields);
    let set = request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&path)));
    set.map(|()| request).map_err(|()| ErrorCode::HttpRequestUriInvalid)
}

fn send(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    let response = outgoing_handler::handle(request, None)?;
    response.subscribe().block();
    response.get().expect("it is ready").expect("it is taken once")
}

fn show(response: &IncomingResponse) -> String {
    let body = response.consume().expect("the body is taken once");
    let bytes = first(&body.stream().expect("its stream is taken once"));
    format!("status: {}\n{}", response.status(), String::from_utf8_lossy(&bytes))
}

fn first(stream: &InputStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < SHOWN {
        match stream.blocking_read((SHOWN - bytes.len()) as u64) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                bytes.extend(format!("\nbroken off: {error}").bytes());
                break;
            }
        }
    }
    bytes
}

/// `NAME: DETAIL`, the name as the WIT of `wasi:http/types` spells it.
fn describe(error: &ErrorCode) -> String {
    let (name, detail) = match error {
        ErrorCode::DnsTimeout => ("DNS-timeout", None),
        ErrorCode::DnsError(payload) => ("DNS-error", Some(format!("{payload:?}"))),
        ErrorCode::DestinationNotFound => ("destination-not-found", None),
        ErrorCode::DestinationUnavailable => ("destination-unavailable", None),
        ErrorCode::DestinationIpProhibited => ("destination-IP-prohibited", None),
        ErrorCode::DestinationIpUnroutable => ("destination-IP-unroutable", None),
        ErrorCode::ConnectionRefused => ("connection-refused", None),
        ErrorCode::ConnectionTerminated => ("connection-terminated", None),
        ErrorCode::ConnectionTimeout => ("connection-timeout", None),
        ErrorCode::ConnectionReadTimeout => ("connection-read-timeout", None),
        ErrorCode::ConnectionWriteTimeout => ("connection-write-timeout", None),
        ErrorCode::ConnectionLimitReached => ("connection-limit-reached", None),
        ErrorCode::TlsProtocolError => ("TLS-protocol-error", None),
        ErrorCode::TlsCertificateError => ("TLS-certificate-error", None),
        ErrorCode::TlsAlertReceived(payload) => ("TLS-alert-received", Some(format!("{payload:?}"))),
        ErrorCode::HttpRequestDenied => ("HTTP-request-denied", None),
        ErrorCode::HttpRequestLengthRequired => ("HTTP-request-length-required", None),
        ErrorCode::HttpRequestBodySize(size) => ("HTTP-request-body-size", shown(size)),
        ErrorCode::HttpRequestMethodInvalid => ("HTTP-request-method-invalid", None),
        ErrorCode::HttpRequestUriInvalid => ("HTTP-request-URI-invalid", None),
        ErrorCode::HttpRequestUriTooLong => ("HTTP-request-URI-too-long", None),
        ErrorCode::HttpRequestHeaderSectionSize(size) => ("HTTP-request-header-section-size", shown(size)),
        ErrorCode::HttpRequestHeaderSize(field) => ("HTTP-request-header-size", shown(field)),
        ErrorCode::HttpRequestTrailerSectionSize(size) => ("HTTP-request-trailer-section-size", shown(size)),
        ErrorCode::HttpRequestTrailerSize(field) => ("HTTP-request-trailer-size", Some(format!("{field:?}"))),
        ErrorCode::HttpResponseIncomplete => ("HTTP-response-incomplete", None),
        ErrorCode::HttpResponseHeaderSectionSize(size) => ("HTTP-response-header-section-size", shown(size)),
        ErrorCode::HttpResponseHeaderSize(field) => ("HTTP-response-header-size", Some(format!("{field:?}"))),
        ErrorCode::HttpResponseBodySize(size) => ("HTTP-response-body-size", shown(size)),
        ErrorCode::HttpResponseTrailerSectionSize(size) => ("HTTP-response-trailer-section-size", shown(size)),
        ErrorCode::HttpResponseTrailerSize(field) => ("HTTP-response-trailer-size", Some(format!("{field:?}"))),
        ErrorCode::HttpResponseTransferCoding(coding) => ("HTTP-response-transfer-coding", coding.clone()),
        ErrorCode::HttpResponseContentCoding(coding) => ("HTTP-response-content-coding", coding.clone()),
        ErrorCode::HttpResponseTimeout => ("HTTP-response-timeout", None),
        ErrorCode::HttpUpgradeFailed => ("HTTP-upgrade-failed", None),
        ErrorCode::HttpProtocolError => ("HTTP-protocol-error", None),
        ErrorCode::LoopDetected => ("loop-detected", None),
        ErrorCode::ConfigurationError => ("configuration-error", None),
        ErrorCode::InternalError(text) => ("internal-error", text.clone()),
    };
    format!("{name}: {}", detail.unwrap_or_else(|| "no detail".into()))
}

fn shown<T: std::fmt::Debug>(detail: &Option<T>) -> Option<String> {
    detail.as_ref().map(|detail| format!("{detail:?}"))
}

/// Turns `%XX` into the byte; leaves alone what is no such triplet.
fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
