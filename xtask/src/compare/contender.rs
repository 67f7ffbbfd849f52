//! Who runs: one server, where it listens, and a look at whether it does the job.

use crate::process::server::Server;
use anyhow::{Result, bail, ensure};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// A peer that has not answered by then does not run.
const START: Duration = Duration::from_secs(30);
/// Requests to Tollgate's own `hello` are told from the endpoint's by host.
pub(super) const HELLO_HOST: &str = "hello.localhost";
pub(super) const SLACK_HOST: &str = "acme.localhost";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Contender {
    /// For people.
    pub(crate) name: &'static str,
    /// As it says itself.
    pub(crate) version: String,
    /// How it was started, paths shortened.
    pub(crate) command: String,
    /// Where it speaks plain HTTP/1.1.
    pub(crate) address: SocketAddr,
    /// Where it speaks h2 without TLS, if it does.
    pub(crate) h2c: Option<SocketAddr>,
    /// Where it speaks HTTP/1.1 and h2 behind TLS, if it does.
    pub(crate) tls: Option<SocketAddr>,
    /// Whether it opens signed webhooks.
    pub(super) verifies: bool,
    pub(super) server: Server,
}

impl Contender {
    /// Sends one request on a connection of its own; gives the whole answer, as it came.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn ask(&self, request: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(START))?;
        stream.write_all(request)?;
        let mut answer = String::new();
        let mut byte = [0; 1024];
        // Kept-alive: an answer is whole when its last chunk or its length is there; both jobs' answers fit one read.
        while !answer.contains("\r\n\r\n") || !(answer.contains("\r\n0\r\n\r\n") || has_length(&answer)) {
            let count = stream.read(&mut byte)?;
            ensure!(count > 0, "closed after {answer:?}");
            answer.push_str(&String::from_utf8_lossy(byte.get(..count).unwrap_or_default()));
        }
        Ok(answer)
    }

    /// Waits until it accepts connections.
    pub(super) fn answering(mut self) -> Result<Self> {
        let end = Instant::now() + START;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.server.ended()? {
                bail!("it ended at once: {status}");
            }
            ensure!(Instant::now() < end, "it does not listen after {} s", START.as_secs());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(self)
    }

    /// Asks for what all others will ask for.
    ///
    /// # Errors
    /// When it answers something else.
    pub(super) fn check_hello(&self) -> Result<()> {
        let answer = self.ask(format!("GET /abc?d=1 HTTP/1.1\r\nHost: {HELLO_HOST}\r\n\r\n").as_bytes())?;
        ensure!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("hello /abc?d=1"),
            "{} does not do the job: {answer}",
            self.name
        );
        Ok(())
    }
}

fn has_length(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    length.is_some_and(|length| body.len() >= length)
}
