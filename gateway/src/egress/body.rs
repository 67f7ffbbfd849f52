//! Bodies of calls out: each within its limit, an answer's with a deadline for every piece.

use super::{Caller, pool::Kept, target::Target};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};
use tollgate_host::{OutboundBody, OutboundError};

/// A request's body, in bytes: what a worker's memory could hold, and more than the APIs of chat services take.
pub(crate) const MAX_REQUEST: u64 = 16 << 20;
/// An answer's body, in bytes: it is read piece by piece, so it may be larger than a worker's memory.
pub(crate) const MAX_RESPONSE: u64 = 64 << 20;

/// A request's body within [`MAX_REQUEST`].
#[derive(Debug)]
pub(super) struct Capped {
    pub(super) inner: OutboundBody,
    pub(super) left: u64,
}

impl Body for Capped {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.remaining() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(OutboundError::RequestBody(MAX_REQUEST)))),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What an answer's body holds until its end.
#[derive(Debug)]
pub(super) struct Lease {
    /// Whose call it is.
    pub(super) caller: Arc<Caller>,
    /// Where it went.
    pub(super) target: Target,
    /// The connection; nothing for one that others share.
    pub(super) kept: Option<Kept>,
    /// A place of the call's, one of the deployment's, one of the gateway's.
    pub(super) _places: [OwnedSemaphorePermit; 3],
}

/// An answer's body on its way to the worker.
#[derive(Debug)]
pub(super) struct Answered {
    inner: Incoming,
    left: u64,
    /// Between two pieces.
    patience: Duration,
    /// When the call that asked ends.
    deadline: Instant,
    silence: Option<Pin<Box<Sleep>>>,
    lease: Option<Lease>,
}

impl Answered {
    pub(super) fn new(inner: Incoming, patience: Duration, deadline: Instant, lease: Lease) -> Self {
        let mut body = Self {
            inner,
            left: MAX_RESPONSE,
            patience,
            deadline,
            silence: None,
            lease: Some(lease),
        };
        body.settle();
        body
    }

    /// Gives the connection back when nothing more can come. A worker may well not ask for the end.
    fn settle(&mut self) {
        if self.inner.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(Lease {
            caller,
            target,
            kept: Some(kept),
            ..
        }) = self.lease.take()
        {
            caller.pool.give_back(target, kept);
        }
    }

    /// Ends with an error; the connection goes.
    fn fail(&mut self, error: OutboundError) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        if let Some(lease) = self.lease.take() {
            lease.caller.broken(&error);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence = None;
                let length = frame.data_ref().map_or(0, Buf::remaining) as u64;
                match self.left.checked_sub(length) {
                    Some(left) => self.left = left,
                    None => return self.fail(OutboundError::ResponseBody(MAX_RESPONSE)),
                }
                self.settle();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = match of_hyper(&error) {
                    OutboundError::Terminated => OutboundError::ResponseIncomplete,
                    other => other,
                };
                self.fail(error)
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let (next, deadline) = (Instant::now() + self.patience, self.deadline);
                let silence = self.silence.get_or_insert_with(|| Box::pin(sleep_until(next.min(deadline))));
                if silence.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.fail(if Instant::now() < deadline {
                    OutboundError::ReadTimeout
                } else {
                    OutboundError::Deadline
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What an error of the client means to a worker.
pub(super) fn of_hyper(error: &hyper::Error) -> OutboundError {
    let mut source = error.source();
    while let Some(inner) = source {
        // The request's own body.
        if let Some(own) = inner.downcast_ref::<OutboundError>() {
            return own.clone();
        }
        if inner.is::<std::io::Error>() {
            return OutboundError::Terminated;
        }
        source = inner.source();
    }
    if error.is_parse_too_large() {
        OutboundError::ResponseHeader(super::header::MAX_FIELD_BYTES)
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        OutboundError::Terminated
    } else {
        OutboundError::Protocol
    }
}
