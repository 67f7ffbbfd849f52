//! hyper answers a request that it cannot read by itself (400, 414, 431) and asks nobody. Those answers too must carry a request id and be
//! counted, so they are met on their way to the socket.

use crate::{
    metrics::Metrics,
    request_id::{self, RequestId},
    respond::X_REQUEST_ID,
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// hyper's own answers have a status line, three short fields and no body: under 200 bytes.
const LONGEST: usize = 256;

/// What has to be known of a connection to tell hyper's answers from ours.
pub(crate) trait Quiet {
    /// Whether no request is being answered: whatever is written then is hyper's.
    fn is_quiet(&self) -> bool;
    /// Where it is counted.
    fn metrics(&self) -> &Metrics;
}

/// A stream that gives hyper's own answers an id.
pub(crate) struct Named<T, Q> {
    inner: T,
    quiet: Arc<Q>,
    /// An answer with its id, and how much of it is out.
    answer: Option<(Vec<u8>, usize)>,
}

impl<T, Q: Quiet> Named<T, Q> {
    /// Wraps a stream.
    pub(crate) fn new(inner: T, quiet: Arc<Q>) -> Self {
        Self {
            inner,
            quiet,
            answer: None,
        }
    }
}

/// The same answer with an id, if it is hyper's own: an error's whole head with nothing after it. Ours always have an id.
fn named(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    if bytes.len() > LONGEST || !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let status = std::str::from_utf8(bytes.get(9..12)?)
        .ok()?
        .parse()
        .ok()
        .filter(|status| (400..500).contains(status))?;
    let head = std::str::from_utf8(bytes.strip_suffix(b"\r\n\r\n")?).ok()?;
    if head.contains("\r\n\r\n") || head.to_ascii_lowercase().contains(X_REQUEST_ID.as_str()) {
        return None;
    }
    let id = RequestId::from_number(request_id::draw());
    Some((status, format!("{head}\r\n{X_REQUEST_ID}: {id}\r\n\r\n").into_bytes()))
}

impl<T: AsyncWrite + Unpin, Q: Quiet> Named<T, Q> {
    /// Writes an answer that was given an id to its end.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, out)) = &mut self.answer {
            match bytes.get(*out..) {
                Some(rest) if !rest.is_empty() => match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => *out += written,
                },
                _ => self.answer = None,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes hyper's own answer over.
    fn take_over(&mut self, bytes: &[u8]) -> bool {
        if !self.quiet.is_quiet() {
            return false;
        }
        let Some((status, answer)) = named(bytes) else { return false };
        self.quiet.metrics().refused(match status {
            414 => "uri_too_long",
            431 => "headers_too_large",
            _ => "malformed",
        });
        self.answer = Some((answer, 0));
        true
    }
}

impl<T: AsyncWrite + Unpin, Q: Quiet> AsyncWrite for Named<T, Q> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_answer(cx))?;
        if this.take_over(bytes) {
            // What cannot be written now goes out with the flush that follows.
            if let Poll::Ready(Err(error)) = this.poll_answer(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_answer(cx))?;
        match slices {
            [one] => self.poll_write(cx, one),
            _ => Pin::new(&mut this.inner).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin, Q: Quiet> AsyncRead for Named<T, Q>
where
    Q: Unpin,
{
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    struct Test(AtomicBool, Metrics);

    impl Quiet for Test {
        fn is_quiet(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }

        fn metrics(&self) -> &Metrics {
            &self.1
        }
    }

    async fn written(quiet: bool, bytes: &str) -> String {
        // A pipe of seven bytes: every write is a partial one.
        let (ours, mut theirs) = tokio::io::duplex(7);
        let mut stream = Named::new(ours, Arc::new(Test(AtomicBool::new(quiet), Metrics::new().unwrap())));
        let bytes = bytes.to_owned();
        let writing = tokio::spawn(async move {
            stream.write_all(bytes.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        writing.await.unwrap();
        text
    }

    #[tokio::test]
    async fn only_hypers_own_answers_are_given_an_id() {
        let with_id = written(true, BARE).await;
        let (head, id) = with_id.rsplit_once("\r\nx-request-id: ").unwrap();
        assert_eq!((head, id.len()), (BARE.trim_end(), 32 + 4));
        assert!(id.ends_with("\r\n\r\n"));
        let ours = BARE.replace("connection: close", "X-Request-Id: 1");
        let body = format!("{BARE}x\r\n\r\n");
        let fine = BARE.replace("400 Bad Request", "200 OK");
        for (quiet, bytes) in [
            (false, BARE),
            (true, ours.as_str()),
            (true, body.as_str()),
            (true, fine.as_str()),
            (true, "HTTP/1.1 4"),
            (true, "\r\n\r\n"),
        ] {
            assert_eq!(written(quiet, bytes).await, bytes, "{quiet}");
        }
    }
}
