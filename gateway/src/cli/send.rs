//! `tollgate send`: a payload, signed as the provider signs it, to any URL.

mod client;
mod target;
mod trust;

use super::{
    explain,
    reference::{self, Secret},
    report::{Failure, Outcome},
};
use http::StatusCode;
use serde::Serialize;
use std::{fs::File, io::Read, path::PathBuf};
use target::Target;
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Key, UnixTime, sign};
use trust::Roots;

/// Largest payload: more than any provider sends.
const MAX_PAYLOAD: u64 = 32 << 20;

/// Sign a payload as a provider does, and send it.
#[derive(Debug, clap::Args)]
pub struct Send {
    /// As whom: one of `tollgate providers`
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// Where to; `localhost` and names under it are this machine
    #[arg(long, value_name = "URL")]
    url: String,
    /// The signing secret, `env://NAME` or `file://PATH`; a private RSA key (PEM) for `teams` and `paypal`
    #[arg(long, value_name = "REF")]
    secret: String,
    /// What to send; a small real payload of the provider, when not given
    #[arg(long, value_name = "PAYLOAD")]
    file: Option<PathBuf>,
    /// An option of the endpoint
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// Send the payload's own event id, not a fresh one
    #[arg(long)]
    as_is: bool,
    /// Trust this certificate (PEM), not the system's roots
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Trust any certificate: whoever answers may not be who the URL says
    #[arg(long)]
    insecure: bool,
}

#[derive(Serialize)]
struct Sent<'a> {
    status: u16,
    milliseconds: f64,
    body: &'a str,
    truncated: bool,
    request_id: Option<&'a str>,
}

impl Send {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let provider = explain::provider(&self.provider)?;
        let target = Target::parse(&self.url)?;
        let scheme = explain::scheme(provider, &self.set, Some(&self.url))?;
        let key = self.key()?;
        let payload = self.payload(provider)?;
        let fresh_id = if self.as_is { None } else { Some(fresh_id(provider)) };
        let UnixTime(now) = explain::now();
        let signed = sign::sign_for(&scheme, &payload, &key, UnixTime(now), fresh_id.as_deref())
            .map_err(|error| Failure::chain("payload", &error))?;
        let tls = if target.tls { Some(trust::config(self.roots())?) } else { None };

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new("start", format!("no runtime: {error}")))?;
        let answer = runtime.block_on(client::post(&target, tls, signed))?;

        let milliseconds = (answer.time.as_secs_f64() * 1e4).round() / 10.0;
        let body = String::from_utf8_lossy(&answer.body);
        let request_id = answer.request_id.as_deref();
        let status = answer.status;
        let sent = Sent {
            status: status.as_u16(),
            milliseconds,
            body: &body,
            truncated: answer.truncated,
            request_id,
        };
        let outcome = Outcome::new(&sent, format!("{status} in {milliseconds} ms\n{body}"))?;
        if status.is_success() {
            return Ok(outcome);
        }
        let failure = match request_id {
            Some(id) => Failure::new("refused", format!("the answer was {status} (request {id})")).advise(advice(status)),
            None => {
                Failure::new("refused", format!("the answer was {status}")).advise("it has no request id: is it a gateway that answered?")
            }
        };
        Ok(outcome.and_failed(failure))
    }

    fn roots(&self) -> Roots<'_> {
        match &self.ca {
            Some(file) => Roots::File(file),
            None if self.insecure => Roots::Anyone,
            None => Roots::System,
        }
    }

    fn key(&self) -> Result<Key, Failure> {
        let reference = reference::parse("--secret", &self.secret)?;
        let blank = || Failure::new("secret", format!("--secret: {reference}: blank"));
        match reference::read("--secret", &reference)? {
            Secret::Present(secret) => Key::new(secret.to_vec(), None).map_err(|_| blank()),
            Secret::Blank => Err(blank()),
        }
    }

    fn payload(&self, provider: Provider) -> Result<Vec<u8>, Failure> {
        let Some(path) = &self.file else {
            return Ok(sign::sample(provider).as_bytes().to_vec());
        };
        let mut payload = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_PAYLOAD + 1).read_to_end(&mut payload));
        read.map_err(|error| Failure::new("file", format!("--file {}: cannot be read: {error}", path.display())))?;
        if payload.len() as u64 > MAX_PAYLOAD {
            return Err(Failure::new(
                "payload",
                format!("--file {}: more than {MAX_PAYLOAD} bytes", path.display()),
            ));
        }
        Ok(payload)
    }
}

/// A new event id in the provider's own form.
fn fresh_id(provider: Provider) -> String {
    let random = uuid::Uuid::new_v4();
    match provider {
        Provider::Slack => format!(
            "Ev{}",
            random.simple().to_string().to_uppercase().chars().take(16).collect::<String>()
        ),
        Provider::Github => random.to_string(),
        Provider::StandardWebhooks => format!("msg_{}", random.simple()),
        // A number of fifteen digits: within 2^53, and never one that Telegram has given out.
        Provider::Telegram => (100_000_000_000_000 + random.as_u128() % 900_000_000_000_000).to_string(),
        Provider::Stripe => format!("evt_{}", random.simple()),
        Provider::Paypal => format!("WH-{}", random.simple()),
        _ => random.simple().to_string(),
    }
}

/// What to look at when a gateway did not take it.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "is --secret one that the endpoint has, and is this its provider? The gateway's log has the reason by this id; of a recorded request \
             `tollgate explain` says it"
        }
        StatusCode::NOT_FOUND => "no endpoint is at this host and path: compare --url with the manifest's tenants and endpoints",
        StatusCode::SERVICE_UNAVAILABLE => {
            "the gateway's log has the reason by this id; if it is `not_ready`, an ERROR at its start says why, as `/status` of its admin \
             listener does"
        }
        _ => "the gateway's log has the reason by this id",
    }
}
