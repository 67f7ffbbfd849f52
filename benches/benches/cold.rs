//! What workers cost that are not in memory, and what thousands of them cost: the gateway as a process, over HTTP/1.1.
//!
//! `cargo build --release -p tollgate && cargo xtask samples`, then `cargo bench -p tollgate-benches --bench cold`. Needs `wasmtime` and the target
//! `wasm32-wasip2`. `-- quick` makes a tenth of the rounds; `-- cold`, `-- thousands`, `-- uncached` make one part.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints what it finds"
)]

use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PACKS: usize = 50;
const TENANTS: usize = 200;
const DEPLOYMENTS: usize = 2_000;
/// Functions of the large component: about 1 MiB of WebAssembly.
const FUNCTIONS: u64 = 1_180;

fn main() {
    let said: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let rounds = if said.iter().any(|word| word == "quick") { 1 } else { 10 };
    let parts = ["cold", "uncached", "thousands"];
    let wanted = |part| said.iter().any(|word| word == part) || !said.iter().any(|word| parts.contains(&word.as_str()));
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let hello = fs::read(root.join("target/samples/hello.wasm")).expect("run `cargo xtask samples` first");
    let bench = Bench {
        program: root.join("target/release/tollgate"),
        folder: folder.path().to_owned(),
    };
    if wanted("cold") {
        bench.cold("hello", &hello, 40 * rounds);
    }
    if wanted("thousands") {
        bench.thousands(&hello, 2_000 * rounds);
    }
    if wanted("uncached") {
        let large = large(&root);
        println!("large: {} bytes, hello: {} bytes", large.len(), hello.len());
        bench.cold("large", &large, 40 * rounds);
        bench.uncached(&large, &hello, rounds.max(3));
    }
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// A first request for a worker that only the disk has, beside one for a worker in memory.
    fn cold(&self, name: &str, component: &[u8], rounds: usize) {
        let packs = [0, 1].map(|number| self.pack(&format!("{name}{number}"), component, number));
        let deployments: Vec<_> = packs.iter().enumerate().map(|(at, pack)| deployment(at, 0, pack)).collect();
        // With room for one worker, each of two that are called in turn is cold.
        let mut narrow = self.serve(&format!("{name}-narrow"), &deployments, 1, json!("1B"));
        let mut wide = self.serve(&format!("{name}-wide"), &deployments, 1, json!("1GiB"));
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for at in 0..packs.len() {
                warm.push(wide.ask(at));
                cold.push(narrow.ask(at));
            }
        }
        let entry = fs::read_dir(self.folder.join(format!("{name}-narrow/cache/code")))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let (warm, cold) = (Spread::of(warm), Spread::of(cold));
        println!("{name}: entry {} bytes in the cache", entry.metadata().unwrap().len());
        println!("{name}: warm {warm}");
        println!("{name}: cold {cold}");
        println!("{name}: cold - warm, p50: {:.3} ms", (cold.p50 - warm.p50) * 1e3);
        let counted = |what: &str| narrow.metric(what);
        println!(
            "{name}: from the cache {}, from memory {}",
            counted("tollgate_activations_total{source=\"cache\"}"),
            counted("tollgate_activations_total{source=\"memory\"}"),
        );
    }

    /// A first request for a worker that nobody has compiled, beside `wasmtime compile` of it.
    fn uncached(&self, large: &[u8], other: &[u8], rounds: usize) {
        let packs = [self.pack("uncached", large, 7), self.pack("other", other, 7)];
        let deployments: Vec<_> = packs.iter().enumerate().map(|(at, pack)| deployment(at, 0, pack)).collect();
        let mut gateway = self.serve("uncached", &deployments, 1, json!("1B"));
        let wasm = self.folder.join("large.wasm");
        fs::write(&wasm, large).unwrap();
        let (mut ours, mut theirs, mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (began, cpu) = (Instant::now(), children_cpu("self"));
            let mut compile = Command::new("wasmtime");
            compile.arg("compile").arg(&wasm).arg("-o").arg(self.folder.join("out"));
            assert!(compile.status().unwrap().success());
            theirs.push(began.elapsed().as_secs_f64());
            their_cpu.push(children_cpu("self") - cpu);
            gateway.ask(1);
            let code = self.folder.join("uncached/cache/code");
            // The larger one's alone: a worker whose entry is gone stays in memory, and the other one has to leave.
            let entries = fs::read_dir(code).unwrap().map(|entry| entry.unwrap().path());
            fs::remove_file(entries.max_by_key(|entry| fs::metadata(entry).unwrap().len()).unwrap()).unwrap();
            let process = gateway.child.id().to_string();
            let cpu = children_cpu(&process);
            ours.push(gateway.ask(0));
            our_cpu.push(children_cpu(&process) - cpu);
        }
        let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
        println!("uncached: first request {ours}");
        println!("uncached: `wasmtime compile` {theirs}");
        println!("uncached: ratio of the p50: {:.2}", ours.p50 / theirs.p50);
        let (ours, theirs) = (Spread::of(our_cpu), Spread::of(their_cpu));
        println!("uncached: CPU time of the compiler {ours}");
        println!("uncached: CPU time of `wasmtime compile` {theirs}");
        println!("uncached: ratio of the p50 of CPU time: {:.2}", ours.p50 / theirs.p50);
    }

    /// Thousands of revisions: their memory, and what finding one of them costs.
    fn thousands(&self, component: &[u8], requests: usize) {
        let packs: Vec<_> = (0..PACKS)
            .map(|number| self.pack(&format!("p{number}"), component, number))
            .collect();
        let deployments: Vec<_> = (0..DEPLOYMENTS)
            .map(|at| deployment(at, at % TENANTS, &packs[(at + at / TENANTS) % PACKS]))
            .collect();
        for start in ["first start, all compiled", "second start, all in the cache"] {
            let mut many = self.serve("many", &deployments, TENANTS, json!("512MiB"));
            println!("{start}: ready after {:.2} s", many.ready_after.as_secs_f64());
            println!("{start}: before any request {}", many.memory());
            for at in 0..DEPLOYMENTS {
                many.ask(at);
            }
            println!("{start}: all touched {}", many.memory());
            println!("{start}: workers in memory {}", many.metric("tollgate_loaded_workers"));
            println!("{start}: their bytes {}", many.metric("tollgate_loaded_bytes"));
        }
        let few: Vec<_> = deployments.iter().take(10).cloned().collect();
        let mut few = self.serve("few", &few, 10, json!("512MiB"));
        let mut many = self.serve("many", &deployments, TENANTS, json!("512MiB"));
        let mut found = [Vec::new(), Vec::new()];
        // The same deployment of both, and one that is never found: routing alone.
        let mut lost = [Vec::new(), Vec::new()];
        for _ in 0..requests {
            for (at, gateway) in [&mut few, &mut many].into_iter().enumerate() {
                found[at].push(gateway.ask(7));
                lost[at].push(gateway.lost(7));
            }
        }
        for (what, [few, many]) in [("answered by a worker", found), ("not routed", lost)] {
            let (few, many) = (Spread::of(few), Spread::of(many));
            println!("{what}: among 10 {few}");
            println!("{what}: among {DEPLOYMENTS} {many}");
            println!("{what}: difference of the p50: {:.0} ns", (many.p50 - few.p50) * 1e9);
        }
    }

    /// A pack of the component; each number gives it other bytes, and so another digest.
    fn pack(&self, name: &str, component: &[u8], number: usize) -> PathBuf {
        let source = self.folder.join(format!("{name}.src"));
        fs::create_dir_all(&source).unwrap();
        let mut component = component.to_vec();
        // A custom section: its id, its size, its name with its length, and the number.
        let text = format!("{number:04}");
        component.extend([0, 5 + text.len() as u8, 4]);
        component.extend(b"copy");
        component.extend(text.bytes());
        fs::write(source.join("w.wasm"), component).unwrap();
        let yaml = "pack_id: bench\nversion: 0.1.0\nkind: application\npublisher: bench\ncomponents:\n  - id: w\n    version: 0.1.0\n    world: wasi:http/proxy@0.2\n    wasm: w.wasm\n";
        fs::write(source.join("pack.yaml"), yaml).unwrap();
        let pack = self.folder.join(format!("{name}.gtpack"));
        fs::write(&pack, tollgate_packs::build(&source).unwrap()).unwrap();
        pack
    }

    fn serve(&self, name: &str, deployments: &[Value], tenants: usize, loaded: Value) -> Gateway {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let named: serde_json::Map<_, _> = (0..tenants)
            .map(|at| (format!("t{at}"), json!({ "hosts": [format!("*.t{at}.localhost")] })))
            .collect();
        let manifest = json!({
            "schema": "tollgate.environment/v1",
            "environment": "local",
            "listeners": [{ "address": "127.0.0.1:0", "protocols": ["h1"] }],
            "admin": { "address": "127.0.0.1:0" },
            "store": { "kind": "memory" },
            "cache": { "path": folder.join("cache"), "loaded": loaded },
            "trust": { "unsigned": "allow" },
            "tenants": named,
            "deployments": deployments,
        });
        let file = folder.join("tollgate.yaml");
        fs::write(&file, manifest.to_string()).unwrap();
        let began = Instant::now();
        let mut child = Command::new(&self.program)
            .args(["serve", "--config"])
            .arg(&file)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("run `cargo build --release -p tollgate` first");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready_after = began.elapsed();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["result"]["listeners"][0]["address"].as_str().unwrap();
        Gateway {
            child,
            tenants,
            ready_after,
            connection: connect(address),
            used: Instant::now(),
            address: address.to_owned(),
            admin: ready["result"]["admin"].as_str().unwrap().to_owned(),
        }
    }
}

