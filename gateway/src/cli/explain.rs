//! `tollgate explain`: what the gate would say to a recorded request, by the gate's own code, offline.

mod verdict;

use super::{
    reference::{self, Secret},
    report::{Failure, Outcome},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tollgate_config::{
    Place, TenantId,
    manifest::{OptionValue, Provider, Scalar},
};
use tollgate_ingress::{Key, Keys, Scheme, UnixTime, provider::facts, recorded::Recorded};
use verdict::Verdict;

/// The option that says which URL the provider calls.
const PUBLIC_URL: &str = "public_url";

/// Largest recorded request: a body of the largest limit that a manifest may sensibly have, with its head.
const MAX_RECORDED: u64 = 32 << 20;

/// Say whether the gate would accept a recorded request, and if not, why.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Who sent it: one of `tollgate providers`
    #[arg(long, value_name = "P", overrides_with = "provider")]
    provider: String,
    /// A live secret, `env://NAME` or `file://PATH`; several while rotating, the newest first
    #[arg(long, value_name = "[verify=]REF")]
    secret: Vec<String>,
    /// The time that it arrived, in seconds since 1970; now, when not given
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true, overrides_with = "now")]
    now: Option<i64>,
    /// The URL that the provider calls, for those that sign it
    #[arg(long, value_name = "PUBLIC-URL", overrides_with = "url")]
    url: Option<String>,
    /// Keys of a provider that signs with tokens
    #[arg(long, value_name = "FILE")]
    jwks: Vec<PathBuf>,
    /// Certificates of a provider that signs with them
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// Whose activity it would be
    #[arg(long, value_name = "T", default_value = "acme", overrides_with = "tenant")]
    tenant: String,
    /// An option of the endpoint
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// A raw HTTP/1.1 request as recorded
    #[arg(value_name = "REQUEST-FILE")]
    request: PathBuf,
}

impl Explain {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let provider = provider(&self.provider)?;
        let tenant = TenantId::new(&self.tenant).map_err(|error| Failure::usage(format!("--tenant: {error}")))?;
        self.refuse_foreign_flags(provider)?;
        let scheme = scheme(provider, &self.set, self.url.as_deref())?;
        let keys = keys(provider, &self.secret)?;
        let now = self.now.map_or_else(now, UnixTime);
        let bytes = read(&self.request)?;
        let request = Recorded::parse(&bytes).map_err(|error| Failure::new("request", format!("{}: {error}", self.request.display())))?;
        match keys {
            Some(keys) => Verdict::of(&scheme, &request.request(), &keys, now).outcome(&tenant),
            None => Verdict::blank_secret().outcome(&tenant),
        }
    }

    /// A flag that this provider has no use for would be passed over in silence. `--url` is harmless: it speaks of the request.
    fn refuse_foreign_flags(&self, provider: Provider) -> Result<(), Failure> {
        let provider = provider.as_str();
        if !self.jwks.is_empty() {
            return Err(Failure::usage(format!(
                "--jwks: {provider} does not sign with tokens, and providers that do are not built yet"
            )));
        }
        if !self.cert.is_empty() {
            return Err(Failure::usage(format!(
                "--cert: {provider} does not sign with certificates, and providers that do are not built yet"
            )));
        }
        match &self.url {
            Some(url) if !is_public_url(url) => Err(Failure::usage("--url takes an absolute URL, `https://host/path`")),
            _ => Ok(()),
        }
    }
}

/// The provider with its options; `url` is its `public_url`, for those that sign it.
pub(super) fn scheme(provider: Provider, set: &[String], url: Option<&str>) -> Result<Scheme, Failure> {
    let mut options = options(set)?;
    if let Some(url) = url
        && facts(provider).options.iter().any(|option| option.key == PUBLIC_URL)
    {
        options.entry(PUBLIC_URL.to_owned()).or_insert_with(|| OptionValue {
            value: Scalar::Text(url.to_owned()),
            place: place(),
        });
    }
    Scheme::new(provider, &options).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("--set {}: {}", error.key, error.message))
            .collect();
        Failure::usage(lines.join("\n"))
    })
}

/// The provider of this name.
pub(super) fn provider(name: &str) -> Result<Provider, Failure> {
    Provider::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Provider::ALL.iter().map(|provider| provider.as_str()).collect();
        Failure::usage(format!("no provider {name:?} in this build; it has {}", known.join(", ")))
    })
}

/// The system's clock.
pub(super) fn now() -> UnixTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn is_public_url(url: &str) -> bool {
    let parsed = url.parse::<http::Uri>();
    parsed.is_ok_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty()))
}

/// Live keys, or `None` when one is blank: with a blank key anyone could sign.
fn keys(provider: Provider, references: &[String]) -> Result<Option<Keys>, Failure> {
    if references.is_empty() {
        return Err(Failure::usage(format!(
            "{} needs --secret REF, the signing secret",
            provider.as_str()
        )));
    }
    let mut signing = Vec::with_capacity(references.len());
    for text in references {
        if text.starts_with("verify=") {
            return Err(Failure::usage(format!(
                "--secret verify=…: {} has no handshake token",
                provider.as_str()
            )));
        }
        match reference::read("--secret", &reference::parse("--secret", text)?)? {
            Secret::Present(secret) => match Key::new(secret.to_vec(), None) {
                Ok(key) => signing.push(key),
                Err(_) => return Ok(None),
            },
            Secret::Blank => return Ok(None),
        }
    }
    Ok(Some(Keys::signed_by(signing)))
}

/// `--set OPTION=VALUE`, with values as the manifest has them.
fn options(set: &[String]) -> Result<BTreeMap<String, OptionValue>, Failure> {
    let mut options = BTreeMap::new();
    for text in set {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--set takes OPTION=VALUE, not {text:?}")))?;
        let value = match value {
            "true" => Scalar::Bool(true),
            "false" => Scalar::Bool(false),
            text => text.parse().map_or_else(|_| Scalar::Text(text.to_owned()), Scalar::Integer),
        };
        options.insert(name.to_owned(), OptionValue { value, place: place() });
    }
    Ok(options)
}

/// Where an option of the command line stands.
fn place() -> Place {
    Place {
        file: Arc::new(PathBuf::from("--set")),
        line: 1,
        column: 1,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_RECORDED + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_RECORDED {
        return Err(Failure::new(
            "request",
            format!("{}: more than {MAX_RECORDED} bytes", path.display()),
        ));
    }
    Ok(bytes)
}
