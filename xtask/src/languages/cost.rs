//! What a worker costs in each language, with and without a snapshot: to start, and for each request. Written down as a table.

use crate::{
    demo, process,
    samples::{self, DEV_KEY},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
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
/// `USER_HZ`, in which the kernel tells the CPU time of children: 100 on every Linux of today.
const TICKS: f64 = 100.0;

/// Of `cargo xtask languages`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests of each measurement
    #[arg(long, default_value_t = 500)]
    requests: usize,
    /// Measure this gateway, and the samples that are there, instead of building them
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
}

/// Builds the samples and the gateway, and prints the table.
///
/// # Errors
/// When a worker that was built does not answer.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let gateway = match &options.gateway {
        Some(gateway) => gateway.clone(),
        None => {
            samples::build(root, false)?;
            demo::release(root)?
        }
    };
    let work = process::target(root).join("languages");
    fs::create_dir_all(&work)?;
    println!(
        "| worker | engine's pack | component, bytes | snapshot | compile, CPU s | first start, s | start from cache, s | first request, ms | request, CPU us | request, median us | resident, MiB |"
    );
    println!("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    for name in NAMES {
        for warm_up in [true, false] {
            if root.join("target/samples").join(format!("{name}.wasm")).is_file() {
                measure(root, &work, &gateway, name, warm_up, options.requests)?;
            } else {
                println!("{name} is left out: it could not be built here");
            }
        }
    }
    Ok(())
}

fn measure(root: &Path, work: &Path, gateway: &Path, name: &str, warm_up: bool, requests: usize) -> Result<()> {
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
    fs::write(folder.join("tollgate.yaml"), manifest.to_string())?;

    let first = Running::start(gateway, &folder)?;
    let (compiled, first_start) = (first.children_cpu()?, first.start);
    let snapshot = first.snapshot()?;
    drop(first);
    let running = Running::start(gateway, &folder)?;
    let mut connection = TcpStream::connect(running.address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let begun = Instant::now();
    ask(&mut connection)?;
    let first_request = begun.elapsed();
    for _ in 0..WARM {
        ask(&mut connection)?;
    }
    let cpu = running.cpu()?;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        ask(&mut connection)?;
        times.push(begun.elapsed());
    }
    let cpu = running.cpu()?.saturating_sub(cpu) / u32::try_from(times.len().max(1))?;
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "| {name} | {} | {component} | {snapshot} | {compiled:.1} | {:.2} | {:.2} | {:.1} | {} | {} | {} |",
        if described.contains("engine: large") { "large" } else { "default" },
        first_start.as_secs_f64(),
        running.start.as_secs_f64(),
        first_request.as_secs_f64() * 1e3,
        cpu.as_micros(),
        median.as_micros(),
        running.resident()?,
    );
    Ok(())
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

/// A gateway that serves one worker. It ends when this is dropped.
struct Running {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    /// Until its ready line.
    start: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(gateway: &Path, folder: &Path) -> Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(gateway)
            .args(["serve", "--config"])
            .arg(folder.join("tollgate.yaml"))
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("tollgate.log"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let start = begun.elapsed();
        let ready: Value =
            serde_json::from_str(&line).with_context(|| format!("no ready line; see {}", folder.join("tollgate.log").display()))?;
        let address = |pointer: &str| -> Result<SocketAddr> {
            let text = ready.pointer(pointer).and_then(Value::as_str);
            Ok(text.context("the ready line names no address")?.parse()?)
        };
        Ok(Self {
            address: address("/result/listeners/0/address")?,
            admin: address("/result/admin")?,
            start,
            child,
        })
    }

    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }

    /// CPU time of all its threads that live.
    fn cpu(&self) -> Result<Duration> {
        let mut sum = 0;
        for task in fs::read_dir(self.proc().join("task"))? {
            let spent = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += spent.split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Seconds of CPU of the children that have ended: the compilers.
    fn children_cpu(&self) -> Result<f64> {
        let text = fs::read_to_string(self.proc().join("stat"))?;
        // After the name, which may hold spaces: the 14th and 15th fields from the state on (proc_pid_stat(5): cutime, cstime).
        let (_, rest) = text.rsplit_once(')').context("no stat")?;
        let spent = rest
            .split_whitespace()
            .skip(13)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok());
        Ok(spent.sum::<f64>() / TICKS)
    }

    /// Resident memory in MiB.
    fn resident(&self) -> Result<u64> {
        let text = fs::read_to_string(self.proc().join("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024)
    }

    /// `taken`, or why not.
    fn snapshot(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no status")?;
        let status: Value = serde_json::from_str(body).with_context(|| format!("no status but {body}"))?;
        let found = status
            .pointer("/deployments/0/snapshot")
            .or_else(|| status.pointer("/result/deployments/0/snapshot"));
        Ok(found.and_then(Value::as_str).unwrap_or("unknown").to_owned())
    }
}
