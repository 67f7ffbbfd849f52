//! `greentic:http/http-client`: the way out of `wasi:http/outgoing-handler`, with whole requests and whole answers.

use super::{
    Refused, agreed,
    bindings::greentic::interfaces_types::types::TenantCtx,
    http_client::{Host, HostError, Request, RequestOptions, Response},
};
use crate::{OutboundBody, OutboundError, guest::Guest, outgoing::Sent};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of an answer: it is held whole in the host's memory, once for each call. `wasi:http` streams what is larger.
const MAX_ANSWER: usize = 1 << 20;

impl From<Refused> for HostError {
    fn from(Refused { code, message }: Refused) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}

impl From<OutboundError> for Refused {
    fn from(error: OutboundError) -> Self {
        use OutboundError as E;
        let code = match error {
            E::Denied | E::AddressProhibited | E::Loop => "denied",
            E::TooMany => "too-many",
            E::Dns | E::Refused | E::Unavailable | E::Terminated => "unavailable",
            E::DnsTimeout | E::ConnectTimeout | E::ReadTimeout | E::Deadline => "timeout",
            E::Tls | E::Certificate | E::Alert => "tls",
            E::TargetTooLong | E::RequestHeader(_) | E::RequestBody(_) | E::RequestIncomplete => "invalid-request",
            E::ResponseHeader(_) | E::ResponseBody(_) => "too-large",
            E::ResponseIncomplete | E::Upgrade | E::Protocol => "protocol",
        };
        Self::new(code, error.to_string())
    }
}

/// What is sent, as [`crate::Outbound`] judges it. Nothing of it is judged here but that it is a request at all.
fn request(said: Request) -> Result<http::Request<OutboundBody>, Refused> {
    let invalid = |what: &str| Refused::new("invalid-request", format!("this is no {what}"));
    let mut request = http::Request::new(());
    *request.method_mut() = said.method.parse().map_err(|_| invalid("method"))?;
    *request.uri_mut() = said.url.parse().map_err(|_| invalid("URL"))?;
    if request.uri().scheme().is_none() || request.uri().authority().is_none() {
        return Err(invalid("absolute URL"));
    }
    for (name, value) in said.headers {
        let name: HeaderName = name.parse().map_err(|_| invalid("name of a header field"))?;
        // Both are said by the request itself.
        if name != HOST && name != CONTENT_LENGTH {
            let value = HeaderValue::try_from(value).map_err(|_| invalid("value of a header field"))?;
            request.headers_mut().append(name, value);
        }
    }
    let body = Bytes::from(said.body.unwrap_or_default());
    Ok(request.map(|()| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
}

async fn whole(sent: Sent) -> Result<Response, Refused> {
    let (head, mut body) = sent.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_ANSWER {
            let message = format!("the answer's body is over {MAX_ANSWER} bytes; `wasi:http` streams larger ones");
            return Err(Refused::new("too-large", message));
        }
        bytes.extend_from_slice(&data);
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: (!bytes.is_empty()).then_some(bytes),
    })
}

async fn send(guest: &mut Guest, said: Request, options: Option<RequestOptions>, ctx: Option<TenantCtx>) -> Result<Response, Refused> {
    agreed(&guest.revision, ctx.as_ref())?;
    if options.as_ref().and_then(|options| options.allow_insecure) == Some(true) {
        return Err(Refused::new(
            "denied",
            "certificates are always checked; `allow-insecure` is not granted",
        ));
    }
    let patience = options.and_then(|options| options.timeout_ms);
    let sent = guest.outgoing.send(request(said)?, wasmtime_wasi_http::RequestOptions::default())?;
    match patience {
        None => whole(sent).await,
        Some(ms) => {
            let answer = timeout(Duration::from_millis(u64::from(ms)), whole(sent)).await;
            answer.unwrap_or_else(|_| Err(Refused::new("timeout", format!("no whole answer in {ms} ms"))))
        }
    }
}

impl Host for &mut Guest {
    async fn send(
        &mut self,
        request: Request,
        options: Option<RequestOptions>,
        ctx: Option<TenantCtx>,
    ) -> wasmtime::Result<Result<Response, HostError>> {
        Ok(send(self, request, options, ctx).await.map_err(Into::into))
    }
}
