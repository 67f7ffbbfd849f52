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
    options: Vec<Opt>,
}

#[derive(Serialize)]
struct Opt {
    key: &'static str,
    accepts: String,
    required: bool,
    what: &'static str,
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
        text.push_str("\nOPTIONS\n");
        for row in &rows {
            for Opt {
                key,
                accepts,
                required,
                what,
            } in &row.options
            {
                let required = if *required { ", required" } else { "" };
                let _ = writeln!(text, "{:<19}{key:<17}{accepts}{required}: {what}", row.provider);
            }
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
        options: facts
            .options
            .iter()
            .map(|option| Opt {
                key: option.key,
                accepts: option.accepts().to_string(),
                required: option.required,
                what: option.what,
            })
            .collect(),
    }
}
