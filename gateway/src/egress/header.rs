//! The header of a call out: what is the connection's goes, what is the gateway's comes, secrets take the place of their names.

use super::{Refusal, target::Host, target::Target};
use http::{HeaderMap, HeaderName, header::HeaderValue};
use tollgate_config::{SecretName, pattern::OutboundScheme};
use tollgate_host::{OutboundError, Secrets};
use zeroize::Zeroizing;

/// Fields of a request, and of an answer: what a peer's server and ours take of anyone.
pub(crate) const MAX_FIELDS: usize = 100;
/// Bytes of names and values of a request, and of an answer.
pub(crate) const MAX_FIELD_BYTES: u32 = 64 << 10;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// RFC 8586: each gateway on the way adds its name.
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// Our name in `cdn-loop`: one for all gateways, so that a loop through several of them is one.
const OUR_NAME: &str = "tollgate";
/// How often a request may have been passed on by gateways when it calls out again: workers call workers, but not in such depth.
const MAX_HOPS: usize = 4;
/// Longest `cdn-loop` that is continued as it is, in bytes; of a longer one only our own hops are kept.
const MAX_LOOP_LEN: usize = 1024;

/// Continues the trace and the chain of gateways that the call came by. What the worker says of its own span stands; of the chain it says nothing.
///
/// # Errors
/// `Loop` when the call has come by too many gateways.
pub(crate) fn carry(headers: &mut HeaderMap, origin: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(TRACEPARENT) {
        headers.remove(TRACESTATE);
        for name in [TRACEPARENT, TRACESTATE] {
            for value in origin.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
    }
    let came_by: Vec<&str> = origin.get_all(CDN_LOOP).iter().filter_map(|value| value.to_str().ok()).collect();
    let hops = came_by
        .iter()
        .flat_map(|value| value.split(','))
        .filter(|hop| hop.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(OUR_NAME)))
        .count();
    if hops >= MAX_HOPS {
        return Err(Refusal::Loop);
    }
    let mut chain = came_by.join(", ");
    if chain.len() > MAX_LOOP_LEN {
        chain = vec![OUR_NAME; hops].join(", ");
    }
    if !chain.is_empty() {
        chain.push_str(", ");
    }
    chain.push_str(OUR_NAME);
    headers.insert(
        CDN_LOOP,
        HeaderValue::from_str(&chain).unwrap_or(HeaderValue::from_static(OUR_NAME)),
    );
    Ok(())
}

/// Whether a header keeps its limits.
pub(crate) fn fits(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers.len() <= MAX_FIELDS && bytes <= MAX_FIELD_BYTES as usize
}

/// Refuses a request's header that does not keep its limits.
///
/// # Errors
/// With the limit.
pub(crate) fn within_limits(headers: &HeaderMap) -> Result<(), OutboundError> {
    if fits(headers) {
        Ok(())
    } else {
        Err(OutboundError::RequestHeader(MAX_FIELD_BYTES))
    }
}

const SECRET: &[u8] = b"secret://";

/// Puts secrets where the worker named them: a value that is `secret://NAME`, or a scheme's word before it as in `Bearer secret://NAME`.
///
/// # Errors
/// `Secret` when the name is not granted, it stands within other text, or the secret would travel in plaintext by a network's names.
pub(crate) fn inject(headers: &mut HeaderMap, secrets: &Secrets, target: &Target) -> Result<(), Refusal> {
    for value in headers.values_mut() {
        let Some(at) = value.as_bytes().windows(SECRET.len()).position(|window| window == SECRET) else {
            continue;
        };
        let safe = target.scheme == OutboundScheme::Https || matches!(target.host, Host::Address(_));
        let (word, named) = value.as_bytes().split_at_checked(at).ok_or(Refusal::Secret)?;
        let name = named.get(SECRET.len()..).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.and_then(|name| SecretName::new(name).ok()).ok_or(Refusal::Secret)?;
        let secret = secrets.get(&name).filter(|_| safe && is_word(word)).ok_or(Refusal::Secret)?;
        // Room for all of it from the start: a vector that grows leaves copies behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(word.len() + secret.len()));
        whole.extend_from_slice(word);
        whole.extend_from_slice(secret);
        let mut filled = HeaderValue::from_bytes(&whole).map_err(|_| Refusal::Secret)?;
        // Never in a `Debug`, never in a table of HTTP/2 (RFC 7541 7.1.3).
        filled.set_sensitive(true);
        *value = filled;
    }
    Ok(())
}

