//! Who runs: Tollgate from this checkout, and peers as their makers ship them.

use crate::{demo, process};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Workerd's release, from npm.
const WORKERD: &str = "1.20261117.1";
/// A peer that has not answered by then does not run.
const START: Duration = Duration::from_secs(30);
/// The endpoint's secret, on both sides.
pub(crate) const SECRET: &str = "a secret for the comparison alone";
/// Requests to Tollgate's own `hello` are told from the endpoint's by host.
const HELLO_HOST: &str = "hello.localhost";
const SLACK_HOST: &str = "acme.localhost";
/// What node runs.
const NODE_PEER: &str = include_str!("peer.mjs");
/// What workerd runs.
const WORKER: &str = "export default { async fetch(request) { const url = new URL(request.url); return new Response(`hello ${url.pathname}${url.search}`); } };\n";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Contender {
    /// For people.
    pub(crate) name: &'static str,
    /// As it says itself.
    pub(crate) version: String,
    /// How it was started, paths shortened.
    pub(crate) command: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    verifies: bool,
    child: Child,
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Contender {
    /// Whether it opens signed webhooks.
    pub(crate) fn verifies(&self) -> bool {
        self.verifies
    }

    /// The `Host` that leads to the hello worker.
    pub(crate) fn hello_host(&self) -> &'static str {
        HELLO_HOST
    }

    /// The `Host` of the endpoint.
    pub(crate) fn slack_host(&self) -> &'static str {
        SLACK_HOST
    }

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

    fn check_hello(&self) -> Result<()> {
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

/// Starts Tollgate and every peer that is installed; the others' names and reasons go to `absent`.
///
/// # Errors
/// When Tollgate does not start, or a contender does not do the job.
pub(crate) fn start(root: &Path, work: &Path, gateway: &Path, absent: &mut Vec<String>) -> Result<Vec<Contender>> {
    let hello = root.join("target/samples/hello.wasm");
    let peers = [
        ("wasmtime serve", wasmtime("wasmtime serve", work, &hello, &[])),
        (
            "wasmtime serve, instances reused",
            wasmtime(
                "wasmtime serve, instances reused",
                work,
                &hello,
                &["--max-instance-reuse-count", "1000000"],
            ),
        ),
        ("native", native(root, work)),
        ("node", node(work)),
        ("workerd", workerd(work)),
    ];
    let mut contenders = vec![tollgate(root, work, gateway).context("tollgate does not start")?];
    for (name, peer) in peers {
        match peer {
            Ok(peer) => contenders.push(peer),
            Err(error) => {
                println!("{name} is left out: {error:#}");
                absent.push(format!("{name}: {error:#}"));
            }
        }
    }
    contenders.iter().try_for_each(Contender::check_hello)?;
    Ok(contenders)
}

fn tollgate(root: &Path, work: &Path, gateway: &Path) -> Result<Contender> {
    let samples = root.join("target/samples");
    let deployment = |name: &str, routes: Value| {
        let pack = samples.join(format!("{name}.gtpack"));
        json!({ "id": name, "tenant": "acme", "routes": routes, "revisions": [{ "id": "r1", "pack": pack }], "traffic": { "r1": 10_000 } })
    };
    let manifest = json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [{ "address": "127.0.0.1:0", "protocols": ["h1"] }],
        "admin": { "address": "127.0.0.1:0" },
        "store": { "kind": "memory" },
        "trust": { "keys": [samples.join("dev.pub")] },
        "tenants": { "acme": { "hosts": [SLACK_HOST, HELLO_HOST] } },
        "endpoints": [{
            "id": "acme-slack", "tenant": "acme", "provider": "slack", "path": "/slack/events", "deployment": "support",
            "secrets": { "signing": ["env://SLACK_SIGNING_SECRET"] }, "deliver": "respond",
        }],
        "deployments": [deployment("hello", json!([{ "host": HELLO_HOST, "path": "/", "access": "public" }])), deployment("support", json!([]))],
    });
    let file = work.join("tollgate.yaml");
    fs::write(&file, serde_json::to_vec_pretty(&manifest)?)?;
    let mut child = Command::new(gateway)
        .args(["serve", "--config"])
        .arg(&file)
        // No peer writes an access log.
        .env("RUST_LOG", "warn")
        .env("SLACK_SIGNING_SECRET", SECRET)
        .stdout(Stdio::piped())
        .stderr(File::create(work.join("tollgate.log"))?)
        .spawn()?;
    let line = first_line(&mut child)?;
    let ready: Value =
        serde_json::from_str(&line).with_context(|| format!("no ready line but {line:?}; see target/compare/tollgate.log"))?;
    let address = ready
        .pointer("/result/listeners/0/address")
        .and_then(Value::as_str)
        .context("the ready line names no listener")?;
    let version = process::output(Command::new(gateway).arg("--version")).unwrap_or_else(|_| env!("CARGO_PKG_VERSION").into());
    Ok(Contender {
        name: "tollgate",
        version,
        command: "RUST_LOG=warn tollgate serve".into(),
        address: address.parse()?,
        verifies: true,
        child,
    })
}

