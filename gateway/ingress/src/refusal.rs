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
    /// Everything but the signature is as it must be, and the key or certificate for that is not known (yet). 401.
    UnknownKey,
    /// The key may not speak for what the request says it is. 401.
    NotEndorsed,
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
    pub const ALL: [Self; 17] = [
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
        Self::UnknownKey,
        Self::NotEndorsed,
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
            Self::UnknownKey => "unknown_key",
            Self::NotEndorsed => "not_endorsed",
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
    /// What would let the request be opened, if it were fetched and added to the keys. Only with [`Reason::UnknownKey`].
    pub wants: Option<Wanted>,
    /// Whether the provider's protocol calls every unverified request forbidden (403), not unauthorized (401).
    pub forbidden: bool,
}

/// What a provider publishes and we do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A key of an issuer of tokens; [`crate::Scheme::jwks_url`] says where it publishes them.
    Key {
        /// The issuer, one that the endpoint takes.
        issuer: String,
        /// The key's name, where the token has one.
        kid: Option<String>,
    },
    /// A certificate at a URL, whose host is one that the provider is known for.
    Certificate {
        /// The exact URL.
        url: String,
    },
}

impl Refusal {
    /// For this reason.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            wants: None,
            forbidden: false,
        }
    }

    /// Not verified, for want of a key.
    pub(crate) fn wanting(wanted: Wanted) -> Self {
        let detail = match &wanted {
            Wanted::Key { issuer, kid } => format!("no key {} of {issuer}", kid.as_deref().unwrap_or("without a name")),
            Wanted::Certificate { url } => format!("no certificate of {url}"),
        };
        Self {
            wants: Some(wanted),
            ..Self::new(Reason::UnknownKey, detail)
        }
    }

    /// The same, where the provider's protocol answers 403 to what is not verified.
    pub(crate) fn forbidden(self) -> Self {
        Self {
            forbidden: !self.reason.is_verified(),
            ..self
        }
    }

    /// Verified, but not the provider's format.
    pub(crate) fn unparsable(detail: impl Into<String>) -> Self {
        Self::new(Reason::Unparsable, detail)
    }
}
