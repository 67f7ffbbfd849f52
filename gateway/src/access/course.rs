//! How far one event, one tick, or one call of a route, has come, as the log and the counts tell it.

use crate::{
    admit::{Admitted, Entrant},
    gate::Gate,
    request_id::RequestId,
    respond::Refused,
    snapshot::{Deployment, Endpoint},
};
use http::StatusCode;
use std::{sync::Arc, time::Duration};
use tollgate_config::{RevisionId, manifest::Access};
use tollgate_ingress::Verified;

/// How far one event, one tick, or one call of a route, has come.
#[derive(Debug)]
pub(crate) struct Course {
    pub(super) end: End,
    /// Why, where that is no refusal.
    pub(super) aside: Option<&'static str>,
    /// What a worker may still use when the head goes out.
    pub(super) wall: Duration,
    pub(super) deployment: Option<Arc<Deployment>>,
    pub(super) revision: Option<RevisionId>,
    pub(super) choice: Option<&'static str>,
}

impl Course {
    /// At the gate, not let in.
    pub(super) fn begin() -> Self {
        Self {
            end: End::Rejected,
            aside: None,
            wall: Duration::ZERO,
            deployment: None,
            revision: None,
            choice: None,
        }
    }

    /// A tick's: nobody has to let it in, so it has failed until it is done.
    pub(crate) fn of_tick() -> Self {
        Self {
            end: End::Failed,
            ..Self::begin()
        }
    }

    /// How far it has come.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Which revision runs, where one was assigned.
    pub(crate) fn revision(&self) -> Option<&RevisionId> {
        self.revision.as_ref()
    }

    /// Notes that it was let in: from here on it has failed until it is done.
    pub(crate) fn admitted(&mut self, admitted: &Admitted) {
        let deployment = admitted.deployment();
        self.wall = deployment.limits.wall;
        self.deployment = Some(deployment.clone());
        self.end = match admitted.entrant() {
            Entrant::Verified { .. } | Entrant::Tick(_) => End::Failed,
            Entrant::Route(leave) => match leave.route().access {
                Access::Public => End::Public,
                Access::Jwt => End::Authorized,
            },
        };
    }

    /// Notes which revision runs, and why that one.
    pub(crate) fn assigned(&mut self, revision: &RevisionId, choice: &'static str) {
        self.revision = Some(revision.clone());
        self.choice = Some(choice);
    }

    /// Notes how far it has come.
    pub(crate) fn reached(&mut self, end: End) {
        self.end = end;
    }

    /// Notes that it is acknowledged and not run, and why.
    pub(crate) fn set_aside(&mut self, code: &'static str) {
        self.end = End::SetAside;
        self.aside = Some(code);
    }
}

/// What became of a request, as the counts tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Not let in (yet).
    Rejected,
    /// Let in without a provider.
    Public,
    /// Let in by a token.
    Authorized,
    /// The provider's own check.
    Handshake,
    /// A repeat.
    Duplicate,
    /// Let in, and not done (yet).
    Failed,
    /// Let in, and done.
    Done,
    /// Verified, acknowledged and not run.
    SetAside,
    /// Several events, each counted by itself.
    Batch,
}

impl End {
    /// As the log and the metrics have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Public => "public",
            Self::Authorized => "authorized",
            Self::Handshake => "handshake",
            Self::Duplicate => "duplicate",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::SetAside => "set_aside",
            Self::Batch => "batch",
        }
    }
}

/// One event of a request that may hold several, counted however it ends, cancelled too.
pub(crate) struct Part<'a> {
    gate: &'a Gate,
    endpoint: &'a Endpoint,
    request: &'a RequestId,
    event_id: Option<String>,
    /// How far it has come.
    pub(crate) course: Course,
}

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is done, now or before.
    Done,
    /// It is not, for this reason.
    Failed(&'static str),
    /// It is acknowledged and not run, for this reason.
    Aside(&'static str),
}

impl<'a> Part<'a> {
    /// Begins one.
    pub(crate) fn begin(gate: &'a Gate, endpoint: &'a Endpoint, request: &'a RequestId, delivery: &Verified) -> Self {
        Self {
            gate,
            endpoint,
            request,
            event_id: delivery.event_id().map(str::to_owned),
            course: Course::begin(),
        }
    }

    /// Says how it ended, by its own answer, which nobody else gets.
    pub(crate) fn ended(self, answer: Result<StatusCode, Refused>) -> Ended {
        let (reason, detail) = match answer {
            Ok(status) if status.is_success() => return self.course.aside.map_or(Ended::Done, Ended::Aside),
            Ok(_) if self.course.end == End::Duplicate => ("first_failed", None),
            Ok(status) => ("worker_status", Some(format!("status {}", status.as_u16()))),
            Err(refused) => {
                self.gate.metrics.refused(refused.code());
                (refused.code(), refused.detail())
            }
        };
        tracing::info!(
            request_id = self.request.as_str(),
            endpoint = %self.endpoint.id,
            event_id = self.event_id,
            reason,
            detail,
            "a delivery among several is not done"
        );
        Ended::Failed(reason)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let counters = &self.endpoint.counters;
        match self.course.end {
            End::Done => counters.done.inc(),
            End::Duplicate => counters.duplicate.inc(),
            // Counted where it was set aside.
            End::SetAside => {}
            _ => counters.failed.inc(),
        }
    }
}
