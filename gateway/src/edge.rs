//! The way of one request, readable from top to bottom in [`walk`]. Each step takes what the one before it made.

pub(crate) mod authority;
pub(crate) mod body;
pub(crate) mod head;

use crate::{
    access::{End, Entry},
    admit::{Admission, Entrant, admit},
    dispatch,
    gate::Gate,
    identity,
    listen::Peer,
    respond::{self, Refused, body::AnswerBody},
    route::Arrival,
    snapshot::Endpoint,
    trace::Trace,
};
use bytes::Bytes;
use head::Head;
use http::{Method, Request, Response, header::ORIGIN};
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tollgate_ingress::{Opened, UnixTime};

/// Answers one request, whatever it is. Dropping the future (the client went away) cancels the worker's call and closes the log's entry.
pub(crate) async fn answer(gate: Arc<Gate>, peer: Arc<Peer>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let mut entry = Entry::begin(&gate, &peer, &request);
    let (origin, preflight) = (request.headers().get(ORIGIN).cloned(), request.method() == Method::OPTIONS);
    let mut response = match walk(&gate, &peer, request, &mut entry).await {
        Ok(response) => response,
        Err(refused) => {
            entry.refused(&refused);
            respond::refused(&refused, &entry.id)
        }
    };
    if let Some(desk) = entry.endpoint().and_then(|endpoint| endpoint.webchat.as_ref()) {
        desk.share(response.headers_mut(), origin.as_ref(), preflight);
    }
    Ok(respond::seal(response, entry))
}

/// The way. One line of why for each step.
async fn walk(gate: &Arc<Gate>, peer: &Peer, request: Request<Incoming>, entry: &mut Entry) -> Result<Response<AnswerBody>, Refused> {
    let snapshot = gate.snapshot();
    let now = SystemTime::now();

    // Limits, Host and SNI first: nothing is looked up for a request that no rule could accept.
    let (mut head, body) = head::accept(request, peer, &gate.tasks).inspect_err(|rejected| rejected.charge(&snapshot, entry))?;

    // Trace before routing, so that a refusal can be found by its trace too.
    entry.traced(Trace::enter(&mut head.headers, entry.number()), head.host.as_str());

    // Route: host + path -> endpoint or public route.
    let arrival = snapshot
        .routes
        .find(head.host.as_str(), head.path.path(), &head.method)
        .inspect_err(|_| {
            if let Some(endpoint) = snapshot.routes.endpoint(head.host.as_str(), head.path.path()) {
                entry.charged_to(endpoint);
            }
        })?;
    entry.arrived(&arrival);

    // Ingress: what an endpoint gets is whole and verified before anything else is thought of it.
    let (entrant, body) = match arrival {
        Arrival::Public(public) => {
            let limit = public.route().deployment.limits.body.get();
            (Entrant::Public(public), body.streamed(limit)?)
        }
        Arrival::Endpoint(endpoint) => {
            let bytes = body.collect(endpoint.body_limit, &gate.unverified).await?;
            if let Some(desk) = &endpoint.webchat
                && let Some(answer) = desk.answer(&endpoint, &head, &bytes, peer.address.ip(), now)?
            {
                entry.reached(End::Handshake);
                return Ok(respond::handshake(answer));
            }
            match open(&endpoint, &head, &bytes, now)? {
                Opened::Handshake(answer) => {
                    entry.reached(End::Handshake);
                    return Ok(respond::handshake(answer));
                }
                Opened::Deliveries(mut deliveries) => match (deliveries.events.pop(), deliveries.events.len()) {
                    (Some(delivery), 0) => (
                        Entrant::Verified {
                            endpoint,
                            delivery: Box::new(delivery),
                        },
                        body::empty(),
                    ),
                    (_, others) => return Err(Refused::Batch(others + 1)),
                },
            }
        }
    };

    // Identity after proof: a signed account may narrow whose it is.
    let tenant = identity::resolve(&entrant)?;

    // Admission: one event runs once.
    let admitted = match admit(&gate.dedupe, entrant, tenant, now).await? {
        Admission::Admitted(admitted) => admitted,
        Admission::Duplicate(status) => {
            entry.reached(End::Duplicate);
            return Ok(respond::duplicate(status));
        }
    };
    entry.admitted(&admitted);

    // Dispatch: which revision, and what it is handed.
    let assignment = dispatch::assign(&admitted)?;
    entry.assigned(&assignment.revision.id, assignment.choice.as_str());
    dispatch::headers::scrub(&mut head.headers, peer.trusted);
    head.headers.insert(respond::X_REQUEST_ID, entry.id.header());
    let call = dispatch::request(head, &admitted, &assignment, body)?;

    // The call: a fresh instance, cancelled when this future is dropped.
    let answer = assignment.revision.revision.call(call).await;

    // The answer: a public one streams; a provider's is whole first, because its end decides whether the delivery is done.
    match answer {
        Ok(answer) => respond::worker(answer, admitted, entry).await,
        Err(error) => respond::failed(error, admitted),
    }
}

/// Verifies what came to an endpoint.
fn open(endpoint: &Endpoint, head: &Head, body: &Bytes, now: SystemTime) -> Result<Opened, Refused> {
    let request = tollgate_ingress::Request {
        method: &head.method,
        path_and_query: head.path.as_str(),
        headers: &head.headers,
        body,
    };
    // A clock before 1970 is no clock: every timestamp is then in the future and refused.
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let opened = tollgate_ingress::open(
        &endpoint.scheme,
        &request,
        &endpoint.keys,
        UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX)),
    );
    if let Ok(Opened::Deliveries(deliveries)) = &opened {
        for delivery in &deliveries.events {
            endpoint.counters.opened_by(delivery.matched_key());
        }
    }
    opened.map_err(Refused::Ingress)
}
