//! `tollgate providers`: what this build verifies.

use super::report::{Failure, Outcome};
use serde::Serialize;
use std::fmt::Write as _;
use tollgate_config::manifest::Provider;
use tollgate_ingress::provider::facts;

/// List the providers that this build verifies.
#[derive(Debug, clap::Args)]
pub struct Providers {}

#[derive(Serialize)]
struct Row {
    provider: &'static str,
    methods: Vec<&'static str>,
    body_limit: u64,
    retries_for_seconds: u64,
    window_seconds: Option<u64>,
    key: &'static str,
}

impl Providers {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let rows: Vec<Row> = Provider::ALL.into_iter().map(row).collect();
        let mut text = format!(
            "{:<19}{:<9}{:>10}{:>13}{:>11}  SECRETS.SIGNING\n",
            "PROVIDER", "METHODS", "BODY (B)", "RETRIES (S)", "CLOCK (S)"
        );
        for row in &rows {
            let methods = row.methods.join(",");
            let window = row.window_seconds.map_or_else(|| "none".to_owned(), |seconds| seconds.to_string());
            let Row {
                provider,
                body_limit,
                retries_for_seconds,
                key,
                ..
            } = row;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{provider:<19}{methods:<9}{body_limit:>10}{retries_for_seconds:>13}{window:>11}  {key}"
            );
        }
        Outcome::new(&rows, text)
    }
}

fn row(provider: Provider) -> Row {
    let facts = facts(provider);
    Row {
        provider: provider.as_str(),
        methods: facts.methods.iter().map(http::Method::as_str).collect(),
        body_limit: facts.body_limit.get(),
        retries_for_seconds: facts.horizon.as_secs(),
        window_seconds: facts.window.map(|window| window.as_secs()),
        key: facts.key,
    }
}
