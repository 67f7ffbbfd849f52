//! `cargo xtask languages`: what a worker costs in each language, with and without a snapshot: to start, and for each request. [`report`] writes it down.

mod report;

use crate::{
    demo,
    gateway::Gateway,
    machine, process,
    samples::{self, DEV_KEY},
};
use anyhow::{Context, Result, ensure};
use report::{Report, Row};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tollgate_packs::SigningKey;

/// One in each language; the first one is what the others are compared with.
const NAMES: [&str; 4] = ["hello", "c", "js", "python"];
/// What a pack says that wants no snapshot; a component stands last in these.
const NO_WARM_UP: &str = "    warm_up: []\n";
/// Before anything is measured: places and caches are warm after these.
const WARM: usize = 50;
/// Takes longer for nobody.
const PATIENCE: Duration = Duration::from_secs(300);

/// Of `cargo xtask languages`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests of each measurement
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Measure this gateway, and the samples that are there, instead of building them
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// Print the table only, and write no report
    #[arg(long)]
    trial: bool,
}

/// Builds the samples and the gateway; prints the table and writes `docs/reports/DATE-languages.md`.
///
/// # Errors
/// When a worker that was built does not answer.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    // Before anything is built, so that its load average tells whether the machine was idle.
    let machine = machine::describe(root)?;
    let gateway = match &options.gateway {
        Some(gateway) => gateway.clone(),
        None => {
            samples::build(root, false)?;
            demo::release(root)?
        }
    };
    let work = process::target(root).join("languages");
    fs::create_dir_all(&work)?;
    let mut report = Report {
        machine,
        requests: options.requests,
        rows: Vec::new(),
        absent: Vec::new(),
    };
    println!("{}", Row::HEAD);
    for name in NAMES {
        if !root.join("target/samples").join(format!("{name}.wasm")).is_file() {
            println!("{name} is left out: it could not be built here");
            report.absent.push(name);
            continue;
        }
        for warm_up in [true, false] {
            let row = measure(root, &work, &gateway, name, warm_up, options.requests).with_context(|| format!("the worker `{name}`"))?;
            println!("{row}");
            report.rows.push(row);
        }
    }
    if options.trial {
        return Ok(());
    }
    report.write(root)
}

fn measure(root: &Path, work: &Path, program: &Path, name: &'static str, warm_up: bool, requests: u32) -> Result<Row> {
    let samples = root.join("target/samples");
    let folder = work.join(format!("{name}-{}", if warm_up { "snapshot" } else { "plain" }));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let described = fs::read_to_string(root.join("packs/samples").join(name).join("pack.yaml"))?;
    let mut described = described.replace(NO_WARM_UP, "");
    if !warm_up {
        described.push_str(NO_WARM_UP);
    }
    fs::write(folder.join("pack.yaml"), &described)?;
    let component = fs::copy(samples.join(format!("{name}.wasm")), folder.join(format!("{name}.wasm")))?;
    let pack = tollgate_packs::build(&folder)?;
    let pack_file = folder.join("worker.gtpack");
    fs::write(&pack_file, tollgate_packs::sign(&pack, &SigningKey::read(&samples.join(DEV_KEY))?)?)?;
    let manifest = json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [{ "address": "127.0.0.1:0", "protocols": ["h1"] }],
        "admin": { "address": "127.0.0.1:0" },
        "store": { "kind": "memory" },
        "cache": { "path": folder.join("cache") },
        "trust": { "keys": [samples.join("dev.pub")] },
        "tenants": { "acme": { "hosts": ["acme.localhost"] } },
        "deployments": [{
            "id": "worker", "tenant": "acme", "routes": [{ "host": "acme.localhost", "path": "/", "access": "public" }],
            "revisions": [{ "id": "r1", "pack": pack_file }], "traffic": { "r1": 10_000 },
            "limits": { "cpu": "1s" },
        }],
    });

    let first = Gateway::start(program, &folder, &manifest, "warn", &[])?;
    let (compile, first_start, snapshot) = (first.server.children_cpu()?, first.start, snapshot(&first)?);
    drop(first);
    let running = Gateway::start(program, &folder, &manifest, "warn", &[])?;
    let mut connection = TcpStream::connect(running.listener(0)?)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let mut timed = || -> Result<Duration> {
        let begun = Instant::now();
        ask(&mut connection)?;
        Ok(begun.elapsed())
    };
    let first_request = timed()?;
    for _ in 0..WARM {
        timed()?;
    }
    let cpu = running.server.cpu()?;
    let mut times = (0..requests).map(|_| timed()).collect::<Result<Vec<_>>>()?;
    let cpu = running.server.cpu()?.saturating_sub(cpu) / requests.max(1);
    times.sort_unstable();
    Ok(Row {
        name,
        engine: if described.contains("engine: large") { "large" } else { "default" },
        component,
        snapshot,
        compile,
        first_start,
        start: running.start,
        first_request,
        cpu,
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
        resident: running.server.status()?.resident,
    })
}

/// One request on a kept-alive connection; the answer is read whole.
fn ask(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"GET /abc?d=1 HTTP/1.1\r\nHost: acme.localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !(answer.ends_with(b"hello /abc?d=1") || answer.ends_with(b"\r\n0\r\n\r\n")) {
        let count = connection.read(&mut chunk)?;
        let told = || String::from_utf8_lossy(&answer).into_owned();
        ensure!(count > 0, "closed after {:?}", told());
        answer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let told = String::from_utf8_lossy(&answer);
        ensure!(told.starts_with("HTTP/1.1 200"), "not the answer: {told}");
    }
    Ok(())
}

/// `taken`, or why not.
fn snapshot(gateway: &Gateway) -> Result<String> {
    let body = gateway.admin("/status")?;
    let status: Value = serde_json::from_str(&body).with_context(|| format!("no status but {body}"))?;
    let found = status
        .pointer("/deployments/0/snapshot")
        .or_else(|| status.pointer("/result/deployments/0/snapshot"));
    Ok(found.and_then(Value::as_str).unwrap_or("unknown").to_owned())
}
