//! Runs the binary.

use serde_json::Value;
use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Output},
};

/// The binary of the tests' own profile, or the one that `TOLLGATE_BINARY` names: a release is tried by the same tests.
pub(crate) fn binary() -> PathBuf {
    env::var_os("TOLLGATE_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_tollgate").into(), PathBuf::from)
}

/// One command line, with nothing in its environment but what it is given.
pub(crate) struct Tollgate(Command);

/// What came of it.
pub(crate) struct Told {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn tollgate<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Tollgate {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear();
    Tollgate(command)
}

impl Tollgate {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn run(mut self) -> Told {
        let Output { status, stdout, stderr } = self.0.output().expect("the binary starts");
        Told {
            status: status.code().expect("it ended by itself"),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// With `--json`; the result.
    pub(crate) fn result(self) -> Value {
        let told = self.arg("--json").run();
        assert_eq!(told.status, 0, "{}", told.err);
        let answer: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(told.out.matches('\n').count(), 1, "one line: {}", told.out);
        answer["result"].clone()
    }

    /// With `--json`; kind and message of the error.
    pub(crate) fn error(self) -> (String, String) {
        let told = self.arg("--json").run();
        assert_ne!(told.status, 0, "{}", told.out);
        let answer: Value = serde_json::from_str(&told.err).unwrap_or_else(|error| panic!("{error}: {}", told.err));
        for name in ["op", "noun"] {
            assert!(answer[name].is_string(), "{answer}");
        }
        let text = |name: &str| answer["error"][name].as_str().expect("kind and message").to_owned();
        (text("kind"), text("message"))
    }
}
