//! Every refusal and every error becomes an answer here, and nowhere else.
//!
//! The caller sees a status, the request's id and words that hold for every refusal of that status. Why, with its stable code,
//! goes to the log and the metrics.

pub(crate) mod body;
mod outcome;

pub(crate) use outcome::{failed, worker};

use crate::{
    access::{Course, Entry},
    admit::{Entrant, unknown::Stray},
    gate::Gate,
    rate,
    request_id::RequestId,
};
use body::AnswerBody;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body::Body;
use std::time::{Duration, SystemTime};
use tollgate_config::TenantId;
use tollgate_host::CallError;
use tollgate_ingress::{Answer, Reason, Refusal};

/// Shown on every answer.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When to come back after a 503, in seconds. One: what is short here (a place, a table slot) is free again within a call's time.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request does not get a worker's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No origin-form or absolute-form target. 400.
    BadTarget(&'static str),
    /// A missing, repeated, malformed or contradicting Host. 400.
    BadHost(&'static str),
    /// The TLS client asked for another host than it now calls. 421.
    Misdirected,
    /// Too many header fields, or too many bytes of them. 431.
    HeadersTooLarge,
    /// A target that is too long. 414.
    UriTooLong,
    /// Nothing is here. 404.
    NotRouted,
    /// A token is wanted, and there is none. 401.
    NoToken,
    /// A token that is not to be believed. 401.
    InvalidToken(String),
    /// A good token of another tenant than the route's. 403.
    NotForTenant(TenantId),
    /// The keys that would say whether it is verified could not be fetched. 503.
    NoKeys(String),
    /// The proxy's header names no tenant. 404.
    UnknownTenant(String),
    /// The tenant was found, and the host is not its own. 404.
    WrongTenant(TenantId),
    /// The provider does not call so. 405.
    WrongMethod {
        /// How it calls.
        allow: HeaderValue,
    },
    /// Over the limit. 413.
    BodyTooLarge,
    /// The body did not come in time. 408.
    BodySlow,
    /// As many unverified bytes in hand as there may be. 503.
    BuffersFull,
    /// The body broke off. 400, if anyone still listens.
    BodyBroken(String),
    /// `ingress` did not open it.
    Ingress(Refusal),
    /// From a page that may not speak to web chat. 403.
    Origin,
    /// More tokens of web chat than are minted in a minute; when there are more again. 429.
    MintingRate(Duration),
    /// A proof that opens once, seen again. 401.
    Replayed,
    /// From an address that the endpoint does not take calls from. 403.
    AddressNotAllowed,
    /// Called more often than its endpoint or its tenant may be; when there is room again. 429.
    RateLimited(Duration),
    /// Some deliveries of a request are not done. 503.
    Batch {
        /// How many.
        failed: usize,
        /// Of how many.
        of: usize,
        /// The first one's reason.
        reason: &'static str,
    },
    /// As many deliveries in flight, or marks, as there may be. 503.
    DedupeFull,
    /// As many of them of one tenant as it may have where there are others. 503.
    DedupeShareFull,
    /// The journal cannot say whether it is a duplicate. 503.
    Journal(String),
    /// A duplicate waited for the first one as long as a call may take. 503.
    FirstStillRuns,
    /// The deployment's revision did not load. 503.
    NotReady,
    /// The call has no answer.
    Call(CallError),
    /// The worker's answer to a provider is longer than any provider reads. 502.
    AnswerTooLarge,
    /// The worker's answer to a provider broke off. 502, or 504 when it ran out of time.
    AnswerBroken(CallError),
    /// The worker's status is no final one. 502.
    AnswerStatus(u16),
}

impl Refused {
    /// What the caller gets.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadTarget(_) | Self::BadHost(_) | Self::BodyBroken(_) => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            // To the caller, another tenant's place is no place.
            Self::NotRouted | Self::UnknownTenant(_) | Self::WrongTenant(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge | Self::Call(CallError::BodyTooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodySlow | Self::Call(CallError::BodyTooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Ingress(refusal) => status_for(refusal),
            Self::Replayed | Self::NoToken | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::AddressNotAllowed | Self::NotForTenant(_) | Self::Origin => StatusCode::FORBIDDEN,
            Self::RateLimited(_) | Self::MintingRate(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoKeys(_)
            | Self::Batch { .. }
            | Self::BuffersFull
            | Self::DedupeFull
            | Self::DedupeShareFull
            | Self::Journal(_)
            | Self::FirstStillRuns
            | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Call(error) | Self::AnswerBroken(error) => match error {
                CallError::Saturated(_) | CallError::Cold { .. } | CallError::Resting(_) | CallError::Host(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                CallError::Cpu | CallError::Wall | CallError::FirstByte | CallError::Stall => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            },
            Self::AnswerTooLarge | Self::AnswerStatus(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The stable code of logs and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::BadTarget(_) => "bad_target",
            Self::BadHost(_) => "bad_host",
            Self::Misdirected => "misdirected",
            Self::HeadersTooLarge => "headers_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::NotRouted => "not_routed",
            Self::NoToken => "missing_token",
            Self::InvalidToken(_) => "invalid_token",
            Self::NotForTenant(_) => "not_for_tenant",
            Self::NoKeys(_) => "no_keys",
            Self::UnknownTenant(_) => "unknown_tenant",
            Self::WrongTenant(_) => "wrong_tenant",
            Self::WrongMethod { .. } => "wrong_method",
            Self::BodyTooLarge | Self::Call(CallError::BodyTooLarge) => "body_too_large",
            Self::BodySlow => "body_slow",
            Self::BuffersFull => "buffers_full",
            Self::BodyBroken(_) => "body_broken",
            Self::Ingress(refusal) => refusal.reason.code(),
            Self::Origin => "bad_origin",
            Self::MintingRate(_) => "minting_rate",
            Self::Replayed => "replayed",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::RateLimited(_) => "rate_limited",
            Self::Batch { .. } => "batch_failed",
            Self::DedupeFull => "dedupe_full",
            Self::DedupeShareFull => "dedupe_share_full",
            Self::Journal(_) => "journal_unavailable",
            Self::FirstStillRuns => "first_still_runs",
            Self::NotReady => "not_ready",
            Self::Call(error) | Self::AnswerBroken(error) => code_of_call(error),
            Self::AnswerTooLarge => "answer_too_large",
            Self::AnswerStatus(_) => "answer_status",
        }
    }

    /// What the caller is asked for, where a token would help (RFC 6750 3).
    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::NoToken => "Bearer",
            Self::InvalidToken(_) => "Bearer error=\"invalid_token\"",
            Self::NotForTenant(_) => "Bearer error=\"insufficient_scope\"",
            _ => return None,
        }))
    }

    /// What was found, for the log alone.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::BadTarget(what) | Self::BadHost(what) => Some((*what).to_owned()),
            Self::BodyBroken(what) | Self::Journal(what) | Self::UnknownTenant(what) | Self::InvalidToken(what) | Self::NoKeys(what) => {
                Some(what.clone())
            }
            Self::NotForTenant(tenant) => Some(format!("the token is tenant {tenant}'s")),
            Self::WrongTenant(tenant) => Some(format!("it is tenant {tenant}'s, which does not have this host")),
            Self::Ingress(refusal) => Some(refusal.detail.clone()),
            Self::Batch { failed, of, reason } => Some(format!("{failed} of {of} deliveries are not done, the first: {reason}")),
            Self::RateLimited(wait) | Self::MintingRate(wait) => Some(format!("room again in {} s", rate::seconds(*wait))),
            Self::Call(error) | Self::AnswerBroken(error) => Some(error.to_string()),
            Self::AnswerStatus(status) => Some(format!("status {status}")),
            _ => None,
        }
    }
}

