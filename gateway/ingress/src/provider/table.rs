//! The table of providers: what the documents and `tollgate providers` show is made from each provider's own facts.

use super::{Facts, opener};
use crate::{Scheme, scheme::SameBody};
use serde::Serialize;
use std::fmt::Write as _;
use tollgate_config::{ByteSize, manifest::Provider};

/// What the table says of one provider.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name in manifests.
    pub provider: &'static str,
    /// Methods that it calls with.
    pub methods: Vec<&'static str>,
    /// The largest body, in bytes.
    pub body_limit: u64,
    /// How far its signed clock may be off, in seconds; none where nothing signed has a clock.
    pub window_seconds: Option<u64>,
    /// Until when it waits for an answer, in seconds.
    pub deadline_seconds: u64,
    /// How long it retries, and so how long an event is known, in seconds.
    pub retries_for_seconds: u64,
    /// What a known body under another unsigned id is: `drop` or `run`.
    pub same_body: &'static str,
    /// Whether one request may carry several events.
    pub batches: bool,
    /// What `secrets.signing` holds.
    pub key: &'static str,
    /// What `secrets.verify` holds, where there is a handshake with a token.
    pub verify: Option<&'static str>,
    /// Options of an endpoint.
    pub options: Vec<OptionRow>,
}

/// One option of a provider.
#[derive(Debug, Clone, Serialize)]
pub struct OptionRow {
    /// The key under `options`.
    pub key: &'static str,
    /// What may stand there.
    pub accepts: String,
    /// Whether it must stand there.
    pub required: bool,
    /// What it does.
    pub what: &'static str,
}

/// All providers, in the order of the documents.
pub fn rows() -> Vec<Row> {
    Provider::ALL.into_iter().map(row).collect()
}

fn row(provider: Provider) -> Row {
    let facts: &Facts = opener(provider).facts();
    Row {
        provider: provider.as_str(),
        methods: facts.methods.iter().map(http::Method::as_str).collect(),
        body_limit: facts.body_limit.get(),
        window_seconds: facts.window.map(|window| window.as_secs()),
        deadline_seconds: facts.deadline.as_secs(),
        retries_for_seconds: facts.horizon.as_secs(),
        same_body: match Scheme::example(provider).same_body() {
            SameBody::Drop => "drop",
            SameBody::Run => "run",
        },
        batches: facts.batches,
        key: facts.key,
        verify: facts.verify,
        options: facts
            .options
            .iter()
            .map(|option| OptionRow {
                key: option.key,
                accepts: option.accepts(),
                required: option.required,
                what: option.what,
            })
            .collect(),
    }
}

/// The page `docs/providers.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Providers\n\n\
         Made from the code by `UPDATE_DOCS=1 cargo test --workspace`; `tollgate providers` shows the same.\n\n\
         **Clock**: how far the signed time may be off. **Answer**: until when the provider waits. **Known for**: how long it retries, and so how long an\n\
         event is known and does not run again. **Same body**: whether a body that is known runs again under another id, where the id is not signed or there is\n\
         none (`same_body` overrides it where the provider has that option). **Several**: one request may carry several events, each a delivery of its own.\n\n\
         | provider | methods | body | clock | answer | known for | same body | several |\n|---|---|---|---|---|---|---|---|\n",
    );
    let rows = rows();
    // Writing to a string does not fail.
    for row in &rows {
        let _ = writeln!(
            page,
            "| [`{0}`](#{0}) | {1} | {2} | {3} | {4} | {5} | {6} | {7} |",
            row.provider,
            row.methods.join(", "),
            ByteSize::bytes(row.body_limit),
            row.window_seconds.map_or_else(|| "none".to_owned(), time),
            time(row.deadline_seconds),
            time(row.retries_for_seconds),
            row.same_body,
            if row.batches { "yes" } else { "" },
        );
    }
    for row in &rows {
        let _ = write!(page, "\n## {}\n\n`secrets.signing`: {}.\n", row.provider, row.key);
        if let Some(verify) = row.verify {
            let _ = writeln!(page, "`secrets.verify`: {verify}.");
        }
        page.push_str("\n| option | accepted | what it does |\n|---|---|---|\n");
        for option in &row.options {
            let required = if option.required { "; required" } else { "" };
            let _ = writeln!(page, "| `{}` | {}{required} | {} |", option.key, option.accepts, option.what);
        }
    }
    page
}

/// Seconds as people say them.
fn time(seconds: u64) -> String {
    match seconds {
        hours if hours % 3600 == 0 && hours > 0 => format!("{} h", hours / 3600),
        minutes if minutes % 60 == 0 && minutes > 0 => format!("{} min", minutes / 60),
        seconds => format!("{seconds} s"),
    }
}
