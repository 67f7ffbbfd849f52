//! A request's body on its way in: collected whole for an endpoint, streamed for a public route, and drained when nobody wants it.

use crate::{respond::Refused, tasks::Tasks};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, EXPECT},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use tollgate_host::{BodyError, RequestBody};

/// Longest silence within a body, 408 after it. Every provider sends its payload in one piece.
pub(crate) const IDLE: Duration = Duration::from_secs(5);

/// Longest time for an endpoint's whole body, 408 after it. 1 MiB in this time is 100 KiB/s, slower than any provider's link.
pub(crate) const WHOLE: Duration = Duration::from_secs(10);

/// How long, and how much of, a body that nobody wants is read so that the answer arrives: a client that still sends when
/// the connection closes gets a reset, and may lose the answer with it.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(2);
/// See [`DRAIN_TIME`].
pub(crate) const DRAIN_BYTES: u64 = 8 << 20;

/// Bytes of bodies at once that are not verified yet, not whole or waiting for a key: what strangers can make the gateway hold. 256 bodies of
/// 1 MiB, or thousands of usual ones; in the queue behind it stands a 503.
pub(crate) const MAX_UNVERIFIED: usize = 256 << 20;

/// Counts the bytes of bodies that are not verified yet.
#[derive(Debug, Default)]
pub(crate) struct Unverified(AtomicUsize);

impl Unverified {
    /// Bytes in hand.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// One body's share of them, given back when dropped.
pub(crate) struct Share<'a> {
    all: &'a Unverified,
    own: usize,
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        self.own += bytes;
        if self.all.0.fetch_add(bytes, Relaxed) + bytes > MAX_UNVERIFIED {
            Err(Refused::BuffersFull)
        } else {
            Ok(())
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.own, Relaxed);
    }
}

/// A body as it comes in. Dropped before its end, the rest is read and thrown away, within [`DRAIN_TIME`] and [`DRAIN_BYTES`].
pub(crate) struct Inbound {
    incoming: Option<Incoming>,
    declared: Option<u64>,
    expects: bool,
    tasks: Tasks,
}

impl Inbound {
    /// Takes a body in hand.
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap, tasks: &Tasks) -> Self {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            declared,
            expects: headers.contains_key(EXPECT),
            tasks: tasks.clone(),
        }
    }

    /// Collects it whole. Its bytes count as unverified until the share is dropped.
    ///
    /// # Errors
    /// 413 by its declared length at once, or as soon as it is over the limit; 408 when it is slower than [`IDLE`] or [`WHOLE`]; 503 over [`MAX_UNVERIFIED`]; `BodyBroken`.
    pub(crate) async fn collect(mut self, limit: u64, unverified: &Unverified) -> Result<(Bytes, Share<'_>), Refused> {
        if self.declared.is_some_and(|declared| declared > limit) {
            return Err(Refused::BodyTooLarge);
        }
        let mut share = Share { all: unverified, own: 0 };
        let deadline = Instant::now() + WHOLE;
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(incoming) = &mut self.incoming {
            let idle = deadline.min(Instant::now() + IDLE);
            // From here on hyper has sent `100 Continue`: the client will send.
            self.expects = false;
            let frame = match timeout_at(idle, incoming.frame()).await {
                Err(_) => return Err(Refused::BodySlow),
                Ok(None) => {
                    self.incoming = None;
                    break;
                }
                Ok(Some(Err(error))) => {
                    self.incoming = None;
                    return Err(Refused::BodyBroken(error.to_string()));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            if (first.len() + more.len() + data.len()) as u64 > limit {
                return Err(Refused::BodyTooLarge);
            }
            share.grow(data.len())?;
            // Nearly every payload comes in one piece, which then is not copied.
            if first.is_empty() && more.is_empty() {
                first = data;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&std::mem::take(&mut first));
                }
                more.extend_from_slice(&data);
            }
        }
        Ok((if more.is_empty() { first } else { more.freeze() }, share))
    }

    /// Streams it to a worker, and fails on its way when it is over the limit or too slow.
    ///
    /// # Errors
    /// 413 by its declared length at once.
    pub(crate) fn streamed(self, limit: u64) -> Result<RequestBody, Refused> {
        if self.declared.is_some_and(|declared| declared > limit) {
            return Err(Refused::BodyTooLarge);
        }
        if self.incoming.is_none() {
            return Ok(empty());
        }
        Ok(Streamed {
            inbound: self,
            limit,
            left: limit,
            silence: None,
        }
        .boxed_unsync())
    }
}

/// No body.
pub(crate) fn empty() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

impl Drop for Inbound {
    fn drop(&mut self) {
        // A client that waits for `100 Continue` sends nothing: the answer is all it needs.
        if let Some(incoming) = self.incoming.take_if(|_| !self.expects) {
            self.tasks.spawn("drain body", drain(incoming));
        }
    }
}

async fn drain(mut incoming: Incoming) {
    let deadline = Instant::now() + DRAIN_TIME;
    let mut left = DRAIN_BYTES;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, incoming.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if left == 0 {
            return;
        }
    }
}

/// A body on its way to a worker.
struct Streamed {
    inbound: Inbound,
    limit: u64,
    left: u64,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.inbound.incoming else {
            return Poll::Ready(None);
        };
        this.inbound.expects = false;
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(IDLE)));
            ready!(silence.as_mut().poll(cx));
            return Poll::Ready(Some(Err(BodyError::Slow)));
        };
        this.silence = None;
        match frame {
            None => {
                this.inbound.incoming = None;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                this.inbound.incoming = None;
                Poll::Ready(Some(Err(BodyError::Client(error.to_string()))))
            }
            // Trailers could carry what `scrub` removes from headers, and no provider sends any.
            Some(Ok(frame)) if frame.is_trailers() => {
                this.inbound.incoming = None;
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(length) {
                    Some(left) => {
                        this.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Err(BodyError::TooLarge { limit: this.limit }))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inbound.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inbound
            .incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_bytes_are_bounded_and_given_back() {
        let all = Unverified::default();
        let mut one = Share { all: &all, own: 0 };
        let mut two = Share { all: &all, own: 0 };
        assert_eq!(one.grow(MAX_UNVERIFIED), Ok(()));
        assert_eq!(two.grow(1), Err(Refused::BuffersFull));
        drop(one);
        assert_eq!((two.grow(1), all.bytes()), (Ok(()), 2));
        drop(two);
        assert_eq!(all.bytes(), 0);
    }
}