fn wasmtime(name: &'static str, work: &Path, component: &Path, options: &[&str]) -> Result<Contender> {
    let program = process::find("wasmtime").context("`cargo install --locked wasmtime-cli@48.0.8` brings it")?;
    let version = process::output(Command::new(&program).arg("--version"))?;
    ensure!(version.contains(" 48."), "{version} is installed, the peer is 48");
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .args(["serve", "-Scli"])
        .args(options)
        .args(["--addr", &address.to_string()])
        .arg(component);
    let child = silent(&mut command, work, "wasmtime.log")?;
    let command = [&["wasmtime", "serve", "-Scli"], options, &["hello.wasm"]].concat().join(" ");
    answering(Contender {
        name,
        version,
        command,
        address,
        verifies: false,
        child,
    })
}

/// The HTTP library that Tollgate stands on, answering by itself.
fn native(root: &Path, work: &Path) -> Result<Contender> {
    let program = demo::released(root, "native")?;
    let address = free_address()?;
    let child = silent(Command::new(program).arg(address.to_string()), work, "native.log")?;
    answering(Contender {
        name: "native",
        version: "hyper of Cargo.lock".into(),
        command: "native ADDRESS".into(),
        address,
        verifies: false,
        child,
    })
}

fn node(work: &Path) -> Result<Contender> {
    let program = process::find("node").context("`apt-get install nodejs` brings it")?;
    let version = process::output(Command::new(&program).arg("--version"))?;
    let script = work.join("peer.mjs");
    fs::write(&script, NODE_PEER)?;
    let mut child = Command::new(program)
        .arg(script)
        .env("SLACK_SIGNING_SECRET", SECRET)
        .stdout(Stdio::piped())
        .spawn()?;
    let port: u16 = first_line(&mut child)?.trim().parse().context("node names no port")?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    answering(Contender {
        name: "node",
        version,
        command: "node peer.mjs".into(),
        address,
        verifies: true,
        child,
    })
}

fn workerd(work: &Path) -> Result<Contender> {
    let folder = work.join("npm");
    let program = folder.join("node_modules/.bin/workerd");
    let installed = || process::output(Command::new(&program).arg("--version"));
    let pinned = || fs::read_to_string(folder.join("node_modules/workerd/package.json")).is_ok_and(|text| text.contains(WORKERD));
    if !pinned() {
        fs::create_dir_all(&folder)?;
        let npm = process::find("npm").context("npm brings it, and is not installed")?;
        process::run(
            Command::new(npm)
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&folder)
                .arg(format!("workerd@{WORKERD}")),
        )?;
    }
    let version = installed()?;
    let address = free_address()?;
    fs::write(folder.join("worker.js"), WORKER)?;
    fs::write(folder.join("workerd.capnp"), workerd_config(address))?;
    let child = silent(
        Command::new(&program).arg("serve").arg(folder.join("workerd.capnp")),
        work,
        "workerd.log",
    )?;
    answering(Contender {
        name: "workerd",
        version,
        command: "workerd serve workerd.capnp".into(),
        address,
        verifies: false,
        child,
    })
}

fn workerd_config(address: SocketAddr) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-11-01"))],
  sockets = [(name = "http", address = "{address}", http = (), service = "main")],
);
"#
    )
}

/// A peer that cannot take port 0 and say which it got: asks for a free one and lets go of it.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn silent(command: &mut Command, work: &Path, log: &str) -> Result<Child> {
    Ok(command.stdout(Stdio::null()).stderr(File::create(work.join(log))?).spawn()?)
}

fn first_line(child: &mut Child) -> Result<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
    Ok(line)
}

/// Waits until the peer accepts connections.
fn answering(mut contender: Contender) -> Result<Contender> {
    let end = Instant::now() + START;
    while TcpStream::connect(contender.address).is_err() {
        if let Some(status) = contender.child.try_wait()? {
            bail!("it ended at once: {status}");
        }
        ensure!(Instant::now() < end, "it does not listen after {} s", START.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(contender)
}