fn deployment(at: usize, tenant: usize, pack: &Path) -> Value {
    json!({
        "id": format!("d{at}"),
        "tenant": format!("t{tenant}"),
        "routes": [{ "host": host(at, tenant), "path": "/", "access": "public" }],
        "revisions": [{ "id": "r1", "pack": pack }],
        "traffic": { "r1": 10000 },
        "limits": { "wall": "60s" },
    })
}

fn host(at: usize, tenant: usize) -> String {
    format!("d{at}.t{tenant}.localhost")
}

struct Gateway {
    child: Child,
    tenants: usize,
    ready_after: Duration,
    connection: TcpStream,
    used: Instant,
    address: String,
    admin: String,
}

fn connect(address: &str) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    connection
}

impl Gateway {
    /// Asks a deployment; how many seconds its answer took.
    fn ask(&mut self, at: usize) -> f64 {
        self.get(&host(at, at % self.tenants), 200)
    }

    /// Asks a host of the same tenant that nobody has.
    fn lost(&mut self, at: usize) -> f64 {
        self.get(&format!("nobody.t{at}.localhost"), 404)
    }

    fn get(&mut self, host: &str, status: u16) -> f64 {
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        // The gateway closes a connection that is silent for 10 s.
        if self.used.elapsed() > Duration::from_secs(5) {
            self.connection = connect(&self.address);
        }
        let began = Instant::now();
        self.connection.write_all(request.as_bytes()).unwrap();
        let answer = read(&mut self.connection);
        let took = began.elapsed();
        self.used = Instant::now();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
        took.as_secs_f64()
    }

