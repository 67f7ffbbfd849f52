//! Names of tenants, environments, endpoints, deployments and revisions.
//!
//! Every id is 1 to 64 characters of ASCII letters, digits, `.`, `_` and `-`, and neither `.` nor `..`: it can stand in a file name,
//! a storage key, a metric label and a cookie name as it is. There is no normalisation: two ids are the same when their
//! bytes are.

use std::{fmt, sync::Arc};

/// Longest id, in bytes. Long enough for a ULID or a DNS label, short enough for a file name and a label value.
pub const MAX_ID_LEN: usize = 64;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// There is nothing in it.
    #[error("an id must not be empty")]
    Empty,
    /// It is longer than [`MAX_ID_LEN`] bytes.
    #[error("an id has at most {MAX_ID_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// It holds a character outside ASCII letters, digits, `.`, `_`, `-`.
    #[error("an id holds only ASCII letters, digits, `.`, `_` and `-`, not {0:?}")]
    Character(char),
    /// It is `.` or `..`, which name folders.
    #[error("`.` and `..` name folders and cannot be ids")]
    Dots,
}

fn checked(text: &str) -> Result<Arc<str>, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_LEN {
        return Err(IdError::TooLong(text.len()));
    }
    if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        return Err(IdError::Character(odd));
    }
    if text == "." || text == ".." {
        return Err(IdError::Dots);
    }
    Ok(text.into())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text; see the module's page for what an id may hold.
            pub fn new(text: &str) -> Result<Self, IdError> {
                checked(text).map(Self)
            }

            /// The id as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

id!(
    /// A customer of the platform: the unit of isolation.
    TenantId
);
id!(
    /// A place that workers run in: `local`, `prod`.
    EnvId
);
id!(
    /// A team within a tenant.
    TeamId
);
id!(
    /// One provider instance at one host and path.
    EndpointId
);
id!(
    /// One tenant's use of a pack.
    DeploymentId
);
id!(
    /// A deployment's name for one of its secrets.
    SecretName
);
id!(
    /// An immutable snapshot of a deployment.
    RevisionId
);

impl EnvId {
    /// Whether this is the environment `local`, the only one that may run unsigned packs.
    pub fn is_local(&self) -> bool {
        self.as_str() == "local"
    }
}

/// Who a request belongs to. Resolved once by the gateway, carried everywhere, never taken from a guest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantCtx {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The environment that this gateway serves.
    pub env_id: EnvId,
    /// The team, where the endpoint names one.
    pub team_id: Option<TeamId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_plain_text_that_fits_a_file_name() {
        let long = "x".repeat(MAX_ID_LEN + 1);
        for (text, wrong) in [
            ("", IdError::Empty),
            ("..", IdError::Dots),
            ("a/b", IdError::Character('/')),
            ("a b", IdError::Character(' ')),
            ("é", IdError::Character('é')),
            (long.as_str(), IdError::TooLong(MAX_ID_LEN + 1)),
        ] {
            assert_eq!(TenantId::new(text), Err(wrong), "{text:?}");
        }
        assert_eq!(TenantId::new("acme-1.eu_x").map(|id| id.to_string()), Ok("acme-1.eu_x".to_owned()));
    }
}
