//! After a kill -9 at any moment: what the journal calls done never runs again, and what it does not runs when the provider sends it again.

use crate::harness::{manifest, send_h1, slack};
use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify};
use tollgate_config::{EndpointId, manifest::Provider};
use tollgate_ingress::{Key, Keys, Opened, Scheme, UnixTime};
use tollgate_store::{Journal, Mark, MarkKind};

/// Events of one round.
const EVENTS: usize = 120;
/// Answers after which it is killed, with more on their way: early, in the middle, late.
const KILLED_AFTER: [usize; 3] = [5, 50, 110];

/// The binary, killed when dropped.
struct Served {
    child: Child,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Served {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let (http, admin) = (
            address(&ready["result"]["listeners"][0]["address"]),
            address(&ready["result"]["admin"]),
        );
        Self { child, http, admin }
    }

    /// SIGKILL: nothing of it is heard again.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn calls(&self) -> u64 {
        let request = Request::get("/metrics").header("host", "localhost").body(String::new()).unwrap();
        let text = send_h1(TcpStream::connect(self.admin).await.unwrap(), request).await.text;
        let calls = text.lines().filter(|line| line.starts_with("tollgate_worker_calls_total{"));
        calls.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already gone in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The journal's name of an event.
fn mark(request: &Request<String>) -> Mark {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = bytes::Bytes::from(request.body().clone());
    let key = Key::new(crate::harness::SECRET.into(), None).unwrap();
    let opened = tollgate_ingress::open(
        &Scheme::example(Provider::Slack),
        &tollgate_ingress::Request {
            method: request.method(),
            path_and_query: request.uri().path(),
            headers: request.headers(),
            body: &body,
        },
        &Keys::signed_by(vec![key]),
        UnixTime(i64::try_from(now).unwrap()),
    );
    let Ok(Opened::Deliveries(deliveries)) = opened else {
        panic!("no delivery")
    };
    Mark {
        endpoint: EndpointId::new("slack-echo").unwrap(),
        kind: MarkKind::Id,
        hash: deliveries.events[0].id_mark().unwrap(),
    }
}

/// Sends it and says whether the head of an answer of 200 came back before the end.
async fn answered(http: SocketAddr, request: Request<String>) -> bool {
    let Ok(mut stream) = TcpStream::connect(http).await else {
        return false;
    };
    let mut text = format!("POST {} HTTP/1.1\r\nconnection: close\r\n", request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{}", request.body().len(), request.body()));
    stream.write_all(text.as_bytes()).await.is_ok() && crate::harness::status_of(&crate::harness::read_all(&mut stream).await) == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_never_runs_again_and_what_is_not_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &["echo"]);
    manifest["store"] = json!({ "kind": "sled", "path": folder.path().join("store") });
    let journal = folder.path().join("journal");
    manifest["journal"] = json!({ "path": journal });
    let config = folder.path().join("tollgate.yaml");
    std::fs::write(&config, manifest.to_string()).unwrap();
    let mut known = 0;
    for (round, killed_after) in KILLED_AFTER.into_iter().enumerate() {
        let events: Vec<_> = (0..EVENTS).map(|event| format!("Ev-{round}-{event}")).collect();
        let served = Served::start(&config);
        let (http, answers, enough) = (served.http, AtomicUsize::new(0), Notify::new());
        let line = async |first: usize| {
            for event in events.iter().skip(first).step_by(8) {
                if answered(http, slack("echo", event)).await && answers.fetch_add(1, SeqCst) + 1 == killed_after {
                    enough.notify_one();
                }
            }
        };
        let kill = async {
            enough.notified().await;
            served.kill();
        };
        tokio::join!(join_all((0..8).map(line)), kill);
        assert!(answers.load(SeqCst) >= killed_after);

        let kept = Journal::open(&journal, 10_000).unwrap();
        let is_done = |event: &String| kept.any_done(&[mark(&slack("echo", event))], SystemTime::now()).unwrap();
        let done: Vec<_> = events.iter().map(is_done).collect();
        drop(kept);

        let served = Served::start(&config);
        let mut calls = 0;
        for (event, done) in events.iter().zip(&done) {
            let answer = send_h1(TcpStream::connect(served.http).await.unwrap(), slack("echo", event)).await;
            calls += u64::from(!done);
            assert_eq!((answer.status, answer.text.is_empty()), (200, *done), "{event} done: {done}");
        }
        assert_eq!(served.calls().await, calls, "round {round}");
        known += done.iter().filter(|done| **done).count();
        served.kill();
    }
    assert!(known > 0, "the journal kept nothing in any round: the test saw one half only");
}
