//! `tollgate check`: what is wrong with a manifest.

use super::report::{Failure, Outcome};
use crate::{gateway, secrets};
use serde::Serialize;
use std::path::PathBuf;
use tollgate_config::Environment;

/// Check a manifest: every error at once, with its place.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Also resolve every secret, as `serve` does before it listens
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
}

impl Check {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let wrong = |errors: tollgate_config::ManifestErrors| Failure::new("manifest", errors.to_string());
        let environment = Environment::read(&self.file).map_err(wrong)?;
        gateway::validate(&environment).map_err(wrong)?;
        if self.resolve {
            secrets::resolve(&environment).map_err(|errors| Failure::new("secret", errors.to_string()))?;
        }
        let checked = Checked {
            environment: environment.id.as_str(),
            listeners: environment.listeners.len(),
            tenants: environment.tenants.len(),
            endpoints: environment.endpoints.len(),
            deployments: environment.deployments.len(),
            secrets_resolved: self.resolve,
        };
        let text = format!(
            "{}: environment {}, {} listeners, {} tenants, {} endpoints, {} deployments: good",
            self.file.display(),
            checked.environment,
            checked.listeners,
            checked.tenants,
            checked.endpoints,
            checked.deployments
        );
        Outcome::new(&checked, text)
    }
}
