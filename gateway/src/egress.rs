//! Calling out: the client of all workers, and what each deployment's may do with it.
//!
//! One call out walks down [`Caller::attempt`]: `target` (where to), `policy` (is it granted, on `address`), `header` (what is sent along), `pool` and
//! `connect` (a connection to an address that was checked, over `network` and `tls`), `body` (what comes back); `refusal` says why not. Redirects
//! are answers like any other: the worker that follows one is judged anew.

mod address;
mod body;
mod connect;
mod header;
mod network;
mod policy;
mod pool;
mod refusal;
mod target;
mod tls;

#[cfg(test)]
mod tests;

pub(crate) use policy::Own;
use refusal::{Refusal, result_of};

use crate::{
    hop,
    metrics::{Metrics, OutboundCounters},
    roots::Roots,
    tasks::Tasks,
};
use body::{Answered, Capped, Lease, MAX_REQUEST, MAX_RESPONSE, of_hyper};
use connect::{Failed, Sender, connect};
use http::{
    Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_LENGTH, HOST, HeaderValue},
    uri::PathAndQuery,
};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::TrySendError};
use network::{Network, System};
use pool::{Kept, Pool};
use rustls::{ClientConfig, RootCertStore};
use std::{fmt, sync::Arc, time::Duration};
use target::Target;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tollgate_config::{
    DeploymentId, TenantId,
    manifest::Deployment,
    pattern::{OutboundRule, OutboundScheme},
};
use tollgate_host::{Outbound, OutboundBody, OutboundError, Outgoing, Secrets, Sent};

/// Look-up, connecting and TLS, together: a service that needs longer is down. A worker may ask for less.
const CONNECT: Duration = Duration::from_secs(5);
/// From the request to the answer's head: longer than any API of a chat service takes. A worker may ask for less.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// Between two pieces of an answer. A worker may ask for less.
const BETWEEN_BYTES: Duration = Duration::from_secs(30);
/// Calls out of one deployment at once: one for each call that it may have by default.
const MAX_AT_ONCE: usize = 256;
/// Calls out of all deployments at once: each is a descriptor, and the listeners take four times as many.
const MAX_IN_GATEWAY: usize = 4_096;
/// Look-ups at once, of all deployments: each holds a thread of the system's.
const MAX_LOOK_UPS: usize = 32;
/// Look-ups of one deployment at once: one whose names nobody answers for leaves most places to the others.
const MAX_OWN_LOOK_UPS: usize = 8;
/// Longest path and query, in bytes, as the gate's own listeners take it.
const MAX_PATH: usize = 8 << 10;
/// Connections that had gone when they were used, before one is given up: the peer closes them as it likes.
const MAX_STALE: usize = 3;

/// What all deployments share: the network and who we are on it. No connection is shared.
pub(crate) struct Client {
    network: Arc<dyn Network>,
    own: Own,
    look_ups: Arc<Semaphore>,
    places: Arc<Semaphore>,
    tasks: Tasks,
    counters: OutboundCounters,
    roots: Option<Arc<RootCertStore>>,
}

impl Client {
    /// A client that reaches the system's network, and never these listeners of ours. It speaks TLS if it is given roots, which it reads now: call it
    /// from a blocking thread.
    pub(crate) fn new(own: Own, tasks: Tasks, metrics: &Metrics, roots: Option<&Roots>) -> Arc<Self> {
        Self::over(Arc::new(System), own, tasks, metrics, roots.map(tls::system_roots))
    }

    fn over(network: Arc<dyn Network>, own: Own, tasks: Tasks, metrics: &Metrics, roots: Option<Arc<RootCertStore>>) -> Arc<Self> {
        Arc::new(Self {
            network,
            own,
            look_ups: Arc::new(Semaphore::new(MAX_LOOK_UPS)),
            places: Arc::new(Semaphore::new(MAX_IN_GATEWAY)),
            tasks,
            counters: metrics.outbound.clone(),
            roots,
        })
    }
}

/// One deployment's way out.
pub(crate) struct Caller {
    client: Arc<Client>,
    tenant: TenantId,
    deployment: DeploymentId,
    rules: Vec<OutboundRule>,
    secrets: Arc<Secrets>,
    places: Arc<Semaphore>,
    look_ups: Arc<Semaphore>,
    pool: Arc<Pool>,
    tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.deployment)
    }
}

/// A [`Caller`] as the host knows it.
#[derive(Debug)]
pub(crate) struct Egress(Arc<Caller>);

