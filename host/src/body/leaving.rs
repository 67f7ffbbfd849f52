//! The body of an answer by `wasi:http` 0.3, as it leaves its guest.

use super::Outward;
use crate::{Revision, call::over_fields, limit::Limit};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

/// Holds the trailers to the limits of a head and the bytes to the length that the head promised, and tells the guest when all of it was taken.
pub(crate) struct Leaving {
    inner: Outward<WasiBody>,
    /// Dropped without a word when the body is given up.
    told: Option<oneshot::Sender<Result<(), Error>>>,
    /// Not so where a head promises what no body follows (RFC 9110 8.6): to `HEAD`, and with 304.
    is_promised: bool,
    revision: Arc<Revision>,
}

impl Leaving {
    pub(crate) fn new(inner: WasiBody, told: oneshot::Sender<Result<(), Error>>, is_promised: bool, revision: Arc<Revision>) -> Self {
        Self {
            inner: Outward(inner),
            told: Some(told),
            is_promised,
            revision,
        }
    }

    /// The end of its data. wasmtime loses its own error when the last piece has not been taken yet.
    fn check_length(&self) -> Result<(), Error> {
        match self.inner.size_hint().exact() {
            Some(missing) if missing > 0 && self.is_promised => Err(Error::HttpResponseBodySize(None)),
            _ => Ok(()),
        }
    }

    /// Within the limits of trailers, if they are any.
    fn check(&self, frame: &Frame<Bytes>) -> Result<(), Error> {
        let Some(trailers) = frame.trailers_ref() else { return Ok(()) };
        self.check_length()?;
        let Some(bytes) = over_fields(trailers) else { return Ok(()) };
        self.revision.counters.limits.add(Limit::Fields);
        Err(Error::HttpResponseTrailerSectionSize(u32::try_from(bytes).ok()))
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(frame) => Some(frame.and_then(|frame| self.check(&frame).map(|()| frame))),
            None => self.check_length().err().map(Err),
        };
        // HTTP/1.1 takes the last byte of a known length, and does not ask for more.
        let is_whole = self.is_promised && self.inner.size_hint().exact() == Some(0);
        match (&polled, self.told.take()) {
            // A guest that has not asked is not told.
            (None, Some(told)) => drop(told.send(Ok(()))),
            (Some(Ok(_)), Some(told)) if is_whole => drop(told.send(Ok(()))),
            (Some(Ok(_)), told) => self.told = told,
            _ => {}
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
