//! An answer whose body its worker has handed on as it came: the request's own, or that of a call out. The worker is gone; its limits hold on.

use super::{BodyError, Streaming, Whole};
use crate::{CallError, revision::Places};
use bytes::Bytes;
use http_body::{Body, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Sleep;

/// What was there when the worker returned, then the rest.
pub(crate) struct Spliced {
    there: Whole,
    rest: Streaming,
    wall: Pin<Box<Sleep>>,
    /// It counts as a call until it has ended.
    _places: Places,
}

impl Spliced {
    pub(crate) fn new(there: Whole, rest: Streaming, wall: Sleep, places: Places) -> Self {
        Self {
            there,
            rest,
            wall: Box::pin(wall),
            _places: places,
        }
    }
}

impl Body for Spliced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let ready @ Poll::Ready(Some(_)) = Pin::new(&mut self.there).poll_frame(cx) {
            return ready;
        }
        if self.wall.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(self.rest.cut_off(CallError::Wall))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }
}
