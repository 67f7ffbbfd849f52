//! A request's head: what every request must be before it is looked at.

use super::{
    authority::{self, Target},
    body::Inbound,
};
use crate::{access::Entry, identity::Said, listen::Peer, respond::Refused, snapshot::Snapshot, tasks::Tasks};
use http::{
    HeaderMap, HeaderName, Method, Request, Version,
    header::{HOST, HeaderValue},
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Incoming;
use tollgate_config::pattern::Host;

/// Longest target in bytes, 414 above. RFC 9110 4.1 asks for 8,000 at least.
pub(crate) const MAX_TARGET: usize = 8 * 1024;

/// Most header fields, 431 above. A hundred is what hyper's HTTP/1.1 reader holds without the heap, and twice what the largest provider sends.
pub(crate) const MAX_FIELDS: usize = 100;

/// Most bytes of header fields, names and values, 431 above. What a worker's copy may cost.
pub(crate) const MAX_FIELD_BYTES: usize = 32 * 1024;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A head that keeps all limits and names one host.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The method; never CONNECT.
    pub(crate) method: Method,
    /// Starts with `/`.
    pub(crate) path: PathAndQuery,
    /// As the caller wrote it, port and all.
    pub(crate) authority: Authority,
    /// For routing.
    pub(crate) host: Host,
    /// The true scheme: of the connection, or what a trusted proxy says.
    pub(crate) scheme: Scheme,
    /// All fields as they came.
    pub(crate) headers: HeaderMap,
}

/// A refusal at the head, with what is needed to charge the endpoint that it was meant for.
#[derive(Debug)]
pub(crate) struct Rejected {
    refused: Refused,
    parts: Box<Parts>,
}

impl Rejected {
    /// Charges the endpoint at the request's host and path, if these can be read.
    pub(crate) fn charge(&self, snapshot: &Snapshot, peer: &Peer, entry: &mut Entry) {
        let said = Said::by(&self.parts.headers, peer.trusted);
        if let Ok(target) = target(&self.parts)
            && let Some(endpoint) = snapshot.routes.endpoint(target.host.as_str(), self.parts.uri.path(), said)
        {
            entry.charged_to(endpoint);
        }
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        rejected.refused
    }
}

/// Checks a request's head and takes its body in hand.
///
/// # Errors
/// 414, 431, 400, 421. The body is drained then, as [`Inbound`] does.
pub(crate) fn accept(request: Request<Incoming>, peer: &Peer, tasks: &Tasks) -> Result<(Head, Inbound), Rejected> {
    let (parts, body) = request.into_parts();
    let body = Inbound::new(body, &parts.headers, tasks);
    match check(&parts, peer) {
        Err(refused) => Err(Rejected {
            refused,
            parts: Box::new(parts),
        }),
        Ok((Target { authority, host }, path)) => {
            let scheme = scheme(&parts.headers, peer);
            Ok((
                Head {
                    method: parts.method,
                    path,
                    authority,
                    host,
                    scheme,
                    headers: parts.headers,
                },
                body,
            ))
        }
    }
}

fn check(parts: &Parts, peer: &Peer) -> Result<(Target, PathAndQuery), Refused> {
    if parts.uri.path_and_query().map_or(0, |path| path.as_str().len()) > MAX_TARGET {
        return Err(Refused::UriTooLong);
    }
    if parts.headers.len() > MAX_FIELDS
        || parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>()
            > MAX_FIELD_BYTES
    {
        return Err(Refused::HeadersTooLarge);
    }
    if parts.method == Method::CONNECT {
        // RFC 9110 9.3.6: an origin server that opens no tunnels.
        return Err(Refused::BadTarget("CONNECT"));
    }
    // `*` and authority-form have no path that starts with a slash.
    let path = parts
        .uri
        .path_and_query()
        .filter(|path| path.path().starts_with('/'))
        .cloned()
        .ok_or(Refused::BadTarget("no path"))?;
    if parts
        .uri
        .scheme()
        .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
    {
        return Err(Refused::BadTarget("a scheme that is not HTTP's"));
    }
    let target = target(parts)?;
    // RFC 9110 7.4: a client that asked TLS for one host and HTTP for another has the wrong connection.
    if peer.server_name.as_ref().is_some_and(|name| name.as_ref() != Some(&target.host)) {
        return Err(Refused::Misdirected);
    }
    Ok((target, path))
}

/// The one host that a request is for. RFC 9112 3.2: none, two, or a malformed one is a 400; so is one that contradicts the target, for which RFC 9112
/// 3.2.2 would have the target win: a proxy before us may have read the other.
fn target(parts: &Parts) -> Result<Target, Refused> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refused::BadHost("two Host fields"));
    }
    let parse = |text: &[u8]| authority::parse(text).map_err(Refused::BadHost);
    match (parts.uri.authority(), host) {
        (None, None) => Err(Refused::BadHost("no Host")),
        (None, Some(host)) => parse(host.as_bytes()),
        // RFC 9113 8.3.1: with `:authority`, Host may be missing.
        (Some(target), None) if parts.version >= Version::HTTP_2 => parse(target.as_str().as_bytes()),
        (Some(_), None) => Err(Refused::BadHost("no Host")),
        (Some(target), Some(host)) => {
            let (target, host) = (parse(target.as_str().as_bytes())?, parse(host.as_bytes())?);
            let same = target.host == host.host && target.authority.port() == host.authority.port();
            if same {
                Ok(target)
            } else {
                Err(Refused::BadHost("a Host that contradicts the target"))
            }
        }
    }
}

fn scheme(headers: &HeaderMap, peer: &Peer) -> Scheme {
    let said = if peer.trusted {
        headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes)
    } else {
        None
    };
    match said {
        Some(said) if said.eq_ignore_ascii_case(b"https") => Scheme::HTTPS,
        Some(said) if said.eq_ignore_ascii_case(b"http") => Scheme::HTTP,
        _ if peer.tls => Scheme::HTTPS,
        _ => Scheme::HTTP,
    }
}

#[cfg(test)]
mod tests;
