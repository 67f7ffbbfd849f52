//! The way of one request, readable from top to bottom: [`walk`] goes up to the gate (by [`receive`] what came to an endpoint), [`enter`] from there to
//! the answer. Each step takes what the one before it made.

pub(crate) mod authority;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod head;

use crate::{
    access::{Course, End, Entry, Part},
    admit::{self, Admission, Entrant, admit},
    dispatch,
    gate::Gate,
    identity::{self, Said, token::Bearer},
    listen::Peer,
    respond::{self, Refused, body::AnswerBody},
    route::Arrival,
    snapshot::Endpoint,
    trace::Trace,
};
use body::Inbound;
use bytes::Bytes;
use head::Head;
use http::{Method, Request, Response, StatusCode, header::ORIGIN};
use hyper::body::Incoming;
use std::{convert::Infallible, sync::Arc, time::SystemTime};
use tollgate_host::RequestBody;
use tollgate_ingress::{Keys, Opened, Refusal, UnixTime, Verified};

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
    // A browser shows a page only what is shared with it, refusals too.
    if let Some(desk) = entry.endpoint().and_then(|endpoint| endpoint.webchat.as_ref()) {
        desk.share(response.headers_mut(), origin.as_ref(), preflight);
    }
    Ok(respond::seal(response, entry))
}

/// The way to the gate. One line of why for each step.
async fn walk(gate: &Arc<Gate>, peer: &Peer, request: Request<Incoming>, entry: &mut Entry) -> Result<Response<AnswerBody>, Refused> {
    let snapshot = gate.snapshot();
    let now = SystemTime::now();

    // Limits, Host and SNI first: nothing is looked up for a request that no rule could accept.
    let (mut head, body) = head::accept(request, peer, &gate.tasks).inspect_err(|rejected| rejected.charge(&snapshot, peer, entry))?;

    // Trace before routing, so that a refusal can be found by its trace too.
    entry.traced(Trace::enter(&mut head.headers, entry.number()), head.host.as_str());

    // Route: tenant (as the manifest's `identity` finds it), host and path -> endpoint or route.
    let said = Said::by(&head.headers, peer.trusted);
    let bearer = Bearer::of(&head.headers);
    let arrival = snapshot
        .routes
        .find(head.host.as_str(), head.path.path(), &head.method, said, bearer.is_there())
        .inspect_err(|_| {
            if let Some(endpoint) = snapshot.routes.endpoint(head.host.as_str(), head.path.path(), said) {
                entry.charged_to(endpoint);
            }
        })?;
    entry.arrived(&arrival);

    // The doorstep: who may call, and how often, before a byte of the body is read or a signature computed.
    admit::doorstep(&arrival, peer.address.ip())?;

    let leave = match arrival {
        Arrival::Endpoint(endpoint) => return receive(gate, peer, endpoint, head, body, now, entry).await,
        Arrival::Open(leave) => leave,
        // A token, where the route wants one: nothing of the body is looked at before.
        Arrival::Guarded(guarded) => {
            let tokens = snapshot.tokens.as_ref().ok_or(Refused::NotRouted)?;
            let proof = tokens.verify(bearer, &gate.keys, now.into()).await?;
            let leave = snapshot.routes.unlock(guarded, &proof, head.host.as_str(), head.path.path())?;
            entry.allowed(&leave);
            leave
        }
    };
    let body = body.streamed(leave.route().deployment.limits.body.get())?;
    let head = dispatch::headers::prepare(head, peer, &entry.id);
    enter(gate, head, body, Entrant::Route(leave), now, &mut entry.course).await
}

/// The way of what came to an endpoint, to the gate.
async fn receive(
    gate: &Gate,
    peer: &Peer,
    endpoint: Arc<Endpoint>,
    head: Head,
    body: Inbound,
    now: SystemTime,
    entry: &mut Entry,
) -> Result<Response<AnswerBody>, Refused> {
    // Ingress: it is whole and verified before anything else is thought of it.
    let (bytes, unverified) = body.collect(endpoint.body_limit, &gate.unverified).await?;
    // Web chat answers by itself what is no delivery: tokens, conversations, what was said.
    if let Some(desk) = &endpoint.webchat
        && let Some(answer) = desk.answer(&endpoint, &head, &bytes, peer.address.ip(), now)?
    {
        entry.course.reached(End::Handshake);
        return Ok(respond::handshake(answer));
    }
    let opened = open(gate, &endpoint, &head, &bytes, now).await?;
    drop(unverified);
    let deliveries = match opened {
        Opened::Handshake(answer) => {
            entry.course.reached(End::Handshake);
            return Ok(respond::handshake(answer));
        }
        Opened::Deliveries(deliveries) => deliveries,
    };

    // What is verified and shall not run is acknowledged; each event goes the rest of the way by itself.
    entry.dropped(&endpoint, &deliveries.dropped);
    let head = dispatch::headers::prepare(head, peer, &entry.id);
    let mut events = deliveries.events;
    match events.pop() {
        Some(delivery) if events.is_empty() && !endpoint.batches => {
            let entrant = Entrant::verified(endpoint, delivery);
            enter(gate, head, body::empty(), entrant, now, &mut entry.course).await
        }
        last => {
            events.extend(last);
            all(gate, &head, &endpoint, events, now, entry).await
        }
    }
}

