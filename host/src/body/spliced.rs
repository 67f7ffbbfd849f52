//! An answer whose body its worker has handed on as it came: the request's own, or that of a call out. The worker is gone; its limits hold on.

use super::{BodyError, Streaming, Whole};
use crate::{CallError, revision::Places};
use bytes::Bytes;
use http_body::{Body, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// What was there when the worker returned, then the rest.
pub(crate) struct Spliced {
    there: Whole,
    rest: Streaming,
    /// It counts as a call until it has ended, and no longer than a call may take: this task holds its places until then, since nobody polls a body
    /// whose reader takes nothing.
    wall: JoinHandle<()>,
}

impl Spliced {
    pub(crate) fn new(there: Whole, rest: Streaming, wall: Instant, places: Places) -> Self {
        let wall = tokio::spawn(async move {
            let _places = places;
            sleep_until(wall).await;
        });
        Self { there, rest, wall }
    }
}

impl Body for Spliced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let ready @ Poll::Ready(Some(_)) = Pin::new(&mut self.there).poll_frame(cx) {
            return ready;
        }
        if Pin::new(&mut self.wall).poll(cx).is_ready() {
            return Poll::Ready(Some(Err(self.rest.cut_off(CallError::Wall))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }
}

impl Drop for Spliced {
    fn drop(&mut self) {
        self.wall.abort();
    }
}
