//! A guest's stdout and stderr: lines for the operator's log, capped and escaped.
//!
//! Our own sink, because wasmtime's takes empty writes without bound (GHSA-5m8g-xhq4-4h93, open in 48.0.8). It never blocks the
//! guest: what is over the cap is dropped and counted.

use crate::{Revision, limit::Limit};
use bytes::Bytes;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError},
};

/// Bytes of logging of one call, for each of its two streams: a long backtrace fits.
const MAX_BYTES: usize = 16 << 10;
/// Bytes of one line; a longer one is cut into several.
const MAX_LINE: usize = 4 << 10;
/// Bytes that a guest may hand over at once.
const PERMIT: usize = 8 << 10;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Stdout,
    Stderr,
}

/// What one call has written to one of its streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(Arc<AtomicUsize>);

impl Used {
    /// Whether it was more than the cap.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) > MAX_BYTES
    }

    /// The next call begins.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// One of a guest's output streams.
pub(crate) struct Output {
    kind: Kind,
    revision: Arc<Revision>,
    used: Used,
}

impl Output {
    pub(crate) fn stdout(revision: &Arc<Revision>) -> Self {
        Self {
            kind: Kind::Stdout,
            revision: Arc::clone(revision),
            used: Used::default(),
        }
    }

    pub(crate) fn stderr(revision: &Arc<Revision>) -> Self {
        Self {
            kind: Kind::Stderr,
            revision: Arc::clone(revision),
            used: Used::default(),
        }
    }

    /// What all of its streams have taken.
    pub(crate) fn used(&self) -> Used {
        self.used.clone()
    }

    /// A stream of it; all share one cap.
    pub(crate) fn lines(&self) -> Lines {
        Lines {
            kind: self.kind,
            revision: Arc::clone(&self.revision),
            used: self.used(),
            line: Vec::new(),
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

/// Splits what a guest writes into lines.
pub(crate) struct Lines {
    kind: Kind,
    revision: Arc<Revision>,
    used: Used,
    line: Vec<u8>,
}

impl Lines {
    fn emit(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let text = escaped(&self.line);
        self.line.clear();
        match self.kind {
            Kind::Stdout => tracing::info!(target: "worker", revision = ?self.revision, "{text}"),
            Kind::Stderr => tracing::warn!(target: "worker", revision = ?self.revision, "{text}"),
        }
    }
}

/// Control bytes could forge a log line or drive a terminal.
pub(crate) fn escaped(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

impl Lines {
    /// Bytes that it still takes.
    pub(crate) fn room(&self) -> usize {
        MAX_BYTES.saturating_sub(self.used.0.load(Ordering::Relaxed))
    }

    /// Whether it was given more than the cap.
    pub(crate) fn is_over(&self) -> bool {
        self.used.is_over()
    }

    /// Takes what fits under the cap; the rest is dropped and counted.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let used = self.used.0.fetch_add(bytes.len(), Ordering::Relaxed);
        let kept = bytes.len().min(MAX_BYTES.saturating_sub(used));
        let dropped = bytes.len() - kept;
        if dropped > 0 {
            if used <= MAX_BYTES {
                self.revision.counters.limits.add(Limit::Log);
            }
            self.revision
                .counters
                .log_bytes_dropped
                .fetch_add(dropped as u64, Ordering::Relaxed);
        }
        for &byte in bytes.iter().take(kept) {
            if byte == b'\n' {
                self.emit();
                continue;
            }
            self.line.push(byte);
            if self.line.len() >= MAX_LINE {
                self.emit();
            }
        }
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PERMIT)
    }
}

/// As `wasi:cli` 0.3 writes.
impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.emit();
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_guest_cannot_forge_a_line_nor_drive_a_terminal() {
        assert_eq!(
            escaped(b"a\r{\"level\":\"ERROR\"}\x1b[2J\x00\tb"),
            "a\\r{\"level\":\"ERROR\"}\\u{1b}[2J\\u{0}\tb"
        );
        assert_eq!(escaped(b"\xff\xfe caf\xc3\xa9"), "\u{fffd}\u{fffd} café");
    }
}
