//! `tollgate demo`: a gateway to try, and what to type next.

use super::{problem, report::Failure};
use crate::{
    demo::{self, Files, Ports},
    gateway::Running,
};
use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};
use tempfile::TempDir;
use tollgate_config::Environment;

/// Run a gateway with a sample tenant, endpoint and worker; needs no file.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Where its files and its state stay; a temporary folder, gone at the end, when not given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Take free ports, not 8443, 8080 and 9901
    #[arg(long)]
    free_ports: bool,
}

/// A demo that is ready to run.
#[derive(Debug)]
pub struct Prepared {
    /// What it serves.
    pub environment: Environment,
    files: Files,
    /// Removed when the demo is dropped.
    temporary: Option<TempDir>,
}

impl Demo {
    /// Writes the demo's files and reads its manifest.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn prepare(&self) -> Result<Prepared, Failure> {
        let failed = |error: io::Error| Failure::new("file", format!("no temporary folder: {error}"));
        let temporary = match self.state {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("tollgate-demo-").tempdir().map_err(failed)?),
        };
        let state = match (&self.state, &temporary) {
            (Some(given), _) => given.clone(),
            (None, Some(made)) => made.path().to_owned(),
            (None, None) => PathBuf::from("."),
        };
        let ports = if self.free_ports { Ports::Free } else { Ports::Fixed };
        let files = demo::write(&state, ports).map_err(|error| Failure::chain("file", &error))?;
        let environment = problem::read(&files.manifest)?;
        Ok(Prepared {
            environment,
            files,
            temporary,
        })
    }
}

/// A port that is taken has a way out.
pub fn advise(failure: Failure) -> Failure {
    if failure.kind() == "bind" {
        failure.advise("stop what listens there (another demo?), or add --free-ports to this command")
    } else {
        failure
    }
}

/// Tells people what to type next.
pub fn tell(demo: &Prepared, running: &Running) {
    let Some(port) = running.listeners.iter().find(|bound| bound.tls).map(|bound| bound.address.port()) else {
        return;
    };
    let program = env::args_os()
        .next()
        .map_or_else(|| "tollgate".into(), |program| program.to_string_lossy().into_owned());
    let (secret, ca) = (demo.files.secret.display(), demo.files.certificate.display());
    let kept = match &demo.temporary {
        Some(_) => "Its state goes with it; `--state DIR` keeps it.".to_owned(),
        None => format!("Its files and state are in {}.", demo.files.folder.display()),
    };
    let text = format!(
        "\nThe demo runs. Send it a signed Slack message, and see the worker answer:\n\n  \
         {} send slack --url https://localhost:{port}/slack/events --secret {} --ca {}\n\n\
         Send it again, and the worker has counted. {kept} Ctrl-C stops it.\n\n",
        quoted(&program),
        quoted(&format!("file://{secret}")),
        quoted(&ca.to_string()),
    );
    // Nobody reads it, nothing is lost.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@=%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::StartError;

    #[test]
    fn a_taken_port_has_a_way_out() {
        let taken = StartError::Bind {
            address: ([127, 0, 0, 1], 8443).into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        let told = format!("{:?}", advise(taken.into()));
        assert!(told.contains("127.0.0.1:8443") && told.contains("--free-ports"), "{told}");
        let other = format!("{:?}", advise(Failure::new("start", "no memory")));
        assert!(!other.contains("--free-ports"), "{other}");
    }

    #[test]
    fn the_line_to_type_survives_a_shell() {
        for (text, shell) in [
            ("file://.tollgate/demo/x", "file://.tollgate/demo/x"),
            ("/a b", "'/a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), shell);
        }
    }
}
