//! Bytes on their way in and out.
//!
//! Both ways drop empty DATA frames: a guest (or a client) that writes them for ever would fill the HTTP/2 send queue, which
//! takes them without reserving capacity (GHSA-f8mm-ggr3-89wh, open in wasmtime 48.0.8).

mod handed;
mod leaving;
mod spliced;
mod tie;

use crate::{CallError, Revision, call::Shared};
use bytes::{Buf, Bytes};
use http::{StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep},
};
use wasmtime_wasi_http::WasiBody;

pub(crate) use handed::{Inward, Outward};
pub(crate) use leaving::Leaving;
pub(crate) use spliced::Spliced;
pub(crate) use tie::Tie;

/// A body that failed on its way, either way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the deployment's `limits.body`.
    #[error("the request body is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// The client went away or broke the protocol.
    #[error("the client's body ended early: {0}")]
    Client(String),
    /// The client sent nothing for too long.
    #[error("the client's body was too slow")]
    Slow,
    /// The worker ended, trapped or ran out of time after the head.
    #[error("the worker ended before its body did: {0}")]
    Worker(CallError),
}

/// A request's body on its way to the worker.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;
/// A worker's body on its way out. Dropping it before its end cancels the call.
pub type ResponseBody = UnsyncBoxBody<Bytes, BodyError>;

/// Bytes that are gathered before the answer goes out: more than a guest that has returned can have left.
const MOST_COLLECTED: u64 = 1 << 20;
/// Empty frames skipped in one poll before others get their turn.
const EMPTY_FRAMES_PER_POLL: usize = 32;

/// Passes a body through without its empty DATA frames.
pub(crate) struct DropEmpty<B>(pub(crate) B);