    fn metric(&self, name: &str) -> String {
        let mut admin = TcpStream::connect(&self.admin).unwrap();
        admin
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        admin.read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or("none").to_owned()
    }

    /// Resident memory, as the kernel has it.
    fn memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut told = String::new();
        for line in status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("Rss") || line.starts_with("VmHWM"))
        {
            write!(told, "{} ", line.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
        }
        told
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of a process's children that have ended (`proc(5)`, `cutime` and `cstime`, in hundredths).
fn children_cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(13) + ticks(14)) / 100.0
}

/// One answer with its length.
fn read(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = connection.read(&mut chunk).unwrap();
        assert!(read > 0, "the connection was closed");
        answer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        // Without a length it is chunked, and the last chunk is empty.
        if length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length| body.len() >= length) {
            return String::from_utf8(answer).unwrap();
        }
    }
}

/// Seconds, sorted.
struct Spread {
    count: usize,
    least: f64,
    p50: f64,
    p90: f64,
    p99: f64,
}

impl Spread {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share) as usize];
        Self {
            count: seconds.len(),
            least: at(0.0),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |seconds: f64| seconds * 1e6;
        write!(
            f,
            "p50 {:.1} us (least {:.1}, p90 {:.1}, p99 {:.1}; {} times)",
            micros(self.p50),
            micros(self.least),
            micros(self.p90),
            micros(self.p99),
            self.count
        )
    }
}

/// A worker of about 1 MiB: as `hello`, with many functions that differ, of which a request runs one.
fn large(root: &Path) -> Vec<u8> {
    let folder = root.join("target/bench-large");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[workspace]\n[package]\nname = \"large\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
        [dependencies]\nwasip2 = \"2.0.1\"\n[profile.release]\nopt-level = 1\npanic = \"abort\"\nstrip = true\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("packs/samples/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut code = fs::read_to_string(root.join("packs/samples/hello/src/lib.rs")).unwrap();
    code = code.replace(
        "let answer = format!(\"hello {}\", request.path_with_query().unwrap_or_default());",
        "let path = request.path_with_query().unwrap_or_default();\n        let number = path.bytes().fold(0, |sum, byte| sum + u64::from(byte));\n        \
         let answer = format!(\"hello {path} {}\", TABLE[number as usize % TABLE.len()](number));",
    );
    writeln!(code, "static TABLE: [fn(u64) -> u64; {FUNCTIONS}] = [").unwrap();
    for function in 0..FUNCTIONS {
        write!(code, "f{function}, ").unwrap();
    }
    code.push_str("];\n");
    for function in 0..FUNCTIONS {
        writeln!(code, "#[inline(never)] fn f{function}(mut x: u64) -> u64 {{").unwrap();
        for step in 0..22_u64 {
            let odd = function
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(step.wrapping_mul(0xd134_2543_de82_ef95))
                | 1;
            writeln!(
                code,
                "x = x.rotate_left({}) ^ {odd}; if x & {} == 0 {{ x = x.wrapping_mul({odd}); }}",
                step + 3,
                step + 1
            )
            .unwrap();
        }
        code.push_str("x }\n");
    }
    fs::write(folder.join("src/lib.rs"), code).unwrap();
    let built = Command::new("cargo")
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .current_dir(&folder)
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .unwrap();
    assert!(built.success());
    fs::read(folder.join("target/wasm32-wasip2/release/large.wasm")).unwrap()
}
