//! Which of a caller's headers a worker sees.

use crate::{edge::head::Head, hop, identity::X_GREENTIC_TENANT, listen::Peer, request_id::RequestId, respond::X_REQUEST_ID};
use http::{HeaderMap, HeaderName, header};

/// What the gateway says to workers.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("tollgate-tenant");
/// The environment.
pub(crate) const ENVIRONMENT: HeaderName = HeaderName::from_static("tollgate-environment");
/// The endpoint.
pub(crate) const ENDPOINT: HeaderName = HeaderName::from_static("tollgate-endpoint");
/// The provider.
pub(crate) const PROVIDER: HeaderName = HeaderName::from_static("tollgate-provider");
/// The provider's id of the event.
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("tollgate-event-id");
/// The conversation.
pub(crate) const SESSION_KEY: HeaderName = HeaderName::from_static("tollgate-session-key");
/// The revision that runs.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("tollgate-revision");
/// How often this delivery has been tried, from 1.
pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("tollgate-attempt");

/// Only the gateway says what begins so.
const OURS: &str = "tollgate-";

/// A head as workers may see it, with the request's id. What is verified is verified before this.
pub(crate) fn prepare(mut head: Head, peer: &Peer, id: &RequestId) -> Head {
    scrub(&mut head.headers, peer.trusted);
    head.headers.insert(X_REQUEST_ID, id.header());
    head
}

/// Removes what is not the caller's to say: hop-by-hop headers, those that `Connection` names, `tollgate-*`, and from peers that
/// are no trusted proxies `Forwarded`, `X-Forwarded-*` and `X-Greentic-Tenant`.
pub(crate) fn scrub(headers: &mut HeaderMap, trusted: bool) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
            // RFC 9110 7.6.1: a sender must not name fields that are for the end; a forger would name these to have them dropped
            // (CVE-2022-31813).
            .filter(|name| !is_for_the_end(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    hop::scrub(headers);
    let foreign = |name: &HeaderName| {
        // A worker that makes variables of headers, as CGI does, cannot tell `_` from `-`.
        let name = name.as_str().replace('_', "-");
        name.starts_with(OURS) || name == "http2-settings" || !trusted && is_a_proxys(&name)
    };
    let forged: Vec<HeaderName> = headers.keys().filter(|name| foreign(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Whether only a trusted proxy says this.
fn is_a_proxys(name: &str) -> bool {
    name == "forwarded" || name.starts_with("x-forwarded-") || name == X_GREENTIC_TENANT.as_str()
}

/// Whether a field is for the worker, so that no connection option removes it: what frames and types the body, who the caller is, where it came from,
/// and what the gateway has just written.
fn is_for_the_end(name: &HeaderName) -> bool {
    const NAMES: [&str; 10] = [
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "host",
        "traceparent",
        "tracestate",
        "x-request-id",
    ];
    NAMES.contains(&name.as_str()) || is_a_proxys(name.as_str())
}

/// Removes from an answer what is about the worker's own connection, which there is none of.
pub(crate) fn scrub_answer(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_worker_sees_what_the_caller_may_say() {
        let seen = |trusted: bool| {
            let mut headers: HeaderMap = [
                ("host", "a"),
                (
                    "connection",
                    "close, X-Hop, content-length, X-Forwarded-For, traceparent, X-Greentic-Tenant",
                ),
                ("x-hop", "1"),
                ("content-length", "3"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAA"),
                ("expect", "100-continue"),
                ("tollgate-tenant", "evil"),
                ("tollgate-anything", "evil"),
                ("tollgate_tenant", "evil"),
                ("x_forwarded_host", "evil"),
                ("x-greentic-tenant", "acme"),
                ("x_greentic_tenant", "evil"),
                ("traceparent", "00"),
                ("forwarded", "for=1.2.3.4"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-kept", "yes"),
            ]
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
            headers.append("tollgate-tenant", HeaderValue::from_static("evil too"));
            scrub(&mut headers, trusted);
            let mut names: Vec<String> = headers.keys().map(|name| name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(seen(false), ["content-length", "traceparent", "x-kept"]);
        assert_eq!(
            seen(true),
            [
                "content-length",
                "forwarded",
                "traceparent",
                "x-forwarded-for",
                "x-greentic-tenant",
                "x-kept",
                "x_forwarded_host",
                "x_greentic_tenant"
            ]
        );
    }
}
