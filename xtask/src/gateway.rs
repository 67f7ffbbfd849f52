//! A gateway that was started to be measured.

use crate::process::server::Server;
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Its process.
    pub(crate) server: Server,
    /// Where it listens, in the manifest's order.
    pub(crate) listeners: Vec<SocketAddr>,
    /// Where it is watched.
    pub(crate) admin: SocketAddr,
    /// From its start to its ready line.
    pub(crate) start: Duration,
}

impl Gateway {
    /// Serves what a manifest says, which must have an admin listener. The manifest and the log, of this level, go into the folder.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start(program: &Path, folder: &Path, manifest: &Value, level: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let (file, log) = (folder.join("tollgate.yaml"), folder.join("tollgate.log"));
        fs::write(&file, serde_json::to_vec_pretty(manifest)?)?;
        let begun = Instant::now();
        let mut serve = Command::new(program);
        serve.args(["serve", "--config"]).arg(&file);
        serve.env("RUST_LOG", level).envs(environment.iter().copied());
        let (server, line) = Server::announced(&mut serve, &log)?;
        let start = begun.elapsed();
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("no ready line but {line:?}; see {}", log.display()))?;
        let address = |value: Option<&Value>| -> Result<SocketAddr> {
            let text = value.and_then(Value::as_str).context("the ready line names no address")?;
            Ok(text.parse()?)
        };
        let listeners = ready.pointer("/result/listeners").and_then(Value::as_array);
        let listeners = listeners.context("the ready line names no listener")?.iter();
        Ok(Self {
            listeners: listeners.map(|listener| address(listener.get("address"))).collect::<Result<_>>()?,
            admin: address(ready.pointer("/result/admin"))?,
            start,
            server,
        })
    }

    /// Where its listener of this number in the manifest is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn listener(&self, number: usize) -> Result<SocketAddr> {
        self.listeners
            .get(number)
            .copied()
            .with_context(|| format!("the gateway has no listener {number}"))
    }

    /// What the admin listener answers, its head left out.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn admin(&self, path: &str) -> Result<String> {
        // The connection is closed after it: the answer is all there is to read.
        let mut stream = TcpStream::connect(self.admin)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer to {path}"))?;
        Ok(body.to_owned())
    }
}
