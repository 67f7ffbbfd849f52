//! From proof to permission. What may be dispatched is made here, and only of what `ingress` has verified, `route` gives leave for, or a timer makes.

pub(crate) mod dedupe;
pub(crate) mod unknown;

use crate::{
    respond::Refused,
    route::{Arrival, Leave},
    snapshot::{Deployment, Endpoint, Owner},
    timer::{Tick, ledger},
};
use dedupe::{Dedupe, DedupeError, Ended, Seen, Ticket};
use http::StatusCode;
use std::{net::IpAddr, sync::Arc, time::SystemTime};
use tollgate_config::TenantCtx;
use tollgate_ingress::Verified;
use tollgate_store::{Mark, MarkKind};

/// Who wants to enter: with a proof, with leave to call a route, or as a timer's tick.
#[derive(Debug)]
pub(crate) enum Entrant {
    /// One verified event at its endpoint.
    Verified {
        /// Where.
        endpoint: Arc<Endpoint>,
        /// What; only `ingress` makes one.
        delivery: Box<Verified>,
    },
    /// A request to a route; only `route` gives leave.
    Route(Leave),
    /// A tick; only a timer makes one.
    Tick(Box<Tick>),
}

impl Entrant {
    /// One verified event.
    pub(crate) fn verified(endpoint: Arc<Endpoint>, delivery: Verified) -> Self {
        let delivery = Box::new(delivery);
        Self::Verified { endpoint, delivery }
    }
}

/// May be dispatched. Its parts are private: only [`admit`] makes one.
#[derive(Debug)]
pub(crate) struct Admitted {
    entrant: Entrant,
    owner: Owner,
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

/// Who may call an endpoint at all, and how often. Whoever may not is not counted against those who may.
///
/// # Errors
/// `AddressNotAllowed`, `RateLimited`.
pub(crate) fn doorstep(arrival: &Arrival, caller: IpAddr) -> Result<(), Refused> {
    let Arrival::Endpoint(endpoint) = arrival else {
        return Ok(());
    };
    // A dual-stack socket shows IPv4 peers as mapped IPv6 addresses.
    let caller = caller.to_canonical();
    if !endpoint.allow_from.is_empty() && !endpoint.allow_from.iter().any(|net| net.contains(caller)) {
        return Err(Refused::AddressNotAllowed);
    }
    match &endpoint.rate {
        Some(rate) => rate.take().map_err(Refused::RateLimited),
        None => Ok(()),
    }
}

/// Lets in, or says what it repeats. Waits, at most the deployment's wall time, while the first of two runs.
///
/// # Errors
/// When the tenant is over its rate, a proof that opens once has been used, the delivery is larger than its deployment takes, there is no room, or the journal does not answer. Dropping the
/// future leaves nothing behind, but may leave a tick taken.
pub(crate) async fn admit(dedupe: &Dedupe, entrant: Entrant, owner: Owner, now: SystemTime) -> Result<Admission, Refused> {
    if let Entrant::Tick(tick) = &entrant {
        // A timer is the operator's own: it waits for no rate, and takes nothing from the callers'.
        return match ledger::take(dedupe.journal(), tick, now).await.map_err(unentered)? {
            true => Ok(Admission::Admitted(Admitted::freely(entrant, owner))),
            false => Ok(Admission::Duplicate(StatusCode::OK)),
        };
    }
    if let Some(rate) = &owner.deployment.rate {
        rate.take().map_err(Refused::RateLimited)?;
    }
    let Entrant::Verified { endpoint, delivery } = &entrant else {
        return Ok(Admission::Admitted(Admitted::freely(entrant, owner)));
    };
    // An endpoint that several tenants share takes what the largest of their limits does.
    if delivery.raw().len() as u64 > owner.deployment.limits.body.get() {
        return Err(Refused::BodyTooLarge);
    }
    match dedupe.enter(&owner.tenant.tenant_id, marks(endpoint, delivery), now, endpoint.horizon) {
        Ok(Seen::First(ticket)) => Ok(Admission::Admitted(Admitted {
            entrant,
            owner,
            ticket: Some(ticket),
        })),
        // A proof that opens once is no provider's retry when it is seen again.
        Ok(Seen::Done | Seen::Running(_)) if delivery.is_single_use() => Err(Refused::Replayed),
        Ok(Seen::Done) => Ok(Admission::Duplicate(StatusCode::OK)),
        Ok(Seen::Running(flight)) => match dedupe::outcome(flight, owner.deployment.limits.wall).await {
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
        DedupeError::ShareFull => Refused::DedupeShareFull,
        DedupeError::Full | DedupeError::Journal(tollgate_store::JournalError::Full(_)) => Refused::DedupeFull,
        DedupeError::Journal(error) => Refused::Journal(error.to_string()),
    }
}

/// The names under which an event is known here.
pub(crate) fn marks(endpoint: &Endpoint, delivery: &Verified) -> Vec<Mark> {
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
    /// What no second one waits for.
    fn freely(entrant: Entrant, owner: Owner) -> Self {
        let ticket = None;
        Self { entrant, owner, ticket }
    }

    /// Who.
    pub(crate) fn entrant(&self) -> &Entrant {
        &self.entrant
    }

    /// Whose.
    pub(crate) fn tenant(&self) -> &TenantCtx {
        &self.owner.tenant
    }

    /// What runs.
    pub(crate) fn deployment(&self) -> &Arc<Deployment> {
        &self.owner.deployment
    }

    /// Says how it ended: 2xx is done, anything else runs again when it is sent again. A public request has nothing to say. Dropping
    /// this instead says that it was abandoned.
    pub(crate) fn settle(self, status: StatusCode) {
        if let Some(ticket) = self.ticket {
            ticket.settle(status);
        }
    }
}
