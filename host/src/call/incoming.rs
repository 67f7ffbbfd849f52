//! A guest of `wasi:http/incoming-handler` 0.2.

use super::{Head, Outcome, begins, not_instantiated, trapped};
use crate::{CallError, Revision, body::Incoming, guest::Guest};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::{
    WasiHttpView,
    p2::bindings::{ProxyPre, http::types::Scheme},
};

/// Runs it to its end.
pub(super) async fn run(
    pre: &ProxyPre<Guest>,
    revision: &Revision,
    store: &mut Store<Guest>,
    request: http::Request<Incoming>,
    answer: oneshot::Sender<Head>,
) -> Outcome {
    let host = |error: wasmtime::Error| CallError::Host(format!("{error:#}"));
    let scheme = if request.uri().scheme() == Some(&http::uri::Scheme::HTTPS) {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let request = store.data_mut().http().new_incoming_request(scheme, request).map_err(host)?;
    let tell = |head: Result<_, _>| drop(answer.send(head.map_err(|code| format!("{code:?}"))));
    let answer = store.data_mut().http().new_response_outparam_from_callback(tell).map_err(host)?;
    begins(revision);
    let proxy = pre.instantiate_async(&mut *store).await;
    let proxy = proxy.map_err(|error| not_instantiated(revision, &error))?;
    let called = proxy.wasi_http_incoming_handler().call_handle(store, request, answer).await;
    called.map_err(|error| trapped(revision, &error))
}
