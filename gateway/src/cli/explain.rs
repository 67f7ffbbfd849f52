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
    time::SystemTime,
};
use tollgate_config::{
    Place, TenantId,
    manifest::{OptionValue, Provider, Scalar},
};
use tollgate_ingress::{
    Key, Keys, Scheme, UnixTime, certificate::CHAIN_LIMIT, certificate::Certificate, jwt::JWKS_LIMIT, jwt::KeySet, provider::facts,
    recorded::Recorded,
};
use verdict::Verdict;

/// The option that says which URL the provider calls.
const PUBLIC_URL: &str = "public_url";

/// The header that names a certificate, for the one provider that signs with certificates.
const CERTIFICATE_URL: &str = "paypal-cert-url";

/// What stands before the reference of a handshake's token.
const VERIFY: &str = "verify=";

/// Largest recorded request: a body of the largest limit that a manifest may sensibly have, with its head.
const MAX_RECORDED: u64 = 32 << 20;

/// Say whether the gate would accept a recorded request, and if not, why.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Who sent it: one of `tollgate providers`
    #[arg(long, value_name = "P", overrides_with = "provider")]
    provider: String,
    /// A live secret, `env://NAME` or `file://PATH`; several while rotating, the newest first. With `verify=`, the token of the handshake
    #[arg(long, value_name = "[verify=]REF")]
    secret: Vec<String>,
    /// The time that it arrived, in seconds since 1970; now, when not given
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true, overrides_with = "now")]
    now: Option<i64>,
    /// The URL that the provider calls, for those that sign it
    #[arg(long, value_name = "PUBLIC-URL", overrides_with = "url")]
    url: Option<String>,
    /// Published keys (JWKS) of a provider that signs with tokens
    #[arg(long, value_name = "FILE")]
    jwks: Vec<PathBuf>,
    /// The published certificate (PEM, the leaf first); its chain and name are not checked here
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
        let bytes = read(&self.request, MAX_RECORDED)?;
        let request = Recorded::parse(&bytes).map_err(|error| Failure::new("request", format!("{}: {error}", self.request.display())))?;
        match keys {
            Some(keys) => {
                let keys = self.published(keys, &request)?;
                Verdict::of(&scheme, &request.request(), &keys, now).outcome(&tenant)
            }
            None => Verdict::blank_secret().outcome(&tenant),
        }
    }

    /// The keys, with what the provider publishes. Several files count together: sets of keys, or the certificates of one chain.
    fn published(&self, mut keys: Keys, request: &Recorded) -> Result<Keys, Failure> {
        if !self.jwks.is_empty() {
            let sets = self.jwks.iter().map(|path| {
                let set = KeySet::parse(&read(path, JWKS_LIMIT as u64)?);
                set.map_err(|error| Failure::new("jwks", format!("{}: {error}", path.display())))
            });
            keys.issued = Some(Arc::new(KeySet::joined(sets.collect::<Result<Vec<_>, _>>()?)));
        }
        if let Some(first) = self.cert.first() {
            let files: Result<Vec<_>, _> = self.cert.iter().map(|path| read(path, CHAIN_LIMIT as u64)).collect();
            let certificate = Certificate::from_pem(&files?.join(&b'\n'));
            let certificate = certificate.map_err(|error| Failure::new("cert", format!("{}: {error}", first.display())))?;
            // It stands for the one that the request names; whether that name is one of the provider's is still checked.
            let url = request.request().headers.get(CERTIFICATE_URL).and_then(|url| url.to_str().ok());
            keys.certificates = Arc::new(url.map(|url| (url.to_owned(), certificate)).into_iter().collect());
        }
        Ok(keys)
    }

    /// A flag that this provider has no use for would be passed over in silence. `--url` is harmless: it speaks of the request.
    fn refuse_foreign_flags(&self, provider: Provider) -> Result<(), Failure> {
        let name = provider.as_str();
        if !self.jwks.is_empty() && provider != Provider::Teams {
            return Err(Failure::usage(format!("--jwks: {name} does not sign with tokens")));
        }
        if !self.cert.is_empty() && provider != Provider::Paypal {
            return Err(Failure::usage(format!("--cert: {name} does not sign with certificates")));
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
    SystemTime::now().into()
}

fn is_public_url(url: &str) -> bool {
    let parsed = url.parse::<http::Uri>();
    parsed.is_ok_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty()))
}

/// Live keys and the handshake's token, or `None` when one is blank: with a blank key anyone could sign.
fn keys(provider: Provider, references: &[String]) -> Result<Option<Keys>, Failure> {
    let name = provider.as_str();
    let mut keys = Keys::default();
    for text in references {
        let (verify, reference) = match text.strip_prefix(VERIFY) {
            Some(reference) => (true, reference),
            None => (false, text.as_str()),
        };
        if verify && facts(provider).verify.is_none() {
            return Err(Failure::usage(format!("--secret verify=…: {name} has no handshake token")));
        }
        if !verify && !provider.needs_signing() {
            return Err(Failure::usage(format!(
                "--secret: {name} has no signing secret: it publishes its keys"
            )));
        }
        let secret = match reference::read("--secret", &reference::parse("--secret", reference)?)? {
            Secret::Present(secret) => secret,
            Secret::Blank => return Ok(None),
        };
        let Ok(key) = Key::new(secret.to_vec(), None) else {
            return Ok(None);
        };
        if !verify {
            keys.signing.push(key);
        } else if keys.verify.replace(key).is_some() {
            return Err(Failure::usage("--secret verify=…: an endpoint has one handshake token"));
        }
    }
    if keys.signing.is_empty() && keys.verify.is_none() && provider.needs_signing() {
        return Err(Failure::usage(format!("{name} needs --secret REF, the signing secret")));
    }
    Ok(Some(keys))
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

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new("request", format!("{}: more than {limit} bytes", path.display())));
    }
    Ok(bytes)
}
