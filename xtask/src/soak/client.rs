//! One connection and what is said on it: just enough of HTTP/1.1 to be a good client, or a bad one.

use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// No answer takes longer: over any wall time here, and over the gateway's patience with a slow body.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept.
pub(super) struct Connection {
    reader: BufReader<TcpStream>,
}

/// An answer: its status, and whether another request may follow.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kept: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.reader.get_mut().write_all(bytes)?)
    }

    /// Sends a request without a body and reads all of its answer.
    pub(super) fn get(&mut self, host: &str, path: &str) -> Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Reads an answer to its end.
    pub(super) fn answer(&mut self) -> Result<Answer> {
        let (status, framing, kept) = self.head()?;
        self.body(framing)?;
        Ok(Answer { status, kept })
    }

    /// Reads a body to its end.
    pub(super) fn body(&mut self, framing: Framing) -> Result<()> {
        match framing {
            Framing::Length(length) => self.skip(length)?,
            Framing::Chunks => loop {
                let line = self.line()?;
                let size = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16).context("no chunk size")?;
                self.skip(size)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(())
    }

    /// Reads the status and what follows it.
    pub(super) fn head(&mut self) -> Result<(u16, Framing, bool)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no status in {first:?}"))?;
        let (mut framing, mut kept) = (Framing::Length(0), true);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", length)) => framing = Framing::Length(length.parse()?),
                Some(("transfer-encoding", "chunked")) => framing = Framing::Chunks,
                Some(("connection", "close")) => kept = false,
                Some(_) => {}
                None if line.is_empty() => return Ok((status, framing, kept)),
                None => bail!("no header field: {line:?}"),
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.reader.read_line(&mut line)? > 0, "closed");
        Ok(line.trim_end().to_owned())
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let read = std::io::copy(&mut (&mut self.reader).take(length), &mut std::io::sink())?;
        ensure!(read == length, "closed within a body");
        Ok(())
    }
}

/// How long a body is.
pub(super) enum Framing {
    Length(u64),
    Chunks,
}
