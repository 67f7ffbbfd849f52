//! The one door: a request as it arrived goes in, what it was comes out.

use crate::{Keys, Refusal, Scheme, UnixTime, Verified, field, provider};
use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request as it arrived, its body whole and untouched.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query as they stood on the request line.
    pub path_and_query: &'a str,
    /// All fields, repeats kept.
    pub headers: &'a HeaderMap,
    /// The bytes that were signed.
    pub body: &'a Bytes,
}

/// What a verified request was.
#[derive(Debug)]
pub enum Opened {
    /// The provider checks that we are who we say; answer this, run nothing.
    Handshake(Answer),
    /// Events, at least one.
    Deliveries(Vec<Verified>),
}

/// An answer that the provider's protocol fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, where there is a body.
    pub content_type: Option<&'static str>,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        Self {
            status: 200,
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self {
            status: 204,
            ..Self::empty()
        }
    }

    /// 200 with JSON.
    pub(crate) fn json(body: String) -> Self {
        Self {
            status: 200,
            content_type: Some("application/json"),
            body: body.into(),
        }
    }

    /// 200 with plain text, never anything that a browser would run.
    pub(crate) fn text(body: String) -> Self {
        Self {
            status: 200,
            content_type: Some("text/plain; charset=utf-8"),
            body: body.into(),
        }
    }
}

/// Verifies a request and says what it was.
///
/// The order is fixed: what is cheap and ambiguous first (repeated headers, encodings), then presence and clock, then the signature under every
/// live key, and the body is read only after that. A handshake that has its own token, not a signature, comes before the signature.
///
/// # Errors
/// A [`Refusal`] when it is not verified, or verified and not parsable.
pub fn open(scheme: &Scheme, request: &Request<'_>, keys: &Keys, now: UnixTime) -> Result<Opened, Refusal> {
    let opener = provider::opener(scheme.provider());
    field::refuse_encoded(request.headers)?;
    field::refuse_repeated(request.headers, opener.facts().scheme_headers)?;
    if let Some(handshake) = opener.handshake(request, keys, scheme) {
        return handshake.map(Opened::Handshake);
    }
    let proof = opener.verify(request, keys, scheme, now)?;
    opener.read(&provider::Arrival {
        scheme,
        request,
        keys,
        proof: &proof,
        now,
    })
}