impl<B: Body<Data = Bytes> + Unpin> Body for DropEmpty<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        for _ in 0..EMPTY_FRAMES_PER_POLL {
            match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                other => return other,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A request's body as the guest reads it: tells the call why it failed, so that the caller is told the truth.
pub(crate) struct Incoming {
    inner: DropEmpty<RequestBody>,
    shared: Arc<Shared>,
}

impl Incoming {
    pub(crate) fn new(inner: RequestBody, shared: &Arc<Shared>) -> Self {
        shared.caller.holds_body.store(true, Relaxed);
        Self {
            inner: DropEmpty(inner),
            shared: Arc::clone(shared),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        use wasmtime_wasi_http::Error;
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let caller = &self.shared.caller;
        caller.owes(polled.is_pending());
        if let Poll::Ready(Some(Err(_))) = &polled {
            caller.broke.store(true, Relaxed);
        }
        polled.map_err(|error| match error {
            BodyError::TooLarge { limit } => {
                self.shared.fail(CallError::BodyTooLarge);
                Error::HttpRequestBodySize(Some(limit))
            }
            BodyError::Slow => {
                self.shared.fail(CallError::BodyTooSlow);
                Error::ConnectionReadTimeout
            }
            BodyError::Client(_) | BodyError::Worker(_) => Error::ConnectionTerminated,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A worker that wants no more of it waits for nothing.
impl Drop for Incoming {
    fn drop(&mut self) {
        self.shared.caller.owes(false);
        self.shared.caller.holds_body.store(false, Relaxed);
    }
}

/// What a guest that has returned left in its body: all of it, so its length is known and it goes out in one write.
#[derive(Default)]
pub(crate) struct Whole {
    frames: VecDeque<Frame<Bytes>>,
    bytes: u64,
    has_trailers: bool,
}

/// What [`Whole::collect`] found.
pub(crate) enum Collected {
    /// All of it.
    Whole(Whole),
    /// What there is of it; the rest is somebody else's body, which the guest has handed on.
    Spliced(Whole, WasiBody),
    /// It is not what it should be.
    Failed(wasmtime_wasi_http::Error),
}

impl Whole {
    /// Takes every frame that is there. For a guest that has returned; when its store is gone too, nothing more of its own can come.
    pub(crate) async fn collect(self, mut body: WasiBody) -> Collected {
        let mut whole = self;
        // Not to be told to wait by the scheduler: it would look like a body that goes on.
        let end = unconstrained(poll_fn(|cx| {
            loop {
                let frame = match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => frame,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
                    Poll::Pending => return Poll::Ready(None),
                };
                if whole.take(frame) > MOST_COLLECTED {
                    return Poll::Ready(None);
                }
            }
        }));
        match end.await {
            Some(Ok(())) => Collected::Whole(whole),
            Some(Err(error)) => Collected::Failed(error),
            None => Collected::Spliced(whole, body),
        }
    }

    /// How many bytes there are with it.
    fn take(&mut self, frame: Frame<Bytes>) -> u64 {
        match frame.data_ref() {
            Some(data) if data.is_empty() => return self.bytes,
            Some(data) => self.bytes += data.remaining() as u64,
            None => self.has_trailers = true,
        }
        self.frames.push_back(frame);
        self.bytes
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.frames.pop_front();
        if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
            self.bytes -= data.remaining() as u64;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // With trailers hyper must not announce a length: HTTP/1.1 sends trailers only after chunks (RFC 9112 7.1.2).
        if self.has_trailers {
            SizeHint::new()
        } else {
            SizeHint::with_exact(self.bytes)
        }
    }
}

/// How long a body will be, where that is known: nothing follows a head that was asked for alone, or these statuses (RFC 9112 6.3); else what the head
/// promises, which wasmtime's body of `wasi:http` 0.2 does not know; else what the body knows of itself, as one that was handed on does.
fn promised(head: &Parts, is_head: bool, body: &WasiBody) -> Option<u64> {
    if is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.or_else(|| body.size_hint().exact())
}

/// The body of a guest that still runs.
///
/// One of a known length ends with its last byte: HTTP/1.1 asks for nothing more then and drops it, so nobody else waits for more either. The guest may go
/// on.
pub(crate) struct Streaming {
    inner: DropEmpty<WasiBody>,
    shared: Arc<Shared>,
    tie: Option<Tie>,
    revision: Arc<Revision>,
    /// Bytes of the promised length that have not gone out.
    left: Option<u64>,
    /// Made with the first wait for the guest.
    silence: Option<Pin<Box<Sleep>>>,
    /// Whether the wait for the guest has begun.
    silent: bool,
}

impl Streaming {
    /// Of a guest that runs in this task; of none when what is left is another's body. `is_head`: the head alone was asked for.
    pub(crate) fn new(
        head: &Parts,
        is_head: bool,
        inner: WasiBody,
        shared: Arc<Shared>,
        tie: Option<Tie>,
        revision: Arc<Revision>,
    ) -> Self {
        let mut streaming = Self {
            left: promised(head, is_head, &inner),
            inner: DropEmpty(inner),
            shared,
            tie,
            revision,
            silence: None,
            silent: false,
        };
        streaming.count(0);
        streaming
    }

    /// So many went out.
    fn count(&mut self, bytes: usize) {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
        if self.left == Some(0) {
            self.taken();
        }
    }

    /// All of it was taken. What the guest still does is bounded by its wall time, not by the client, and is no longer the client's fault.
    fn taken(&mut self) {
        self.shared.caller.lags.store(false, Relaxed);
        if let Some(tie) = self.tie.take() {
            tie.taken();
        }
    }

    /// Ends it for this reason, which is counted.
    fn cut_off(&self, error: CallError) -> BodyError {
        self.shared.fail(error.clone());
        self.revision.failed_late(&self.shared.judge(error.clone()));
        BodyError::Worker(error)
    }

    /// Whether the guest has been silent for longer than it may. Only a caller that would take more asks, so a slow one is not the guest's fault.
    fn stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let stall = self.revision.limits.stall;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(stall)));
        if !self.silent {
            self.silent = true;
            silence.as_mut().reset(Instant::now() + stall);
        }
        silence.as_mut().poll(cx).is_ready()
    }
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == Some(0) {
            // Trailers go with it when they are there. No error of the guest takes back what is out.
            return Poll::Ready(match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Some(Ok(frame)),
                _ => None,
            });
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if polled.is_ready() {
            self.silent = false;
        }
        // Until it asks for the next piece, the worker may have to wait for it.
        self.shared.caller.lags.store(polled.is_ready(), Relaxed);
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.count(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                let error = match (end, self.shared.failure()) {
                    // The call has ended, and its task is about to count why: it is left to.
                    (_, Some(error)) => {
                        if let Some(tie) = self.tie.take() {
                            tie.loosen();
                        }
                        error
                    }
                    // The guest gave its body up, or promised another length. It is ended with the body.
                    (Some(Err(error)), None) => CallError::Trap(error.to_string()),
                    // A guest that dies leaves the same end as one that finished, but not without a failure.
                    (_, None) => {
                        self.taken();
                        return Poll::Ready(None);
                    }
                };
                Poll::Ready(Some(Err(BodyError::Worker(error))))
            }
            Poll::Pending if self.stalled(cx) => Poll::Ready(Some(Err(self.cut_off(CallError::Stall)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// A guest that writes nothing for ever, with data after `after` empty frames.
    struct Empties {
        left: usize,
        polls: usize,
    }

    impl Body for Empties {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.polls += 1;
            if self.left == 0 {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))));
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }

    #[test]
    fn empty_frames_never_pass_and_never_hold_the_thread() {
        // GHSA-f8mm-ggr3-89wh
        let mut body = DropEmpty(Empties { left: 100, polls: 0 });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut pending = 0;
        let frame = loop {
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(frame) => break frame.unwrap().unwrap(),
                Poll::Pending => pending += 1,
            }
        };
        assert_eq!(frame.into_data().unwrap(), "x");
        assert_eq!(pending, 100 / EMPTY_FRAMES_PER_POLL);
        assert_eq!(body.0.polls, 101);
    }
}
