//! The one door: a request as it arrived goes in, what it was comes out.

use crate::{
    Keys, Refusal, Scheme, UnixTime, Verified, field,
    provider::{self, Opener},
};
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
    /// Events, and what shall not run; together at least one.
    Deliveries(Deliveries),
}

/// What stood in one request, in its order.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// Each is run.
    pub events: Vec<Verified>,
    /// Verified, acknowledged, and not run.
    pub dropped: Vec<Dropped>,
}

impl Deliveries {
    /// One event.
    pub(crate) fn one(event: Verified) -> Self {
        Self {
            events: vec![event],
            dropped: Vec::new(),
        }
    }
}

/// A verified event that no worker shall see. A refusal would be retried for days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: DropReason,
    /// The provider's id of the event, visible ASCII, where it has one.
    pub event_id: Option<String>,
}

/// Why an event is not run, as a stable code for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The bot's own message came back to it: answering it makes a loop.
    OwnMessage,
    /// The endpoint is for the provider's other mode (live or test).
    OtherMode,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::OwnMessage, Self::OtherMode];

    /// The code, as logs, metrics and `tollgate explain` show it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OwnMessage => "own_message",
            Self::OtherMode => "other_mode",
        }
    }
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
    refuse_ambiguous(opener, request)?;
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

/// The first half of [`open`](open()): all that stands before the body is read. What it costs is measured by itself; nothing can be dispatched for it.
///
/// # Errors
/// A [`Refusal`] when it is not verified.
pub fn verify(scheme: &Scheme, request: &Request<'_>, keys: &Keys, now: UnixTime) -> Result<(), Refusal> {
    let opener = provider::opener(scheme.provider());
    refuse_ambiguous(opener, request)?;
    opener.verify(request, keys, scheme, now).map(drop)
}

fn refuse_ambiguous(opener: &dyn Opener, request: &Request<'_>) -> Result<(), Refusal> {
    field::refuse_encoded(request.headers)?;
    field::refuse_repeated(request.headers, opener.facts().scheme_headers)
}
