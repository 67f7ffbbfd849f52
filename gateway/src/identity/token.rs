//! A caller's bearer token (RFC 6750): who signed it, and which tenant it names.

use crate::{keys::Keyring, respond::Refused};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tollgate_config::{
    TenantId,
    manifest::{Jwt, JwtKeys},
};
use tollgate_ingress::{
    UnixTime,
    jwt::{self, Algorithm, JwtError, KeySet, KeySetError, Policy, Token},
};

/// How far the issuer's clock and ours may differ. RFC 7519 4.1.4: "usually no more than a few minutes".
const LEEWAY: Duration = Duration::from_secs(60);

/// Largest file with a public key, in bytes: RSA with 8192 bits has about 1.5 KiB.
const MAX_KEY_FILE: usize = 64 * 1024;

/// What a request has in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer<'a> {
    /// Nothing, or another scheme's.
    None,
    /// A token.
    Token(&'a str),
    /// More than one field: who reads the one and who reads the other would disagree.
    Twice,
}

impl<'a> Bearer<'a> {
    /// What these headers have.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (Some(field), None) => bearer(field).map_or(Self::None, Self::Token),
            (None, _) => Self::None,
            (Some(_), Some(_)) => Self::Twice,
        }
    }

    /// Whether there is anything to look at.
    pub(crate) fn is_there(self) -> bool {
        self != Self::None
    }
}

/// The token after `Bearer`, whose case does not count (RFC 9110 11.1).
fn bearer(field: &HeaderValue) -> Option<&str> {
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// A verified token's tenant. Only [`Tokens::verify`] makes one.
#[derive(Debug)]
pub(crate) struct Proof {
    tenant: TenantId,
}

impl Proof {
    /// Whom the token names; not yet known to be one of the manifest's.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Without a token, for tests of what comes after.
    #[cfg(test)]
    pub(crate) fn of(tenant: TenantId) -> Self {
        Self { tenant }
    }
}

/// Verifies tokens as the manifest says.
#[derive(Debug)]
pub(crate) struct Tokens {
    policy: Policy,
    claim: String,
    keys: Source,
}

#[derive(Debug)]
enum Source {
    Held(Arc<KeySet>),
    Url(String),
}

/// A public key of the issuer that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("identity.jwt: {}", path.display())]
pub struct KeyFileError {
    path: PathBuf,
    source: KeyFileProblem,
}

#[derive(Debug, thiserror::Error)]
enum KeyFileProblem {
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    #[error("it is no key")]
    Key(#[from] KeySetError),
    #[error("it is over {MAX_KEY_FILE} bytes")]
    TooLong,
    #[error("it is no text")]
    NotText(#[from] std::str::Utf8Error),
}

impl Tokens {
    /// As the manifest says; keys in files are read now.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub(crate) fn new(plan: &Jwt) -> Result<Self, KeyFileError> {
        let keys = match &plan.keys {
            JwtKeys::Url(url) => Source::Url(url.clone()),
            JwtKeys::Files(paths) => {
                let sets = paths.iter().map(|path| {
                    read(path).map_err(|source| KeyFileError {
                        path: path.clone(),
                        source,
                    })
                });
                Source::Held(Arc::new(KeySet::joined(sets.collect::<Result<Vec<_>, _>>()?)))
            }
        };
        Ok(Self {
            policy: Policy {
                issuers: vec![plan.issuer.clone()],
                audiences: Some(plan.audience.clone()),
                algorithms: plan.algorithms.iter().filter_map(|name| Algorithm::parse(name.as_str())).collect(),
                leeway: LEEWAY,
                kid_required: false,
            },
            claim: plan.claim.clone(),
            keys,
        })
    }

    /// Verifies what a request bears. A key that is not known is fetched once.
    ///
    /// # Errors
    /// `NoToken`, `InvalidToken`; `NoKeys` when the issuer's keys cannot be had.
    pub(crate) async fn verify(&self, bearer: Bearer<'_>, keyring: &Keyring, now: UnixTime) -> Result<Proof, Refused> {
        let token = match bearer {
            Bearer::None => return Err(Refused::NoToken),
            Bearer::Twice => return Err(Refused::InvalidToken("two Authorization fields".to_owned())),
            Bearer::Token(token) => token,
        };
        let verify = |keys: &KeySet| jwt::verify(token, keys, &self.policy, now);
        let verified = match &self.keys {
            Source::Held(keys) => verify(keys),
            Source::Url(url) => {
                let held = keyring.held(url);
                match verify(held.as_deref().unwrap_or(&KeySet::default())) {
                    Err(unknown @ JwtError::UnknownKey { .. }) => {
                        let renewed = keyring.renewed(url, held.as_ref()).await;
                        match renewed.map_err(|error| Refused::NoKeys(error.to_string()))? {
                            Some(keys) => verify(&keys),
                            None => Err(unknown),
                        }
                    }
                    verified => verified,
                }
            }
        };
        let token = verified.map_err(|error| Refused::InvalidToken(error.to_string()))?;
        self.proof(&token)
    }

    fn proof(&self, token: &Token) -> Result<Proof, Refused> {
        let tenant = token.text(&self.claim).and_then(|name| TenantId::new(name).ok());
        let tenant = tenant.ok_or_else(|| Refused::InvalidToken(format!("its claim {:?} names no tenant", self.claim)))?;
        Ok(Proof { tenant })
    }
}

fn read(path: &Path) -> Result<KeySet, KeyFileProblem> {
    use std::io::Read;
    let mut text = Vec::new();
    let most = u64::try_from(MAX_KEY_FILE).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(most).read_to_end(&mut text)?;
    if text.len() > MAX_KEY_FILE {
        return Err(KeyFileProblem::TooLong);
    }
    Ok(KeySet::from_pem(std::str::from_utf8(&text)?, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read_and_other_schemes_are_left_alone() {
        for (fields, expected) in [
            (vec![], Bearer::None),
            (vec!["Bearer a.b.c"], Bearer::Token("a.b.c")),
            (vec!["bEARER  a.b.c "], Bearer::Token("a.b.c")),
            (vec!["Bearer "], Bearer::Token("")),
            (vec!["Bearer"], Bearer::None),
            (vec!["Basic YTpi"], Bearer::None),
            (vec!["a.b.c"], Bearer::None),
            (vec!["Bearer a", "Bearer b"], Bearer::Twice),
            (vec!["Basic YTpi", "Bearer b"], Bearer::Twice),
        ] {
            let headers: HeaderMap = fields
                .iter()
                .map(|field| (AUTHORIZATION, HeaderValue::from_static(field)))
                .collect();
            assert_eq!(Bearer::of(&headers), expected, "{fields:?}");
        }
    }
}
