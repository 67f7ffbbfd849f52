//! Bodies that a guest of `wasi:http` 0.3 hands on as it got them: its request's as its answer, an answer to it as what it sends.
//!
//! What a guest reads comes to it through its store. When it hands the stream on, wasmtime takes the body back out, and forgets what is left of a
//! piece that the guest has read a part of (48.0.8: `try_into` of a stream drops its producer's buffer). The reader would miss bytes, and nobody would
//! know. So a body that its guest has begun to read is refused where it is handed on.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
};
use wasmtime_wasi_http::Error;

thread_local! {
    /// Whether the poll that runs on this thread is for someone beyond the guest.
    static OUTWARD: Cell<bool> = const { Cell::new(false) };
}

/// A body on its way in: knows whether its guest has begun to read it.
pub(crate) struct Inward<B> {
    inner: B,
    begun: bool,
}

impl<B> Inward<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner, begun: false }
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Inward<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let outward = OUTWARD.get();
        if outward && self.begun {
            let why = "the worker has handed on a body that it had begun to read".to_owned();
            return Poll::Ready(Some(Err(Error::InternalError(Some(why)))));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.begun |= !outward && frame.is_data();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        // Someone beyond the guest has to ask, to be refused.
        !self.begun && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body on its way out of the guest. Whether it is the guest's own cannot be seen.
pub(crate) struct Outward<B>(pub(crate) B);

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Outward<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        /// However the poll ends.
        struct Before(bool);
        impl Drop for Before {
            fn drop(&mut self) {
                OUTWARD.set(self.0);
            }
        }
        let _before = Before(OUTWARD.replace(true));
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