/// The stable code of a call's error.
pub(crate) fn code_of_call(error: &CallError) -> &'static str {
    match error {
        CallError::Saturated(_) => "saturated",
        CallError::Cold { .. } => "cold",
        CallError::Cpu => "cpu",
        CallError::Wall => "wall",
        CallError::Resting(_) => "resting",
        CallError::FirstByte => "first_byte",
        CallError::Stall => "stall",
        CallError::Trap(_) => "trap",
        CallError::NoAnswer => "no_answer",
        CallError::ErrorCode(_) => "error_code",
        CallError::Headers(_) => "answer_headers",
        CallError::BodyTooLarge => "body_too_large",
        CallError::BodyTooSlow => "body_slow",
        CallError::Host(_) => "host",
    }
}

/// The status that a request with this refusal gets.
pub fn status_of_refusal(refusal: &Refusal) -> u16 {
    status_for(refusal).as_u16()
}

fn status_for(refusal: &Refusal) -> StatusCode {
    match refusal.reason {
        Reason::DuplicateHeader | Reason::Unparsable => StatusCode::BAD_REQUEST,
        Reason::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::BadHandshake => StatusCode::FORBIDDEN,
        _ if refusal.forbidden => StatusCode::FORBIDDEN,
        // Every other reason says that it is not verified, and the caller learns nothing more than that.
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// The answer to a refusal.
pub(crate) fn refused(refused: &Refused, id: &RequestId) -> Response<AnswerBody> {
    let status = refused.status();
    // Generic: the words of the status, in snake case. Both parts are plain ASCII without quotes.
    let words = status
        .canonical_reason()
        .unwrap_or("error")
        .to_ascii_lowercase()
        .replace([' ', '-'], "_");
    let mut response = whole(
        status,
        Some("application/json"),
        format!("{{\"error\":\"{words}\",\"request_id\":\"{}\"}}\n", Json(id.as_str())).into(),
    );
    let headers = response.headers_mut();
    if let Refused::WrongMethod { allow } = refused {
        headers.insert(ALLOW, allow.clone());
    }
    if let Some(challenge) = refused.challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    match refused {
        Refused::RateLimited(wait) | Refused::MintingRate(wait) | Refused::Call(CallError::Resting(wait)) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(rate::seconds(*wait)));
        }
        Refused::Call(CallError::Cold { again_in, .. }) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(rate::seconds(*again_in)));
        }
        _ if status == StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        _ => {}
    }
    response
}

