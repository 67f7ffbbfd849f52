//! From proof to permission. What may be dispatched is made here, and only of what `ingress` has verified or a manifest calls public.

pub(crate) mod dedupe;

use crate::{
    respond::Refused,
    route::Public,
    snapshot::{Deployment, Endpoint},
    timer::{Tick, ledger},
};
use dedupe::{Dedupe, DedupeError, Ended, Seen, Ticket};
use http::StatusCode;
use std::{sync::Arc, time::SystemTime};
use tollgate_config::TenantCtx;
use tollgate_ingress::Verified;
use tollgate_store::{Mark, MarkKind};

/// Who wants to enter: with a proof, by a public route, or as a timer's tick.
#[derive(Debug)]
pub(crate) enum Entrant {
    /// One verified event at its endpoint.
    Verified {
        /// Where.
        endpoint: Arc<Endpoint>,
        /// What; only `ingress` makes one.
        delivery: Box<Verified>,
    },
    /// A request to a public route.
    Public(Public),
    /// A tick; only a timer makes one.
    Tick(Box<Tick>),
}

/// May be dispatched. Its parts are private: only [`admit`] makes one.
#[derive(Debug)]
pub(crate) struct Admitted {
    entrant: Entrant,
    tenant: TenantCtx,
    ticket: Option<Ticket>,
}

/// What admission says.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Run it.
    Admitted(Admitted),
    /// A repeat: answer this, run nothing.
    Duplicate(StatusCode),
}

/// Lets in, or says what it repeats. Waits, at most the deployment's wall time, while the first of two runs.
///
/// # Errors
/// When there is no room, or the journal does not answer. Dropping the future leaves nothing behind.
pub(crate) async fn admit(dedupe: &Dedupe, entrant: Entrant, tenant: TenantCtx, now: SystemTime) -> Result<Admission, Refused> {
    let (endpoint, delivery) = match &entrant {
        Entrant::Verified { endpoint, delivery } => (endpoint, delivery),
        Entrant::Tick(tick) if !ledger::take(dedupe.journal(), tick, now).await.map_err(unentered)? => {
            return Ok(Admission::Duplicate(StatusCode::OK));
        }
        Entrant::Public(_) | Entrant::Tick(_) => {
            return Ok(Admission::Admitted(Admitted {
                entrant,
                tenant,
                ticket: None,
            }));
        }
    };
    match dedupe.enter(marks(endpoint, delivery), now, endpoint.horizon) {
        Ok(Seen::First(ticket)) => Ok(Admission::Admitted(Admitted {
            entrant,
            tenant,
            ticket: Some(ticket),
        })),
        Ok(Seen::Done) => Ok(Admission::Duplicate(StatusCode::OK)),
        Ok(Seen::Running(flight)) => match dedupe::outcome(flight, endpoint.deployment.limits.wall).await {
            Some(Ended::Answered(status)) => Ok(Admission::Duplicate(status)),
            // The first one's caller hung up and its call was cancelled. That is a failure, so it is one for the waiting as well; the retry runs.
            Some(Ended::Abandoned) => Ok(Admission::Duplicate(StatusCode::SERVICE_UNAVAILABLE)),
            None => Err(Refused::FirstStillRuns),
        },
        Err(error) => Err(unentered(error)),
    }
}

fn unentered(error: DedupeError) -> Refused {
    match error {
        DedupeError::Full | DedupeError::Journal(tollgate_store::JournalError::Full(_)) => Refused::DedupeFull,
        DedupeError::Journal(error) => Refused::Journal(error.to_string()),
    }
}

fn marks(endpoint: &Endpoint, delivery: &Verified) -> Vec<Mark> {
    let mark = |kind, hash| Mark {
        endpoint: endpoint.id.clone(),
        kind,
        hash,
    };
    let id = delivery.id_mark().map(|hash| mark(MarkKind::Id, hash));
    let body = delivery.body_mark().map(|hash| mark(MarkKind::Body, hash));
    id.into_iter().chain(body).collect()
}

impl Admitted {
    /// Who.
    pub(crate) fn entrant(&self) -> &Entrant {
        &self.entrant
    }

    /// Whose.
    pub(crate) fn tenant(&self) -> &TenantCtx {
        &self.tenant
    }

    /// What runs.
    pub(crate) fn deployment(&self) -> &Arc<Deployment> {
        match &self.entrant {
            Entrant::Verified { endpoint, .. } => &endpoint.deployment,
            Entrant::Public(public) => &public.route().deployment,
            Entrant::Tick(tick) => &tick.timer().deployment,
        }
    }

    /// Says how it ended: 2xx is done, anything else runs again when it is sent again. A public request has nothing to say. Dropping
    /// this instead says that it was abandoned.
    pub(crate) fn settle(self, status: StatusCode) {
        if let Some(ticket) = self.ticket {
            ticket.settle(status);
        }
    }
}
