//! An answer's body on its way out, with the log's entry tied to it.

use crate::access::Entry;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tollgate_host::{BodyError, ResponseBody};

/// A body: whole, or as the worker makes it. Dropping it cancels the worker and closes the log's entry.
pub(crate) struct AnswerBody {
    source: Source,
    entry: Option<Entry>,
}

enum Source {
    Whole(Bytes),
    Worker(ResponseBody),
}

impl AnswerBody {
    /// These bytes.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            source: Source::Whole(bytes),
            entry: None,
        }
    }

    /// What the worker streams.
    pub(crate) fn worker(body: ResponseBody) -> Self {
        Self {
            source: Source::Worker(body),
            entry: None,
        }
    }

    /// With the entry that counts its bytes and is written when it ends.
    pub(crate) fn watched_by(mut self, entry: Entry) -> Self {
        self.entry = Some(entry);
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Whole(bytes) if bytes.is_empty() => None,
            Source::Whole(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Source::Worker(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if let Some(entry) = &mut this.entry {
            match &frame {
                Some(Ok(frame)) => entry.sent(frame.data_ref().map_or(0, Bytes::len)),
                // The head is out: all that is left is to reset the stream (h2) or close the connection (h1), which hyper does on an error.
                Some(Err(error)) => entry.broke(error),
                None => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Worker(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Worker(body) => body.size_hint(),
        }
    }
}