/// A string's inside as JSON has it. A proxy's request id may hold quotes.
struct Json<'a>(&'a str);

impl std::fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

/// The answer that a provider's handshake fixes.
pub(crate) fn handshake(answer: Answer) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    whole(status, answer.content_type, answer.body)
}

/// Acknowledges what is verified and nobody's, and keeps it for a look. It is logged once for each account.
pub(crate) fn stray(gate: &Gate, entrant: &Entrant, now: SystemTime, course: &mut Course) -> Response<AnswerBody> {
    if let Entrant::Verified { endpoint, delivery } = entrant {
        course.set_aside(UNKNOWN_ACCOUNT);
        endpoint.counters.unknown_account.inc();
        let stray = Stray {
            endpoint: endpoint.id.clone(),
            provider: endpoint.provider,
            account: delivery.account().map(str::to_owned),
            event_id: delivery.event_id().map(str::to_owned),
            at: now,
            bytes: delivery.raw().len(),
        };
        if gate.strays.keep(stray) {
            tracing::warn!(
                endpoint = %endpoint.id,
                provider = endpoint.provider.as_str(),
                account = delivery.account(),
                "verified deliveries of an account that no tenant of the endpoint lists are acknowledged and not run"
            );
        }
    }
    empty(StatusCode::OK)
}

/// The code of a delivery of no account that is known.
pub(crate) const UNKNOWN_ACCOUNT: &str = "unknown_account";

/// A status and nothing else: to a repeat the first one's, to what is not run and to a batch that is done 200.
pub(crate) fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut response = whole(status, None, Bytes::new());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// Puts on what every answer has, and ties the log's entry to the body's end.
pub(crate) fn seal(mut response: Response<AnswerBody>, mut entry: Entry) -> Response<AnswerBody> {
    response.headers_mut().insert(X_REQUEST_ID, entry.id.header());
    entry.answered(response.status(), response.body().size_hint().exact().is_some());
    response.map(|body| body.watched_by(entry))
}

fn whole(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

#[cfg(test)]
mod tests;
