//! `tollgate demo`: what the README promises, from the ready line to a restart after kill -9.

use crate::run::{binary, tollgate};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
};
use tollgate::{
    cli::serve::hangup_is_ignored,
    demo::{Ports, write},
};

/// A gateway that has printed its ready line.
struct Gateway {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    ready: Value,
}

/// How one ended.
struct End {
    status: Option<i32>,
    /// What stood on stdout after the ready line.
    out: String,
    err: String,
}

impl Gateway {
    fn demo(state: &Path) -> Self {
        let arguments = [OsStr::new("demo"), "--free-ports".as_ref(), "--state".as_ref(), state.as_ref()];
        Self::start(Command::new(binary()).args(arguments).env_clear())
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self {
            child,
            stdout,
            stderr: Some(stderr),
            ready,
        }
    }

    fn listener(&self, tls: bool) -> &str {
        let listeners = self.ready["result"]["listeners"].as_array().unwrap();
        let found = listeners.iter().find(|listener| listener["tls"] == tls).unwrap();
        found["address"].as_str().unwrap()
    }

    /// Sends a payload, or the provider's sample, and gives the worker's answer.
    fn send(&self, state: &Path, payload: Option<&Path>) -> Value {
        let url = format!("https://localhost:{}/slack/events", self.listener(true).rsplit(':').next().unwrap());
        let secret = format!("file://{}", state.join("slack.secret").display());
        let command = tollgate(["send", "slack", "--url", &url, "--secret", &secret, "--ca"]).arg(state.join("localhost.pem"));
        let command = payload.into_iter().fold(command, |command, file| command.arg("--file").arg(file));
        let result = command.result();
        assert_eq!(result["status"], 200, "{result}");
        serde_json::from_str(result["body"].as_str().unwrap()).unwrap()
    }

    fn stop(mut self, signal: Signal) -> End {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap().code();
        let mut out = String::new();
        self.stdout.read_to_string(&mut out).unwrap();
        let err = self.stderr.take().unwrap().join().unwrap();
        End { status, out, err }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_answers_counts_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("demo");
    let demo = Gateway::demo(&state);
    assert_eq!(
        (demo.ready["op"].as_str(), demo.ready["noun"].as_str()),
        (Some("serve"), Some("gateway"))
    );
    assert!(!demo.listener(false).ends_with(":0") && !demo.ready["result"]["admin"].as_str().unwrap().ends_with(":0"));
    let first = demo.send(&state, None);
    assert!(first["text"].as_str().is_some_and(|text| !text.is_empty()), "{first}");
    assert_eq!(
        (first["count"].as_u64(), demo.send(&state, None)["count"].as_u64()),
        (Some(1), Some(2))
    );

    demo.stop(Signal::KILL);
    let demo = Gateway::demo(&state);
    assert_eq!(demo.send(&state, None)["count"], 3);

    let end = demo.stop(Signal::TERM);
    assert_eq!(
        (end.status, end.out.as_str()),
        (Some(0), ""),
        "one line on stdout and a clean end: {}",
        end.err
    );
    assert!(
        end.err.contains(" send slack --url https://localhost:"),
        "what to type next: {}",
        end.err
    );
}

#[test]
fn logs_are_json_lines_with_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Gateway::demo(folder.path());
    demo.send(folder.path(), None);
    // Where the tests run under `nohup`, so does the gateway, and a hangup is nothing to it.
    let end = demo.stop(if hangup_is_ignored() { Signal::INT } else { Signal::HUP });
    assert_eq!(end.status, Some(0), "{}", end.err);
    let lines: Vec<Value> = end.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()),
        "{}",
        end.err
    );
    assert!(
        lines.iter().any(|line| line["target"] == "access" && line["status"] == 200),
        "{}",
        end.err
    );
    let secret = fs::read_to_string(folder.path().join("slack.secret")).unwrap();
    assert!(!end.err.contains(secret.trim()), "the secret is in the log");
}

#[test]
fn without_a_state_folder_nothing_is_left() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    let demo = Gateway::start(command.args(["demo", "--free-ports"]).env_clear().env("TMPDIR", temporary.path()));
    let entries = || fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(entries(), 1);
    assert_eq!(demo.stop(Signal::INT).status, Some(0));
    assert_eq!(entries(), 0);
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), Ports::Free).unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let manifest = fs::read_to_string(&files.manifest).unwrap().replacen("127.0.0.1:0", &taken, 1);
    fs::write(&files.manifest, manifest).unwrap();
    let told = tollgate(["serve", "--config"]).arg(&files.manifest).run();
    drop(holder);
    assert_eq!(told.status, 1, "{}", told.err);
    assert!(told.err.contains(&taken) && told.err.contains("another address"), "{}", told.err);
}

#[test]
fn a_folder_that_cannot_be_made_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let told = tollgate(["demo", "--free-ports", "--state"]).arg(file.join("state")).run();
    assert_eq!((told.status, told.err.matches("os error").count()), (1, 1), "{}", told.err);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_carried_worker_does_what_its_source_does() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples");
    if !samples.join("support.gtpack").is_file() {
        assert!(std::env::var_os("CI").is_none(), "run `cargo xtask samples` first");
        eprintln!("skipped: target/samples/support.gtpack is missing; `cargo xtask samples` builds it");
        return;
    }
    let answers = |from: Option<&Path>| {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), Ports::Free).unwrap();
        if let Some(samples) = from {
            fs::copy(samples.join("support.gtpack"), folder.path().join("support.gtpack")).unwrap();
            fs::copy(samples.join("dev.pub"), folder.path().join("demo.pub")).unwrap();
        }
        let mut command = Command::new(binary());
        let gateway = Gateway::start(command.arg("serve").arg("--config").arg(&files.manifest).env_clear());
        let said = [("U1", "hello"), ("U1", "\u{e4}\u{1f600} \"quoted\""), ("U2", "another"), ("U1", "")];
        let answers = said.map(|(user, text)| {
            let event = serde_json::json!({ "type": "message", "channel": "C1", "user": user, "text": text, "ts": "1700000000.000100" });
            let payload = serde_json::json!({ "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1",
                "event_time": 1_700_000_000, "event": event });
            let file = folder.path().join("payload.json");
            fs::write(&file, payload.to_string()).unwrap();
            gateway.send(folder.path(), Some(&file))
        });
        assert_eq!(gateway.stop(Signal::TERM).status, Some(0));
        answers
    };
    let carried = answers(None);
    assert_eq!(
        carried.iter().map(|answer| answer["count"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(1), Some(3)]
    );
    assert_eq!(carried, answers(Some(&samples)));
}