/// The rest of the way, from the gate to the answer, for one event, one tick or one call of a route.
///
/// # Errors
/// Whatever keeps it from its worker's answer.
pub(crate) async fn enter(
    gate: &Gate,
    head: Head,
    body: RequestBody,
    entrant: Entrant,
    now: SystemTime,
    course: &mut Course,
) -> Result<Response<AnswerBody>, Refused> {
    // Identity after proof: a signed account says whose it is. What is nobody's is acknowledged and kept for a look.
    let Some(owner) = identity::resolve(&entrant) else {
        return Ok(respond::stray(gate, &entrant, now, course));
    };

    // Admission: within the tenant's rate, and one event runs once.
    let admitted = match admit(&gate.dedupe, entrant, owner, now).await? {
        Admission::Admitted(admitted) => admitted,
        Admission::Duplicate(status) => {
            course.reached(End::Duplicate);
            return Ok(respond::empty(status));
        }
    };
    course.admitted(&admitted);

    // Dispatch: which revision, and what it is handed.
    let assignment = dispatch::assign(&admitted)?;
    course.assigned(&assignment.revision.id, assignment.choice.as_str());
    let call = dispatch::request(head, &admitted, &assignment, body)?;

    // The call: a fresh instance, cancelled when this future is dropped.
    let answer = assignment.revision.revision.call(call).await;

    // The answer: a public one streams; a provider's is whole first, because its end decides whether the delivery is done.
    match answer {
        Ok(answer) => respond::worker(answer, admitted, course).await,
        Err(error) => respond::failed(error, admitted),
    }
}

/// All events of a request, each by [`enter`]: those of one conversation in their order, others side by side. One answer for all of them: 200 and
/// empty when all are done, else 503, and the provider's retry runs what is not. When the client goes away, what runs is cancelled, and
/// nothing is done that had not ended.
async fn all(
    gate: &Gate,
    head: &Head,
    endpoint: &Arc<Endpoint>,
    events: Vec<Verified>,
    now: SystemTime,
    entry: &mut Entry,
) -> Result<Response<AnswerBody>, Refused> {
    let (events, repeats) = batch::firsts(events, |delivery| admit::marks(endpoint, delivery));
    endpoint.counters.duplicate.inc_by(repeats as u64);
    entry.course.reached(End::Batch);
    let lanes = batch::lanes(events, |delivery| {
        let owner = endpoint.owners.of(delivery.account());
        owner.map(|owner| delivery.session_key(&owner.tenant.tenant_id))
    });
    let id = entry.id.clone();
    let ended = batch::run(lanes, |delivery| async {
        let mut part = Part::begin(gate, endpoint, &id, &delivery);
        let entrant = Entrant::verified(endpoint.clone(), delivery);
        let answer = enter(gate, head.clone(), body::empty(), entrant, now, &mut part.course).await;
        part.ended(answer.map(|answer| answer.status()))
    })
    .await;
    entry.parts(&ended, repeats)?;
    Ok(respond::empty(StatusCode::OK))
}

/// Verifies what came to an endpoint. A key that its provider publishes and that is not known yet is fetched, and then it is tried once more.
async fn open(gate: &Gate, endpoint: &Endpoint, head: &Head, body: &Bytes, now: SystemTime) -> Result<Opened, Refused> {
    let request = tollgate_ingress::Request {
        method: &head.method,
        path_and_query: head.path.as_str(),
        headers: &head.headers,
        body,
    };
    let now = UnixTime::from(now);
    let open = |keys: &Keys| tollgate_ingress::open(&endpoint.scheme, &request, keys, now);
    let keys = gate.keys.of(&endpoint.scheme, &endpoint.keys);
    let mut opened = open(&keys);
    if let Err(Refusal { wants: Some(wanted), .. }) = &opened {
        let more = gate.keys.get(&endpoint.scheme, &keys, wanted, now).await;
        if let Some(keys) = more.map_err(|error| Refused::NoKeys(error.to_string()))? {
            opened = open(&keys);
        }
    }
    if let Ok(Opened::Deliveries(deliveries)) = &opened {
        for delivery in &deliveries.events {
            endpoint.counters.opened_by(delivery.matched_key());
        }
    }
    opened.map_err(Refused::Ingress)
}