impl Egress {
    /// What this deployment is granted.
    pub(crate) fn new(client: Arc<Client>, plan: &Deployment, secrets: Arc<Secrets>) -> Self {
        let who = (plan.tenant.clone(), plan.id.clone());
        Self::granting(client, who, plan.allow_outbound.clone(), secrets)
    }

    fn granting(
        client: Arc<Client>,
        (tenant, deployment): (TenantId, DeploymentId),
        rules: Vec<OutboundRule>,
        secrets: Arc<Secrets>,
    ) -> Self {
        let speaks_tls = rules.iter().any(|rule| rule.scheme() == OutboundScheme::Https);
        let tls = client.roots.clone().filter(|_| speaks_tls).and_then(|roots| {
            let config = tls::config(roots);
            config.inspect_err(|error| tracing::error!(%error, "calls out have no TLS")).ok()
        });
        Self(Arc::new(Caller {
            tenant,
            deployment,
            rules,
            secrets,
            places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            look_ups: Arc::new(Semaphore::new(MAX_OWN_LOOK_UPS)),
            pool: Pool::new(client.tasks.clone()),
            tls,
            client,
        }))
    }
}

impl Outbound for Egress {
    fn is_open(&self) -> bool {
        !self.0.rules.is_empty()
    }

    fn send(&self, outgoing: Outgoing) -> Sent {
        let caller = Arc::clone(&self.0);
        // On the gateway's own threads: a worker in the slow lane must not make its peer wait, and connections outlive calls.
        let sent = self.0.client.tasks.tied(async move { caller.answer(outgoing).await });
        Box::pin(async move { sent.await.unwrap_or(Err(OutboundError::Terminated)) })
    }
}

impl Caller {
    async fn answer(self: Arc<Self>, outgoing: Outgoing) -> Result<Response<OutboundBody>, OutboundError> {
        let mut tally = Tally {
            caller: Arc::clone(&self),
            result: "cancelled",
        };
        match self.attempt(outgoing).await {
            Ok(answer) => {
                tally.result = "answered";
                Ok(answer)
            }
            Err(Failed::Refused(refusal)) => {
                tally.result = "refused";
                let labels = [self.tenant.as_str(), self.deployment.as_str(), refusal.as_str()];
                OutboundCounters::count(&self.client.counters.refused, &labels);
                tracing::debug!(target: "egress", caller = ?self, reason = refusal.as_str(), "a call out is refused");
                Err(refusal.into())
            }
            Err(Failed::Error(error)) => {
                tally.result = result_of(&error);
                tracing::debug!(target: "egress", caller = ?self, %error, "a call out failed");
                Err(error)
            }
        }
    }

    async fn attempt(self: &Arc<Self>, outgoing: Outgoing) -> Result<Response<OutboundBody>, Failed> {
        let Outgoing {
            request,
            connect: connecting,
            first_byte,
            between_bytes,
            origin,
        } = outgoing;
        let (mut parts, body) = request.into_parts();

        // 1. Where to, and whether that is granted. Nothing has been looked up yet.
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            return Err(Refusal::Method.into());
        }
        let target = Target::of(&parts.uri)?;
        let literal = policy::permit(&self.rules, &target, &self.client.own)?;
        if parts.uri.path_and_query().is_some_and(|path| path.as_str().len() > MAX_PATH) {
            return Err(OutboundError::TargetTooLong.into());
        }

        // 2. What is sent along.
        hop::scrub(&mut parts.headers);
        header::carry(&mut parts.headers, &origin.headers)?;
        header::inject(&mut parts.headers, &self.secrets, &target)?;
        header::within_limits(&parts.headers)?;
        if announced(&parts.headers) > MAX_REQUEST {
            return Err(OutboundError::RequestBody(MAX_REQUEST).into());
        }
        let body = Capped {
            inner: body,
            left: MAX_REQUEST,
        };
        let request = Request::from_parts(parts, body.boxed_unsync());

