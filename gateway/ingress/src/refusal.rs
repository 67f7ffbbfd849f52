//! Why a request was not opened.

/// Why, as a stable code for logs and metrics. The caller never sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No signature header. 401.
    MissingSignature,
    /// A signature that is malformed or does not fit. 401.
    BadSignature,
    /// No timestamp header. 401.
    MissingTimestamp,
    /// A timestamp that is no number of seconds. 401.
    BadTimestamp,
    /// Older than the window. 401.
    StaleTimestamp,
    /// Further ahead than the window. 401.
    FutureTimestamp,
    /// A missing or malformed delivery id that takes part in the signature. 401.
    BadId,
    /// A bearer token that is not the endpoint's. 401.
    BadToken,
    /// A signature that says nothing of the body. 401.
    UnauthenticatedBody,
    /// A signature by an algorithm that the endpoint does not take. 401.
    AlgorithmNotAllowed,
    /// No live key. 401.
    NoLiveKey,
    /// A handshake with a wrong token, or at an endpoint that has none. 403.
    BadHandshake,
    /// A header of the scheme stands twice. 400.
    DuplicateHeader,
    /// A `Content-Encoding` other than identity. 415.
    UnsupportedEncoding,
    /// Verified, but not the provider's format. 400.
    Unparsable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::MissingSignature,
        Self::BadSignature,
        Self::MissingTimestamp,
        Self::BadTimestamp,
        Self::StaleTimestamp,
        Self::FutureTimestamp,
        Self::BadId,
        Self::BadToken,
        Self::UnauthenticatedBody,
        Self::AlgorithmNotAllowed,
        Self::NoLiveKey,
        Self::BadHandshake,
        Self::DuplicateHeader,
        Self::UnsupportedEncoding,
        Self::Unparsable,
    ];

    /// The code, as logs, metrics and `tollgate explain` show it.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::BadSignature => "bad_signature",
            Self::MissingTimestamp => "missing_timestamp",
            Self::BadTimestamp => "bad_timestamp",
            Self::StaleTimestamp => "stale_timestamp",
            Self::FutureTimestamp => "future_timestamp",
            Self::BadId => "bad_id",
            Self::BadToken => "bad_token",
            Self::UnauthenticatedBody => "unauthenticated_body",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::NoLiveKey => "no_live_key",
            Self::BadHandshake => "bad_handshake",
            Self::DuplicateHeader => "duplicate_header",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Unparsable => "unparsable",
        }
    }

    /// Whether the signature had been found good before the refusal.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::Unparsable)
    }
}

/// A request that was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.code())]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// For the log: what was found, never a secret nor an expected signature.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    /// Verified, but not the provider's format.
    pub(crate) fn unparsable(detail: impl Into<String>) -> Self {
        Self::new(Reason::Unparsable, detail)
    }
}
