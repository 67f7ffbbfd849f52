//! `tollgate check`: what is wrong with a manifest.

mod resolve;

use super::{
    problem,
    report::{Failure, Outcome},
};
use crate::gateway;
use serde::Serialize;
use std::path::PathBuf;
use tollgate_config::Environment;

/// Check a manifest: every error at once, with its place.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Also read what it names, as `serve` does: secrets, trust keys, packs and certificates
    #[arg(long)]
    resolve: bool,
    /// The environment's manifest
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Checked<'a> {
    environment: &'a str,
    listeners: usize,
    tenants: usize,
    endpoints: usize,
    deployments: usize,
    secrets_resolved: bool,
    warnings: &'a [String],
}

impl Check {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let environment = problem::read(&self.file)?;
        gateway::validate(&environment).map_err(problem::failure)?;
        if self.resolve {
            resolve::all(&environment, &self.file)?;
        }
        let warnings = warnings(&environment);
        let checked = Checked {
            environment: environment.id.as_str(),
            listeners: environment.listeners.len(),
            tenants: environment.tenants.len(),
            endpoints: environment.endpoints.len(),
            deployments: environment.deployments.len(),
            secrets_resolved: self.resolve,
            warnings: &warnings,
        };
        let text = format!(
            "{}: environment {}, {}, {}, {}, {}: good",
            self.file.display(),
            checked.environment,
            counted(checked.listeners, "listener"),
            counted(checked.tenants, "tenant"),
            counted(checked.endpoints, "endpoint"),
            counted(checked.deployments, "deployment"),
        );
        Ok(Outcome::new(&checked, text)?.and_warned(warnings))
    }
}

fn counted(count: usize, noun: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{end}")
}

/// What is allowed, and hardly meant.
fn warnings(environment: &Environment) -> Vec<String> {
    let nothing = environment.trust.keys.is_empty() && !environment.trust.allow_unsigned;
    let told = "no key is trusted, so no pack will run; list the publisher's public key under `trust.keys`";
    if nothing { vec![told.to_owned()] } else { Vec::new() }
}
