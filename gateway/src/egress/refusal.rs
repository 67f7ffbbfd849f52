//! Why a call out was not made, or did not end well: as a worker is told, and as the metrics have it.

use super::connect::Failed;
use tollgate_host::OutboundError;

/// Why a call out was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Neither `http` nor `https`.
    Scheme,
    /// A user in front of the host.
    Userinfo,
    /// No host that can be looked up: a number in some other spelling, a zone, a port that is none.
    Host,
    /// `localhost`, or a name under it.
    Localhost,
    /// Not in `allow_outbound`.
    NotGranted,
    /// An address that may not be called.
    Address,
    /// One of our own listeners.
    Own,
    /// Passed on by gateways too often.
    Loop,
    /// `CONNECT`, or `TRACE`, which would show the worker what the gateway adds.
    Method,
    /// A secret that is not granted, or may not go there.
    Secret,
    /// As many calls out of this call as may be.
    CallPlaces,
    /// As many calls out of this deployment as may be.
    DeploymentPlaces,
    /// As many calls out of the gateway as may be.
    GatewayPlaces,
}

impl Refusal {
    /// As the metric has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Userinfo => "userinfo",
            Self::Host => "host",
            Self::Localhost => "localhost",
            Self::NotGranted => "not_granted",
            Self::Address => "address",
            Self::Own => "own_listener",
            Self::Loop => "loop",
            Self::Method => "method",
            Self::Secret => "secret",
            Self::CallPlaces => "call_places",
            Self::DeploymentPlaces => "deployment_places",
            Self::GatewayPlaces => "gateway_places",
        }
    }
}

impl From<Refusal> for OutboundError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Address | Refusal::Own => Self::AddressProhibited,
            Refusal::Loop => Self::Loop,
            Refusal::CallPlaces | Refusal::DeploymentPlaces | Refusal::GatewayPlaces => Self::TooMany,
            _ => Self::Denied,
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// As the metric has it.
pub(super) fn result_of(error: &OutboundError) -> &'static str {
    match error {
        OutboundError::Denied | OutboundError::AddressProhibited | OutboundError::Loop | OutboundError::TooMany => "refused",
        OutboundError::Dns | OutboundError::DnsTimeout => "dns",
        OutboundError::Refused | OutboundError::Unavailable | OutboundError::ConnectTimeout => "connect",
        OutboundError::Tls | OutboundError::Certificate | OutboundError::Alert => "tls",
        OutboundError::ReadTimeout | OutboundError::Deadline => "timeout",
        OutboundError::TargetTooLong
        | OutboundError::RequestHeader(_)
        | OutboundError::RequestBody(_)
        | OutboundError::ResponseHeader(_)
        | OutboundError::ResponseBody(_) => "limit",
        OutboundError::RequestIncomplete => "worker",
        OutboundError::Terminated | OutboundError::ResponseIncomplete | OutboundError::Upgrade | OutboundError::Protocol => "broken",
    }
}