        // 3. A place, and no waiting for one: whoever waits holds a worker.
        let in_call = Arc::clone(&origin.places).try_acquire_owned().map_err(|_| Refusal::CallPlaces)?;
        let in_deployment = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::DeploymentPlaces)?;
        let in_gateway = Arc::clone(&self.client.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::GatewayPlaces)?;

        // 4. A connection, the request on it, and the answer's head.
        let left = origin.deadline.saturating_duration_since(Instant::now());
        let connecting = clamp(connecting, CONNECT).min(left);
        let waiting = clamp(first_byte, FIRST_BYTE);
        let (kept, answer) = self
            .exchange(&target, literal, request, connecting, waiting, origin.deadline)
            .await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(OutboundError::Upgrade.into());
        }
        let (mut parts, body) = answer.into_parts();
        if !header::fits(&parts.headers) {
            return Err(OutboundError::ResponseHeader(header::MAX_FIELD_BYTES).into());
        }
        if body.size_hint().lower() > MAX_RESPONSE {
            return Err(OutboundError::ResponseBody(MAX_RESPONSE).into());
        }
        hop::scrub(&mut parts.headers);

        // 5. The rest comes as the worker reads it.
        let lease = Lease {
            caller: Arc::clone(self),
            target,
            kept,
            _places: [in_call, in_deployment, in_gateway],
        };
        let body = Answered::new(body, clamp(between_bytes, BETWEEN_BYTES), origin.deadline, lease);
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }

    /// Sends on a connection that waits, or on a new one. Comes back with the connection when it is this call's alone.
    async fn exchange(
        &self,
        target: &Target,
        literal: Option<std::net::SocketAddr>,
        mut request: Request<OutboundBody>,
        connecting: Duration,
        waiting: Duration,
        deadline: Instant,
    ) -> Result<(Option<Kept>, Response<Incoming>), Failed> {
        for attempt in 0.. {
            let waited = if attempt < MAX_STALE { self.pool.take(target) } else { None };
            let is_new = waited.is_none();
            let mut kept = match waited {
                Some(kept) => kept,
                None => {
                    let sender = connect(self, target, literal, connecting).await?;
                    Kept::new(sender)
                }
            };
            fit(&mut request, target, &kept.sender).ok_or(OutboundError::Protocol)?;
            let until = (Instant::now() + waiting).min(deadline);
            let sent = timeout_at(until, send(&mut kept.sender, request)).await;
            match sent {
                Err(_) if Instant::now() < deadline => return Err(OutboundError::ReadTimeout.into()),
                Err(_) => return Err(OutboundError::Deadline.into()),
                Ok(Ok(answer)) => {
                    if let Sender::H2(sender) = &kept.sender {
                        if is_new {
                            let shared = Kept::new(Sender::H2(sender.clone()));
                            self.pool.put(target.clone(), shared);
                        }
                        return Ok((None, answer));
                    }
                    return Ok((Some(kept), answer));
                }
                Ok(Err(mut error)) => match error.take_message() {
                    // It went away while it waited; nothing of the request was sent.
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(of_hyper(error.error()).into()),
                },
            }
        }
        Err(OutboundError::Terminated.into())
    }

    /// Counts an answer whose body broke off.
    fn broken(&self, error: &OutboundError) {
        let labels = [self.tenant.as_str(), self.deployment.as_str(), result_of(error)];
        OutboundCounters::count(&self.client.counters.broken, &labels);
    }
}

async fn send(sender: &mut Sender, request: Request<OutboundBody>) -> Result<Response<Incoming>, TrySendError<Request<OutboundBody>>> {
    match sender {
        Sender::H1(sender) => sender.try_send_request(request).await,
        Sender::H2(sender) => sender.try_send_request(request).await,
    }
}

/// Gives the request the form of its protocol: HTTP/1.1 has the path alone and a `Host`, HTTP/2 the whole URI.
fn fit(request: &mut Request<OutboundBody>, target: &Target, sender: &Sender) -> Option<()> {
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let authority = target.to_string();
    match sender {
        Sender::H1(_) => {
            *request.uri_mut() = Uri::from(path);
            *request.version_mut() = Version::HTTP_11;
            request.headers_mut().insert(HOST, HeaderValue::from_str(&authority).ok()?);
        }
        Sender::H2(_) => {
            let uri = Uri::builder()
                .scheme(target.scheme.as_str())
                .authority(authority)
                .path_and_query(path);
            *request.uri_mut() = uri.build().ok()?;
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().remove(HOST);
        }
    }
    Some(())
}

/// What `Content-Length` says; what it does not say is counted as it comes.
fn announced(headers: &http::HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The worker's wish, never more than ours.
fn clamp(wish: Option<Duration>, most: Duration) -> Duration {
    wish.unwrap_or(most).min(most)
}

/// Counts a call out when it is over: one that was dropped on its way counts too.
struct Tally {
    caller: Arc<Caller>,
    result: &'static str,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let Caller {
            client,
            tenant,
            deployment,
            ..
        } = &*self.caller;
        OutboundCounters::count(&client.counters.requests, &[tenant.as_str(), deployment.as_str(), self.result]);
    }
}
