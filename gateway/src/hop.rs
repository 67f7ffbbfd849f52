//! What is about one connection, and never passed on.

use http::{HeaderMap, HeaderName, header};

/// RFC 9110 7.6.1 and 7.8: of one connection; with `Host`, which the target says, and `Expect`, which nobody behind the gateway waits for.
const BY_HOP: [HeaderName; 12] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Removes it from a request, or from an answer that came in.
pub(crate) fn scrub(headers: &mut HeaderMap) {
    for name in &BY_HOP {
        headers.remove(name);
    }
}
