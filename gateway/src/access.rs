//! What is known of one request while it is served, and what is written of it when it has ended: one log line, and its counts.

mod course;

pub(crate) use course::{Course, End, Ended, Part};

use crate::{
    gate::Gate,
    listen::{Peer, serve::Due},
    request_id::{self, RequestId},
    respond::{Refused, X_REQUEST_ID, code_of_call},
    route::{Arrival, Leave},
    snapshot::Endpoint,
    trace::Trace,
};
use http::{Method, StatusCode, Uri};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tollgate_config::RevisionId;
use tollgate_host::BodyError;
use tollgate_ingress::Dropped;
use tracing::Level;

/// The log's target: `RUST_LOG=access=info` turns the lines on.
pub(crate) const TARGET: &str = "access";

/// One request, from its head to its body's end.
pub(crate) struct Entry {
    gate: Arc<Gate>,
    peer: Arc<Peer>,
    started: Instant,
    number: u128,
    /// The request's id.
    pub(crate) id: RequestId,
    /// How far it has come.
    pub(crate) course: Course,
    status: Option<StatusCode>,
    bytes: u64,
    code: Option<&'static str>,
    detail: Option<String>,
    endpoint: Option<Arc<Endpoint>>,
    due: Option<Due>,
    line: Option<Box<Line>>,
}

/// What only the log wants. Not gathered when the log is off.
struct Line {
    method: Method,
    target: Uri,
    host: String,
    trace: Option<Trace>,
}

impl Entry {
    /// Begins one.
    pub(crate) fn begin<B>(gate: &Arc<Gate>, peer: &Arc<Peer>, request: &http::Request<B>) -> Self {
        let number = request_id::draw();
        let foreign = if peer.trusted {
            request.headers().get(X_REQUEST_ID).and_then(RequestId::from_proxy)
        } else {
            None
        };
        peer.activity.enter();
        gate.metrics.requests.inc();
        Self {
            gate: gate.clone(),
            peer: peer.clone(),
            started: Instant::now(),
            number,
            id: foreign.unwrap_or_else(|| RequestId::from_number(number)),
            course: Course::begin(),
            status: None,
            bytes: 0,
            code: None,
            detail: None,
            endpoint: None,
            due: None,
            line: tracing::enabled!(target: TARGET, Level::INFO).then(|| {
                Box::new(Line {
                    method: request.method().clone(),
                    target: request.uri().clone(),
                    host: String::new(),
                    trace: None,
                })
            }),
        }
    }

    /// The number of this request: a trace that begins here takes it.
    pub(crate) fn number(&self) -> u128 {
        self.number
    }

    /// Notes the trace, and for which host it is.
    pub(crate) fn traced(&mut self, trace: Trace, host: &str) {
        if let Some(line) = &mut self.line {
            line.trace = Some(trace);
            host.clone_into(&mut line.host);
        }
    }

