//! What a worker's call came to: its answer, on its way to a caller or a provider, or why there is none.

use super::{Refused, body::AnswerBody, whole};
use crate::{
    access::{Course, End},
    admit::{Admitted, Entrant},
    dispatch::headers::scrub_answer,
};
use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_LENGTH};
use http_body_util::{BodyExt, Limited};
use std::time::SystemTime;
use tollgate_host::{BodyError, CallError, ResponseBody};

/// Longest answer of a worker to a provider, in bytes. The largest that a provider reads is a page of Slack's, well under this.
const MAX_PROVIDER_ANSWER: usize = 1 << 20;

/// A worker's answer. To a caller of a route it streams. To a provider it is whole first: a delivery is done when the answer came to its end
/// with a 2xx, and an answer that breaks off can still become a proper error.
///
/// # Errors
/// When the worker's answer to a provider cannot be passed on, or its status is no final one.
pub(crate) async fn worker(
    answer: Response<ResponseBody>,
    admitted: Admitted,
    course: &mut Course,
) -> Result<Response<AnswerBody>, Refused> {
    let (mut parts, body) = answer.into_parts();
    if parts.status.is_informational() {
        // 101 would hand the connection to the worker; it has none.
        return refuse(Refused::AnswerStatus(parts.status.as_u16()), admitted);
    }
    scrub_answer(&mut parts.headers);
    if let Entrant::Route(_) = admitted.entrant() {
        return Ok(Response::from_parts(parts, AnswerBody::worker(body)));
    }
    // Its length is counted anew.
    parts.headers.remove(CONTENT_LENGTH);
    let bytes = match read_whole(body).await {
        Ok(bytes) => bytes,
        Err(refused) => return refuse(refused, admitted),
    };
    if parts.status.is_success() {
        course.reached(End::Done);
        if let Entrant::Verified { endpoint, delivery } = admitted.entrant()
            && let Some(desk) = &endpoint.webchat
        {
            let kept = desk.said(delivery, &bytes, SystemTime::now());
            admitted.settle(StatusCode::OK);
            return Ok(whole(StatusCode::OK, Some("application/json"), kept));
        }
    }
    admitted.settle(parts.status);
    Ok(Response::from_parts(parts, AnswerBody::whole(bytes)))
}

/// A worker's answer to its end.
///
/// # Errors
/// When it breaks off, or is longer than any provider reads.
async fn read_whole(body: ResponseBody) -> Result<Bytes, Refused> {
    match Limited::new(body, MAX_PROVIDER_ANSWER).collect().await {
        Ok(bytes) => Ok(bytes.to_bytes()),
        Err(error) => Err(match error.downcast::<BodyError>().map(|error| *error) {
            Ok(BodyError::Worker(error)) => Refused::AnswerBroken(error),
            Ok(other) => Refused::AnswerBroken(CallError::Host(other.to_string())),
            Err(_) => Refused::AnswerTooLarge,
        }),
    }
}

/// A call without an answer.
///
/// # Errors
/// Always.
pub(crate) fn failed(error: CallError, admitted: Admitted) -> Result<Response<AnswerBody>, Refused> {
    refuse(Refused::Call(error), admitted)
}

fn refuse(refused: Refused, admitted: Admitted) -> Result<Response<AnswerBody>, Refused> {
    admitted.settle(refused.status());
    Err(refused)
}
