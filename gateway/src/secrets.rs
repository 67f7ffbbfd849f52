//! From references to secrets. The only place that reads them; a value never reaches a log or an error.

use std::{collections::BTreeMap, fmt, fs::File, io::Read};
use tollgate_config::{DeploymentId, EndpointId, Environment, SecretRef, manifest::LiveSecret};
use tollgate_host::Secrets as Granted;
use tollgate_ingress::{Key, Keys, Scheme, UnixTime};
use zeroize::Zeroizing;

/// All secrets of an environment, resolved. `Debug` prints `[redacted]`.
#[derive(Default)]
pub struct Secrets {
    /// Verification keys of each endpoint.
    pub keys: BTreeMap<EndpointId, Keys>,
    /// What the workers of each deployment may use, by the name that they say.
    pub granted: BTreeMap<DeploymentId, Granted>,
    /// The admin listener's bearer token, where one is set.
    pub admin: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One secret that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reference}: {message}")]
pub struct SecretError {
    /// What needs it, as `endpoint acme-slack`.
    pub place: String,
    /// The reference.
    pub reference: String,
    /// What is wrong with it.
    pub message: String,
    /// It is there, and blank: it would open for anyone.
    pub blank: bool,
}

/// All that are not there; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretErrors(pub Vec<SecretError>);

impl fmt::Display for SecretErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SecretErrors {}

/// Resolves every secret of the environment.
///
/// # Errors
/// All that are missing, blank, or not of their provider's form, at once.
pub fn resolve(environment: &Environment) -> Result<Secrets, SecretErrors> {
    let mut secrets = Secrets::default();
    let mut errors = Vec::new();
    for endpoint in &environment.endpoints {
        let place = format!("{}: endpoint {}", endpoint.place, endpoint.id);
        let scheme = Scheme::new(endpoint.provider, &endpoint.options).ok();
        let mut keys = Keys::default();
        for secret in &endpoint.signing {
            match key(&place, secret, scheme.as_ref()) {
                Ok(key) => keys.signing.push(key),
                Err(error) => errors.push(error),
            }
        }
        if let Some(reference) = &endpoint.verify {
            match handshake(&place, reference) {
                Ok(key) => keys.verify = Some(key),
                Err(error) => errors.push(error),
            }
        }
        secrets.keys.insert(endpoint.id.clone(), keys);
    }
    for deployment in &environment.deployments {
        let place = format!("{}: deployment {}", deployment.place, deployment.id);
        let mut granted = Granted::new();
        for (name, reference) in &deployment.secrets {
            match read(&place, reference) {
                Ok(secret) => drop(granted.insert(name.clone(), secret)),
                Err(error) => errors.push(error),
            }
        }
        secrets.granted.insert(deployment.id.clone(), granted);
    }
    if let Some(token) = &environment.admin.token {
        match read("admin", token) {
            Ok(token) => secrets.admin = Some(token),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(secrets)
    } else {
        Err(SecretErrors(errors))
    }
}

/// The token of a handshake, whose form is the operator's own.
fn handshake(place: &str, reference: &SecretRef) -> Result<Key, SecretError> {
    let text = read(place, reference)?;
    Key::new(text.to_vec(), None).map_err(|error| SecretError {
        place: place.to_owned(),
        reference: reference.to_string(),
        message: error.to_string(),
        blank: true,
    })
}

fn key(place: &str, secret: &LiveSecret, scheme: Option<&Scheme>) -> Result<Key, SecretError> {
    let wrong = |message: String| SecretError {
        place: place.to_owned(),
        reference: secret.reference.to_string(),
        message,
        blank: false,
    };
    let text = read(place, &secret.reference)?;
    let key = Key::new(text.to_vec(), secret.not_after.map(UnixTime)).map_err(|error| wrong(error.to_string()))?;
    match scheme.map(|scheme| scheme.check_key(&key)) {
        Some(Err(error)) => return Err(wrong(error.to_string())),
        Some(Ok(Some(warning))) => tracing::warn!(place, reference = %secret.reference, warning, "a weak secret"),
        Some(Ok(None)) | None => {}
    }
    Ok(key)
}

/// Longest secret file, in bytes: a chain of public keys is shorter. What is longer is no secret, but a mistake.
const MAX_FILE: u64 = 64 * 1024;

/// Reads one secret: an environment variable, or a file less one trailing newline.
///
/// # Errors
/// When it is missing or blank; `place` says what needs it.
pub fn read(place: &str, reference: &SecretRef) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let wrong = |message: String| SecretError {
        place: place.to_owned(),
        reference: reference.to_string(),
        message,
        blank: false,
    };
    let mut secret = Zeroizing::new(Vec::new());
    match reference {
        SecretRef::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| wrong("the variable is not set".to_owned()))?;
            *secret = value.into_encoded_bytes();
        }
        SecretRef::File(path) => {
            let cannot = |error: std::io::Error| wrong(format!("the file cannot be read: {error}"));
            let file = File::open(path).map_err(cannot)?;
            // Room for all of it from the start: a vector that grows leaves copies behind, which nothing would zero.
            secret.reserve_exact(MAX_FILE as usize + 1);
            file.take(MAX_FILE + 1).read_to_end(&mut secret).map_err(cannot)?;
            if secret.len() as u64 > MAX_FILE {
                return Err(wrong(format!("the file is over {MAX_FILE} bytes: no secret")));
            }
            if secret.last() == Some(&b'\n') {
                secret.pop();
                if secret.last() == Some(&b'\r') {
                    secret.pop();
                }
            }
        }
    }
    if secret.iter().all(u8::is_ascii_whitespace) {
        return Err(SecretError {
            blank: true,
            ..wrong("it is blank, and would open for anyone".to_owned())
        });
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use tollgate_config::SecretName;

    #[test]
    fn a_file_is_read_less_one_newline_and_never_blank() {
        let folder = tempfile::tempdir().unwrap();
        for (written, expected) in [
            ("s3cret\n", Ok("s3cret")),
            ("s3cret\r\n", Ok("s3cret")),
            ("s3cret\n\n", Ok("s3cret\n")),
            (" s3cret", Ok(" s3cret")),
            ("", Err("blank")),
            (" \n", Err("blank")),
        ] {
            let path = folder.path().join("secret");
            std::fs::write(&path, written).unwrap();
            match (read("endpoint e", &SecretRef::File(path)), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.as_slice(), expected.as_bytes()),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, _) => panic!("{written:?}: {:?}", got.map(|_| "a secret")),
            }
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_what_needs_it() {
        let error = read("endpoint e", &SecretRef::Env("TOLLGATE_TEST_NOBODY_SETS_THIS".into()))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "endpoint e: env://TOLLGATE_TEST_NOBODY_SETS_THIS: the variable is not set");
        let error = read("admin", &SecretRef::File("/nowhere/secret".into())).unwrap_err().to_string();
        assert!(
            error.starts_with("admin: file:///nowhere/secret: the file cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn secrets_do_not_print() {
        let secrets = Secrets {
            keys: BTreeMap::new(),
            granted: BTreeMap::from([(
                DeploymentId::new("d").unwrap(),
                BTreeMap::from([(SecretName::new("n").unwrap(), Zeroizing::new(b"hunter2".to_vec()))]),
            )]),
            admin: Some(Zeroizing::new(b"hunter2".to_vec())),
        };
        assert_eq!(format!("{secrets:?}"), "[redacted]");
    }
}