    /// Notes where it arrived: from here on an endpoint is charged with what happens.
    pub(crate) fn arrived(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Endpoint(endpoint) => {
                self.endpoint = Some(endpoint.clone());
                // Where several share it, a delivery's account says later whose it is.
                if let [one] = endpoint.owners.all() {
                    self.course.deployment = Some(one.deployment.clone());
                }
            }
            Arrival::Open(leave) => self.allowed(leave),
            Arrival::Guarded(guarded) => self.course.deployment = guarded.route().map(|route| route.deployment.clone()),
        }
    }

    /// Notes which route it may call.
    pub(crate) fn allowed(&mut self, leave: &Leave) {
        self.course.deployment = Some(leave.route().deployment.clone());
    }

    /// Charges an endpoint with a refusal that came before routing.
    pub(crate) fn charged_to(&mut self, endpoint: &Arc<Endpoint>) {
        self.endpoint = Some(endpoint.clone());
    }

    /// The endpoint that is charged.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_deref()
    }

    /// Notes what is verified and not run.
    pub(crate) fn dropped(&mut self, endpoint: &Endpoint, dropped: &[Dropped]) {
        for event in dropped {
            let reason = event.reason.code();
            endpoint.counters.dropped.inc();
            self.course.aside.get_or_insert(reason);
            tracing::info!(
                request_id = self.id.as_str(),
                endpoint = %endpoint.id,
                event_id = event.event_id,
                reason,
                "a verified event is not run"
            );
        }
    }

    /// Notes what became of a request's parts, each counted by now.
    ///
    /// # Errors
    /// `Batch` when some are not done.
    pub(crate) fn parts(&mut self, ended: &[Ended], repeats: usize) -> Result<(), Refused> {
        let of = ended.len() + repeats;
        let mut failures = ended.iter().filter_map(|part| match part {
            Ended::Failed(reason) => Some(*reason),
            _ => None,
        });
        if let Some(reason) = failures.next() {
            let failed = 1 + failures.count();
            return Err(Refused::Batch { failed, of, reason });
        }
        let mut asides = ended.iter().filter_map(|part| match part {
            Ended::Aside(reason) => Some(*reason),
            _ => None,
        });
        let first = asides.next();
        let aside = usize::from(first.is_some()) + asides.count();
        if aside == of {
            // It came to nothing but what is set aside.
            self.course.set_aside(self.course.aside.or(first).unwrap_or("nothing_to_run"));
        }
        self.detail = Some(format!("{of} deliveries"));
        Ok(())
    }

    /// Notes why it is refused.
    pub(crate) fn refused(&mut self, refused: &Refused) {
        self.code = Some(refused.code());
        self.gate.metrics.refused(refused.code());
        if self.line.is_some() {
            self.detail = refused.detail();
        }
    }

    /// Counts it, before its answer is sent. One that is whole needs no more of its worker's time.
    pub(crate) fn answered(&mut self, status: StatusCode, whole: bool) {
        self.status = Some(status);
        let wall = if whole { Duration::ZERO } else { self.course.wall };
        self.due = Some(self.peer.activity.answering(wall));
        self.count();
    }

    /// Counts bytes that went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes that the body broke off after the head.
    pub(crate) fn broke(&mut self, error: &BodyError) {
        self.code = Some(match error {
            BodyError::Worker(call) => code_of_call(call),
            BodyError::TooLarge { .. } => "body_too_large",
            BodyError::Client(_) => "body_broken",
            BodyError::Slow => "body_slow",
        });
        self.detail = Some(error.to_string());
    }

    fn count(&self) {
        self.gate.metrics.answered(self.status);
        let Some(endpoint) = &self.endpoint else { return };
        match self.course.end {
            End::SetAside => {
                if let Some(code) = self.course.aside {
                    self.gate.metrics.rejected(endpoint.provider, code);
                }
            }
            // Its parts have been counted.
            End::Batch => {}
            End::Rejected | End::Public | End::Authorized => {
                self.gate.metrics.rejected(endpoint.provider, self.code.unwrap_or("client_gone"));
            }
            End::Handshake => endpoint.counters.handshake.inc(),
            End::Duplicate => endpoint.counters.duplicate.inc(),
            End::Failed => endpoint.counters.failed.inc(),
            End::Done => endpoint.counters.done.inc(),
        }
    }
}

/// However a request ends, cancelled ones too, it is written once.
impl Drop for Entry {
    fn drop(&mut self) {
        self.peer.activity.leave(self.due);
        self.gate.metrics.requests.dec();
        if self.status.is_none() {
            // The client went away before there was an answer.
            self.code.get_or_insert("client_gone");
            self.count();
        }
        let elapsed = self.started.elapsed();
        self.gate.metrics.took(elapsed);
        if let Some(line) = &self.line {
            self.write(line, elapsed);
        }
    }
}

impl Entry {
    fn write(&self, line: &Line, elapsed: Duration) {
        let course = &self.course;
        let deployment = course.deployment.as_deref();
        tracing::info!(
            target: TARGET,
            request_id = self.id.as_str(),
            trace_id = line.trace.map(|trace| format!("{:032x}", trace.trace_id)),
            peer = %self.peer.address,
            proxy = self.peer.proxy.map(tracing::field::display),
            method = line.method.as_str(),
            host = line.host,
            // Without its query, where people put secrets.
            path = line.target.path(),
            tls = self.peer.tls,
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            end = course.end.as_str(),
            reason = self.code.or(course.aside),
            detail = self.detail,
            tenant = deployment.map(|deployment| deployment.tenant.tenant_id.as_str()),
            endpoint = self.endpoint.as_ref().map(|endpoint| endpoint.id.as_str()),
            deployment = deployment.map(|deployment| deployment.id.as_str()),
            revision = course.revision.as_ref().map(RevisionId::as_str),
            choice = course.choice,
        );
    }
}
