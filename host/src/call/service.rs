//! A guest of `wasi:http/handler` 0.3. When it has returned its answer it may go on: with the answer's body, or with what it has begun beside it.

use super::{Head, Outcome, Sandbox, trapped};
use crate::{
    CallError, Revision,
    body::{Incoming, Inward, Leaving},
    guest::Guest,
};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};
use tokio::sync::oneshot;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::{
    Error, WasiHttpView,
    p3::{
        Request,
        bindings::{Service, ServicePre},
    },
};

/// Runs it until nothing of it is left to run.
pub(super) async fn run(
    pre: &ServicePre<Guest>,
    revision: &Arc<Revision>,
    sandbox: &mut Sandbox,
    request: http::Request<Incoming>,
    answer: oneshot::Sender<Head>,
) -> Outcome {
    // What the guest says of how it took the request is nobody's news.
    let (request, _) = Request::from_http(sandbox.store.data_mut().http().hooks, request.map(Inward::new));
    let (store, service) = sandbox.enter(pre, revision).await?;
    let mut running = pin!(store.run_concurrent(async |guest| {
        let head = call(service, guest, request, revision).await?;
        // Whoever waited for it may be gone.
        let _ = answer.send(head);
        poll_fn(|cx| guest.poll_no_interesting_tasks(cx)).await;
        Ok(())
    }));
    let ran = poll_fn(|cx| {
        // A guest can make this part of wasmtime panic (GHSA-xrvr-8678-5wp8, open in 48.0.8). That must end its own call, not the connection,
        // on which others may be waiting.
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(Poll::Ready(ran)) => Poll::Ready(Ok(ran.flatten())),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(CallError::Trap("the component made the host panic".to_owned()))),
        }
    });
    ran.await?.map_err(|error| trapped(revision, &error))
}

/// The answer's head, with a body that the guest goes on to fill.
async fn call(service: &Service, guest: &Accessor<Guest>, request: Request, revision: &Arc<Revision>) -> wasmtime::Result<Head> {
    let is_head = request.method == Method::HEAD;
    let response = match service.handle(guest, request).await? {
        Ok(response) => response,
        Err(code) => return Ok(Err(format!("{code:?}"))),
    };
    let is_promised = !is_head && response.status != StatusCode::NOT_MODIFIED;
    let (told, taken) = oneshot::channel();
    let taken = async { taken.await.unwrap_or(Err(Error::ConnectionTerminated)) };
    let answer = guest.with(|store| response.into_http(store, taken))?;
    Ok(Ok(answer.map(|body| {
        Leaving::new(body, told, is_promised, Arc::clone(revision)).boxed_unsync()
    })))
}
