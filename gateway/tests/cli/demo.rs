//! `tollgate demo`: what the README promises, from the ready line to a restart after kill -9.

use crate::run::tollgate;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
};

struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    ready: Value,
}

impl Demo {
    fn start(state: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["demo", "--free-ports", "--state"]).arg(state).env_clear();
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

    fn send(&self, state: &Path) -> Value {
        let url = format!("https://localhost:{}/slack/events", self.listener(true).rsplit(':').next().unwrap());
        let secret = format!("file://{}", state.join("slack.secret").display());
        let command = tollgate(["send", "slack", "--url", &url, "--secret", &secret, "--ca"]).arg(state.join("localhost.pem"));
        let result = command.result();
        assert_eq!(result["status"], 200, "{result}");
        serde_json::from_str(result["body"].as_str().unwrap()).unwrap()
    }

    /// Ends it by a signal: its exit status, the rest of stdout, and stderr.
    fn stop(&mut self, signal: Signal) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let told = self.stderr.take().unwrap().join().unwrap();
        (status.code(), rest, told)
    }
}

impl Drop for Demo {
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
    let mut demo = Demo::start(&state);
    assert_eq!(
        (demo.ready["op"].as_str(), demo.ready["noun"].as_str()),
        (Some("serve"), Some("gateway"))
    );
    assert!(!demo.listener(false).ends_with(":0") && !demo.ready["result"]["admin"].as_str().unwrap().ends_with(":0"));
    let first = demo.send(&state);
    assert!(first["text"].as_str().is_some_and(|text| !text.is_empty()), "{first}");
    assert_eq!((first["count"].as_u64(), demo.send(&state)["count"].as_u64()), (Some(1), Some(2)));

    demo.stop(Signal::KILL);
    let mut demo = Demo::start(&state);
    assert_eq!(demo.send(&state)["count"], 3);

    let (status, rest, told) = demo.stop(Signal::TERM);
    assert_eq!((status, rest.as_str()), (Some(0), ""), "one line on stdout and a clean end: {told}");
    assert!(told.contains(" send slack --url https://localhost:"), "what to type next: {told}");
}

#[test]
fn logs_are_json_lines_with_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(folder.path());
    demo.send(folder.path());
    let (status, _, told) = demo.stop(Signal::INT);
    assert_eq!(status, Some(0), "{told}");
    let lines: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()),
        "{told}"
    );
    assert!(lines.iter().any(|line| line["status"] == 200), "no access log: {told}");
    let secret = std::fs::read_to_string(folder.path().join("slack.secret")).unwrap();
    assert!(!told.contains(secret.trim()), "the secret is in the log");
}

#[test]
fn without_a_state_folder_nothing_is_left() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["demo", "--free-ports"]).env_clear().env("TMPDIR", temporary.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let entries = || std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(entries(), 1, "{line}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(entries(), 0);
}
