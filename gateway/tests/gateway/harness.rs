//! `Gateway::start(manifest)`, and ways to speak to it.

use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tollgate::gateway::{self, Running};
use tollgate_config::{Environment, manifest::Provider};
use tollgate_host::{ChildLimits, Compiler};
use tollgate_ingress::{Key, UnixTime, sign};

/// Slack's signing secret of every test.
pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// No answer takes longer; a test that waits for one fails instead of hanging. In a paused clock it is the last deadline to come.
const PATIENCE: Duration = Duration::from_secs(600);

/// Children of the real binary: the tests' own knows no `compile`.
pub(crate) fn compiler() -> Compiler {
    Compiler::children(env!("CARGO_BIN_EXE_tollgate").into(), ChildLimits::default())
}

/// A gateway that serves, in a folder of its own.
pub(crate) struct Gateway {
    pub(crate) running: Running,
    pub(crate) folder: tempfile::TempDir,
}

/// The samples' folder.
pub(crate) fn samples() -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples");
    assert!(
        samples.join("dev.pub").exists(),
        "{} is missing; run `cargo xtask samples` first",
        samples.display()
    );
    samples
}

/// A deployment of a sample at `NAME.localhost`.
pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "id": name,
        "tenant": "acme",
        "routes": [{ "host": format!("{name}.localhost"), "path": "/", "access": "public" }],
        "revisions": [{ "id": "r1", "pack": samples().join(format!("{name}.gtpack")) }],
        "traffic": { "r1": 10000 },
        "limits": { "memory": "32MiB", "cpu": "50ms", "wall": "2s", "concurrency": 64, "body": "64KiB" },
    })
}

/// Two listeners, plaintext and TLS, the samples that are named, and a Slack endpoint on `echo` when that is one of them.
pub(crate) fn manifest(folder: &Path, names: &[&str]) -> Value {
    let secret = folder.join("slack.secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let endpoint = |deployment: &&&str| {
        json!({
            "id": format!("slack-{deployment}"), "tenant": "acme", "provider": "slack", "path": format!("/slack/{deployment}"),
            "deployment": deployment, "secrets": { "signing": [format!("file://{}", secret.display())] },
        })
    };
    json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [
            { "address": "127.0.0.1:0", "protocols": ["h1", "h2"] },
            { "address": "127.0.0.1:0", "protocols": ["h1", "h2"], "tls": { "self_signed": ["localhost", "acme.localhost"] } },
        ],
        "admin": { "address": "127.0.0.1:0" },
        "store": { "kind": "memory" },
        "trust": { "keys": [samples().join("dev.pub")] },
        "tenants": { "acme": { "hosts": ["acme.localhost", "*.localhost", "localhost"] } },
        "endpoints": names.iter().filter(|name| matches!(**name, "echo" | "hostile")).collect::<Vec<_>>().iter().map(endpoint).collect::<Vec<_>>(),
        "deployments": names.iter().map(|name| deployment(name)).collect::<Vec<_>>(),
    })
}

impl Gateway {
    /// With these samples.
    pub(crate) async fn of(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path(), names);
        Self::start(folder, &manifest).await
    }

    /// With this manifest.
    pub(crate) async fn start(folder: tempfile::TempDir, manifest: &Value) -> Self {
        let file = folder.path().join("tollgate.yaml");
        std::fs::write(&file, manifest.to_string()).unwrap();
        let environment = Environment::read(&file).unwrap_or_else(|errors| panic!("{errors}"));
        let running = gateway::Gateway::start(environment, compiler()).await.unwrap();
        Self { running, folder }
    }

    /// The plaintext listener.
    pub(crate) fn http(&self) -> SocketAddr {
        self.running.listeners.iter().find(|bound| !bound.tls).unwrap().address
    }

    /// The TLS listener.
    pub(crate) fn https(&self) -> SocketAddr {
        self.running.listeners.iter().find(|bound| bound.tls).unwrap().address
    }

    /// A connection to the plaintext listener.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.http()).await.unwrap()
    }

    /// Sends a request over HTTP/1.1 on a connection of its own.
    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        send_h1(self.connect().await, request).await
    }

    /// Sends these bytes and reads all that comes until the gateway closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // An early refusal may come, and the connection go, while this is still being sent.
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }

    /// The sum of a metric's samples whose line holds all of these.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let request = Request::get("/metrics").header("host", "localhost").body(String::new()).unwrap();
        let text = send_h1(TcpStream::connect(self.running.admin).await.unwrap(), request).await.text;
        let mine = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        };
        text.lines()
            .filter(mine)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Attempted instantiations.
    pub(crate) async fn calls(&self) -> u64 {
        self.metric("tollgate_worker_calls_total", &[]).await
    }

    /// Waits until a metric has a value: each look is a request, so nothing spins.
    pub(crate) async fn until(&self, name: &str, value: u64) {
        let reached = async { while self.metric(name, &[]).await != value {} };
        timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{name} never became {value}"));
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of<B: http_body::Body<Data = bytes::Bytes>>(response: Response<B>) -> Self
    where
        B::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Sends one request over HTTP/1.1.
pub(crate) async fn send_h1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<String>) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::<bytes::Bytes>::from));
    Answer::of(timeout(PATIENCE, response).await.unwrap().unwrap()).await
}

/// Sends one request over HTTP/2.
pub(crate) async fn send_h2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<String>) -> Answer {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::<bytes::Bytes>::from));
    Answer::of(timeout(PATIENCE, response).await.unwrap().unwrap()).await
}

/// All bytes until the other side closes; a reset is an end too.
pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = timeout(PATIENCE, stream.read(&mut chunk)).await.unwrap() {
        all.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status of an answer's text.
pub(crate) fn status_of(text: &str) -> u16 {
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// `GET` at a host.
pub(crate) fn get(host: &str, path: &str) -> Request<String> {
    Request::get(path).header("host", host).body(String::new()).unwrap()
}

/// A Slack message with this event id, signed now.
pub(crate) fn slack(deployment: &str, event: &str) -> Request<String> {
    let payload = json!({
        "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": event, "event_time": 1,
        "event": { "type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1.000100" },
    });
    signed(deployment, &payload.to_string())
}

/// A payload for the Slack endpoint, signed now.
pub(crate) fn signed(deployment: &str, payload: &str) -> Request<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = Key::new(SECRET.as_bytes().to_vec(), None).unwrap();
    let signed = sign::sign(
        Provider::Slack,
        payload.as_bytes(),
        &key,
        UnixTime(i64::try_from(now).unwrap()),
        None,
    )
    .unwrap();
    let mut request = Request::post(format!("/slack/{deployment}"))
        .body(String::from_utf8(signed.body).unwrap())
        .unwrap();
    *request.headers_mut() = signed.headers;
    request.headers_mut().insert("host", "acme.localhost".parse().unwrap());
    request
}

/// The same request for HTTP/2: an absolute target and no Host.
pub(crate) fn for_h2(mut request: Request<String>, scheme: &str) -> Request<String> {
    let host = request.headers_mut().remove("host").unwrap();
    let uri = format!("{scheme}://{}{}", host.to_str().unwrap(), request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// Every answer has an id.
pub(crate) fn assert_id(answer: &Answer) {
    let id = answer
        .headers
        .get("x-request-id")
        .unwrap_or_else(|| panic!("no request id on {answer:?}"));
    assert_eq!(id.len(), 32, "{id:?}");
}
