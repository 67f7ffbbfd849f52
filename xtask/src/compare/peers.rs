//! Starting them: Tollgate from this checkout, and peers as their makers ship them.

use super::contender::{Contender, HELLO_HOST, SLACK_HOST};
use crate::{
    gateway::Gateway,
    process::{self, server::Server},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

/// Workerd's release, from npm.
const WORKERD: &str = "1.20261117.1";
/// The endpoint's secret, on both sides.
pub(super) const SECRET: &str = "a secret for the comparison alone";
/// What node runs.
const NODE_PEER: &str = include_str!("peer.mjs");
/// What workerd runs.
const WORKER: &str = "export default { async fetch(request) { const url = new URL(request.url); return new Response(`hello ${url.pathname}${url.search}`); } };\n";

/// Starts Tollgate and every peer that is installed; the others' names and reasons go to `absent`.
///
/// # Errors
/// When Tollgate does not start, or a contender does not do the job.
pub(super) fn start(root: &Path, work: &Path, gateway: &Path, native: Result<PathBuf>, absent: &mut Vec<String>) -> Result<Vec<Contender>> {
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
        ("native", self::native(native, work)),
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
    // Each listener speaks what its job is about and no more.
    let manifest = json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [
            { "address": "127.0.0.1:0", "protocols": ["h1"] },
            { "address": "127.0.0.1:0", "protocols": ["h2"] },
            { "address": "127.0.0.1:0", "protocols": ["h1", "h2"], "tls": { "self_signed": [HELLO_HOST] } },
        ],
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
    // No peer writes an access log.
    let started = Gateway::start(gateway, work, &manifest, "warn", &[("SLACK_SIGNING_SECRET", SECRET)])?;
    let version = process::output(Command::new(gateway).arg("--version")).unwrap_or_else(|_| env!("CARGO_PKG_VERSION").into());
    Ok(Contender {
        name: "tollgate",
        version,
        command: "RUST_LOG=warn tollgate serve".into(),
        address: started.listener(0)?,
        h2c: Some(started.listener(1)?),
        tls: Some(started.listener(2)?),
        verifies: true,
        server: started.server,
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
    let server = Server::silent(&mut command, &work.join("wasmtime.log"))?;
    let command = [&["wasmtime", "serve", "-Scli"], options, &["hello.wasm"]].concat().join(" ");
    silent(name, version, command, address, server)
}

/// The HTTP library that Tollgate stands on, answering by itself, behind the same TLS. Leaves a certificate for node.
fn native(program: Result<PathBuf>, work: &Path) -> Result<Contender> {
    let started = Server::announced(Command::new(program?).arg(work), &work.join("native.log"))?;
    let version = "hyper and rustls of Cargo.lock".into();
    announced("native", version, "native FOLDER", started, false)
}

fn node(work: &Path) -> Result<Contender> {
    let program = process::find("node").context("`apt-get install nodejs` brings it")?;
    let version = process::output(Command::new(&program).arg("--version"))?;
    let script = work.join("peer.mjs");
    fs::write(&script, NODE_PEER)?;
    let mut command = Command::new(program);
    command.arg(script).env("SLACK_SIGNING_SECRET", SECRET);
    let certificate = work.join("native.pem");
    if certificate.is_file() {
        command.env("CERTIFICATE", &certificate).env("KEY", work.join("native.key"));
    }
    let started = Server::announced(&mut command, &work.join("node.log"))?;
    announced("node", version, "node peer.mjs", started, true)
}

/// A peer that says nothing of itself: for HTTP/1.1 alone, at the address that it was given.
fn silent(name: &'static str, version: String, command: String, address: SocketAddr, server: Server) -> Result<Contender> {
    Contender {
        name,
        version,
        command,
        address,
        h2c: None,
        tls: None,
        verifies: false,
        server,
    }
    .answering()
}

/// A peer of our own, which says in its first line where it listens.
fn announced(name: &'static str, version: String, command: &str, started: (Server, String), verifies: bool) -> Result<Contender> {
    let (server, line) = started;
    let told: Value = serde_json::from_str(&line).with_context(|| format!("it does not say where it listens, but {line:?}"))?;
    let address = |protocol: &str| told.get(protocol)?.as_str()?.parse().ok();
    Ok(Contender {
        name,
        version,
        command: command.into(),
        address: address("h1").context("it has no listener for HTTP/1.1")?,
        h2c: address("h2c"),
        tls: address("tls"),
        verifies,
        server,
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
    let mut command = Command::new(&program);
    command.arg("serve").arg(folder.join("workerd.capnp"));
    let server = Server::silent(&mut command, &work.join("workerd.log"))?;
    silent("workerd", version, "workerd serve workerd.capnp".into(), address, server)
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
