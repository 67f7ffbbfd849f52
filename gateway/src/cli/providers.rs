//! `tollgate providers`: what this build verifies.

use super::report::{Failure, Outcome};
use std::fmt::Write as _;
use tollgate_ingress::provider::table::{self, OptionRow, Row};

/// List the providers that this build verifies.
#[derive(Debug, clap::Args)]
pub struct Providers {}

impl Providers {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let rows = table::rows();
        let mut text = format!(
            "{:<19}{:<27}{:>10}{:>11}{:>12}{:>13}  {:<6}{:<9}SECRETS.SIGNING\n",
            "PROVIDER", "METHODS", "BODY (B)", "CLOCK (S)", "ANSWER (S)", "RETRIES (S)", "SAME", "SEVERAL"
        );
        for row in &rows {
            let methods = row.methods.join(",");
            let window = row.window_seconds.map_or_else(|| "none".to_owned(), |seconds| seconds.to_string());
            let several = if row.batches { "yes" } else { "no" };
            let Row {
                provider,
                body_limit,
                deadline_seconds,
                retries_for_seconds,
                same_body,
                key,
                ..
            } = row;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{provider:<19}{methods:<27}{body_limit:>10}{window:>11}{deadline_seconds:>12}{retries_for_seconds:>13}  {same_body:<6}{several:<9}{key}"
            );
        }
        text.push_str("\nSECRETS.VERIFY\n");
        for row in &rows {
            if let Some(verify) = row.verify {
                let _ = writeln!(text, "{:<19}{verify}", row.provider);
            }
        }
        text.push_str("\nOPTIONS\n");
        for row in &rows {
            for OptionRow {
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
