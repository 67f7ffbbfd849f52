//! From references to secrets. The only place that reads them; a value never reaches a log or an error.

use std::{collections::BTreeMap, fmt};
use tollgate_config::{EndpointId, Environment, SecretRef};
use tollgate_ingress::Keys;
use zeroize::Zeroizing;

/// All secrets of an environment, resolved. `Debug` prints `[redacted]`.
#[derive(Default)]
pub struct Secrets {
    /// Verification keys of each endpoint.
    pub keys: BTreeMap<EndpointId, Keys>,
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
/// All that are missing or blank, at once.
pub fn resolve(environment: &Environment) -> Result<Secrets, SecretErrors> {
    let _ = environment;
    todo!()
}

/// Reads one secret: an environment variable, or a file less one trailing newline.
///
/// # Errors
/// When it is missing or blank; `place` says what needs it.
pub fn read(place: &str, reference: &SecretRef) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let _ = (place, reference);
    todo!()
}