/// Nothing, or a word and one space.
fn is_word(text: &[u8]) -> bool {
    match text.split_last() {
        None => true,
        Some((b' ', word)) => !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_secret_takes_the_place_of_its_name_where_it_may_go() {
        let secrets = Secrets::from([
            (SecretName::new("api_token").unwrap(), Zeroizing::new(b"hunter2".to_vec())),
            (SecretName::new("two-lines").unwrap(), Zeroizing::new(b"a\nb".to_vec())),
        ]);
        let (https, name, literal) = ("https://example.com/", "http://example.com/", "http://127.0.0.1:9000/");
        for (value, url, expected) in [
            ("secret://api_token", https, Ok("hunter2")),
            ("Bearer secret://api_token", https, Ok("Bearer hunter2")),
            ("Bearer secret://api_token", literal, Ok("Bearer hunter2")),
            ("Bearer secret://api_token", name, Err(Refusal::Secret)),
            ("secret://other", https, Err(Refusal::Secret)),
            ("secret://", https, Err(Refusal::Secret)),
            ("secret://api_token ", https, Err(Refusal::Secret)),
            ("secret://api_token/more", https, Err(Refusal::Secret)),
            ("a=secret://api_token", https, Err(Refusal::Secret)),
            ("a b secret://api_token", https, Err(Refusal::Secret)),
            (" secret://api_token", https, Err(Refusal::Secret)),
            ("secret://two-lines", https, Err(Refusal::Secret)),
            ("no secret", name, Ok("no secret")),
        ] {
            let mut headers = headers(&[("x-plain", "as it is"), ("authorization", value)]);
            let target = Target::of(&url.parse().unwrap()).unwrap();
            let filled = inject(&mut headers, &secrets, &target);
            let filled = filled.map(|()| headers.get("authorization").unwrap().to_str().unwrap().to_owned());
            assert_eq!(filled, expected.map(str::to_owned), "{value:?} to {url}");
            assert!(!format!("{headers:?}").contains("hunter2"), "{headers:?}");
        }
    }

    #[test]
    fn the_trace_goes_on_and_a_loop_ends() {
        let mut sent = headers(&[("tracestate", "mine=1"), ("cdn-loop", "forged")]);
        let origin = headers(&[
            ("traceparent", "00-a"),
            ("tracestate", "b=c"),
            ("cdn-loop", "other; v=1, Tollgate; x=\"y\""),
        ]);
        carry(&mut sent, &origin).unwrap();
        assert_eq!(
            sent,
            headers(&[
                ("tracestate", "b=c"),
                ("traceparent", "00-a"),
                ("cdn-loop", "other; v=1, Tollgate; x=\"y\", tollgate")
            ])
        );
        let mut own = headers(&[("traceparent", "00-mine"), ("tracestate", "mine=1")]);
        carry(&mut own, &origin).unwrap();
        assert_eq!(own.get("traceparent").unwrap(), "00-mine");
        assert_eq!(own.get_all("tracestate").iter().collect::<Vec<_>>(), ["mine=1"]);

        // Each gateway on the way starts from what the one before it sent.
        let mut origin = HeaderMap::new();
        for _ in 0..MAX_HOPS {
            let mut sent = HeaderMap::new();
            carry(&mut sent, &origin).unwrap();
            origin = sent;
        }
        assert_eq!(carry(&mut HeaderMap::new(), &origin), Err(Refusal::Loop));
        let long = headers(&[("cdn-loop", &format!("{}, tollgate", "x".repeat(MAX_LOOP_LEN)))]);
        let mut sent = HeaderMap::new();
        carry(&mut sent, &long).unwrap();
        assert_eq!(sent.get("cdn-loop").unwrap(), "tollgate, tollgate");
    }

    #[test]
    fn what_is_a_connections_is_not_sent() {
        let mut sent = headers(&[
            ("connection", "close"),
            ("te", "trailers"),
            ("host", "evil"),
            ("expect", "100-continue"),
            ("keep-alive", "1"),
            ("proxy-authorization", "x"),
            ("upgrade", "h2c"),
            ("content-type", "a/b"),
        ]);
        crate::hop::scrub(&mut sent);
        assert_eq!(sent, headers(&[("content-type", "a/b")]));
    }
}
