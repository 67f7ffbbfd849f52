//! Calling out.

use crate::wasi3::{
    wasi::http::{
        client,
        types::{ErrorCode, Fields, Request, Response, Scheme},
    },
    wit_future,
};
use std::{collections::BTreeMap, future::poll_fn, mem, task::Poll};

/// Calls a URL; says the status and the body, or the error.
pub async fn call(url: &str) -> String {
    let answer = match request(url) {
        Ok(request) => client::send(request).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) => {
            let status = response.get_status_code();
            let (_, handled) = wit_future::new(|| Ok(()));
            let (body, trailers) = Response::consume_body(response, handled);
            let text = body.collect().await;
            match trailers.await {
                Ok(_) => format!("status: {status}\n{}", String::from_utf8_lossy(&text)),
                Err(error) => format!("status: {status}, then {error:?}"),
            }
        }
        Err(error) => format!("{error:?}"),
    }
}

/// Calls a URL, and never looks at the answer.
pub async fn forget_answer(url: &str) {
    if let Ok(request) = request(url) {
        mem::forget(client::send(request).await);
    }
}

/// Begins to call a URL, and waits for nothing.
pub async fn forget_call(url: &str) {
    if let Ok(request) = request(url) {
        let mut call = Box::pin(client::send(request));
        poll_fn(|cx| Poll::Ready(drop(call.as_mut().poll(cx)))).await;
        mem::forget(call);
    }
}

/// Calls a URL so many times at once; says how often each answer came.
pub async fn fan(count: u64, query: &str) -> String {
    let url = query.split_once("url=").map_or("", |(_, url)| url);
    let mut calls: Vec<_> = (0..count).map(|_| Box::pin(call(url))).collect();
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    poll_fn(|cx| {
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            Poll::Ready(answer) => {
                *said.entry(answer).or_default() += 1;
                false
            }
            Poll::Pending => true,
        });
        if calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    said.iter().map(|(answer, count)| format!("{count} x {answer}\n")).collect()
}

fn request(url: &str) -> Result<Request, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    let set = request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    set.map(|()| request).map_err(|()| ErrorCode::HttpRequestUriInvalid)
}
