//! The verdict on a recorded request.

use crate::{
    cli::report::{Failure, Outcome},
    respond,
};
use serde::Serialize;
use tollgate_config::TenantId;
use tollgate_ingress::{Activity, Deliveries, Keys, Opened, Refusal, Request, Scheme, UnixTime, open};

/// What an accepted delivery is answered with when its worker is content.
const ACCEPTED: u16 = 200;
/// What an unverified request is answered with.
const UNVERIFIED: u16 = 401;
/// What a method that the provider does not use is answered with.
const WRONG_METHOD: u16 = 405;
/// What a body over the provider's limit is answered with.
const BODY_TOO_LARGE: u16 = 413;

/// What the gate makes of a request. Speaks of verification alone: what is verified and cannot be parsed is accepted, with the parser's
/// error beside it.
pub(super) enum Verdict {
    Accept(Deliveries),
    Unparsable { code: u16, detail: String },
    Handshake(u16),
    Reject { code: u16, reason: &'static str, detail: String },
}

#[derive(Serialize)]
struct Told<'a> {
    verdict: &'static str,
    code: u16,
    reason: Option<&'a str>,
    activities: Vec<Activity<'a>>,
    parse_error: Option<&'a str>,
}

impl Verdict {
    /// Asks the gate's own code.
    pub(super) fn of(scheme: &Scheme, request: &Request<'_>, keys: &Keys, now: UnixTime) -> Self {
        if !scheme.methods().contains(request.method) {
            let detail = format!("{} does not call with {}", scheme.provider().as_str(), request.method);
            return Self::Reject {
                code: WRONG_METHOD,
                reason: "wrong_method",
                detail,
            };
        }
        if request.body.len() > scheme.body_limit().as_usize() {
            let detail = format!("{} sends at most {}", scheme.provider().as_str(), scheme.body_limit());
            return Self::Reject {
                code: BODY_TOO_LARGE,
                reason: "body_too_large",
                detail,
            };
        }
        match open(scheme, request, keys, now) {
            Ok(Opened::Handshake(answer)) => Self::Handshake(answer.status),
            Ok(Opened::Deliveries(deliveries)) => Self::Accept(deliveries),
            Err(refusal) => {
                let code = respond::status_of_refusal(&refusal);
                let Refusal { reason, detail, .. } = refusal;
                if reason.is_verified() {
                    Self::Unparsable { code, detail }
                } else {
                    Self::Reject {
                        code,
                        reason: reason.code(),
                        detail,
                    }
                }
            }
        }
    }

    /// A blank secret opens nothing; `serve` would not even start with it.
    pub(super) fn blank_secret() -> Self {
        let detail = "a secret is blank, and with it anyone could sign; `serve` refuses to start".to_owned();
        Self::Reject {
            code: UNVERIFIED,
            reason: "blank_secret",
            detail,
        }
    }

    /// As data, and as text.
    pub(super) fn outcome(&self, tenant: &TenantId) -> Result<Outcome, Failure> {
        let told = self.told(tenant);
        let mut text = format!("{} ({})", told.verdict, told.code);
        match self {
            Self::Reject { reason, detail, .. } => text.push_str(&format!(": {reason}: {detail}")),
            Self::Unparsable { detail, .. } => text.push_str(&format!(": verified, but cannot be parsed: {detail}")),
            Self::Accept(deliveries) => {
                for dropped in &deliveries.dropped {
                    text.push_str(&format!("\nacknowledged and not run: {}", dropped.reason.code()));
                }
            }
            Self::Handshake(_) => (),
        }
        for activity in &told.activities {
            let activity = serde_json::to_string_pretty(activity).map_err(|error| Failure::new("internal", error.to_string()))?;
            text.push('\n');
            text.push_str(&activity);
        }
        Outcome::new(&told, text)
    }

    fn told<'a>(&'a self, tenant: &'a TenantId) -> Told<'a> {
        let told = |verdict, code| Told {
            verdict,
            code,
            reason: None,
            activities: Vec::new(),
            parse_error: None,
        };
        match self {
            Self::Accept(deliveries) => {
                let activities = deliveries.events.iter().map(|delivery| delivery.activity(tenant)).collect();
                Told {
                    // Why nothing, or less than all, would run.
                    reason: deliveries.dropped.first().map(|dropped| dropped.reason.code()),
                    activities,
                    ..told("accept", ACCEPTED)
                }
            }
            Self::Unparsable { code, detail } => Told {
                parse_error: Some(detail),
                ..told("accept", *code)
            },
            Self::Handshake(code) => told("handshake", *code),
            Self::Reject { code, reason, .. } => Told {
                reason: Some(reason),
                ..told("reject", *code)
            },
        }
    }
}
