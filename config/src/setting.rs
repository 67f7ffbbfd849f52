//! What a worker reads as its configuration: a text, or a reference to what the gateway knows of the revision that runs.

use std::fmt;

/// How a reference begins.
const SCHEME: &str = "runtime://";

/// The names of all [`Fact`]s, for messages.
pub const ACCEPTED: &str = "`runtime://tenant`, `runtime://environment`, `runtime://deployment`, `runtime://revision`";

/// One value of a deployment's `config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// As it stands in the manifest.
    Text(String),
    /// `runtime://NAME`: what the gateway knows, put in when a revision is loaded.
    Runtime(Fact),
}

/// What the gateway knows of a revision. The same manifest then serves many tenants and revisions without a value that has to be kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// `runtime://tenant`: the id of the deployment's tenant.
    Tenant,
    /// `runtime://environment`: the id of the environment.
    Environment,
    /// `runtime://deployment`: the id of the deployment.
    Deployment,
    /// `runtime://revision`: the id of the revision that runs.
    Revision,
}

/// A reference to something that the gateway does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// `runtime://ENVIRONMENT/discovered/KEY`, the platform's own form.
    #[error("discovered values (`runtime://ENVIRONMENT/discovered/KEY`) are not built yet")]
    NotBuilt,
    /// Any other name.
    #[error("the gateway knows nothing of this name")]
    Unknown,
}

impl Setting {
    /// Reads a value. Only what begins with `runtime://` is a reference.
    ///
    /// # Errors
    /// [`SettingError`] for a reference to something else than a [`Fact`].
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        match text.strip_prefix(SCHEME) {
            None => Ok(Self::Text(text.to_owned())),
            Some("tenant") => Ok(Self::Runtime(Fact::Tenant)),
            Some("environment") => Ok(Self::Runtime(Fact::Environment)),
            Some("deployment") => Ok(Self::Runtime(Fact::Deployment)),
            Some("revision") => Ok(Self::Runtime(Fact::Revision)),
            Some(name) if name.split('/').nth(1) == Some("discovered") => Err(SettingError::NotBuilt),
            Some(_) => Err(SettingError::Unknown),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Tenant => "tenant",
            Self::Environment => "environment",
            Self::Deployment => "deployment",
            Self::Revision => "revision",
        };
        write!(f, "{SCHEME}{name}")
    }
}

impl fmt::Display for Setting {
    /// As it is written in the manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Runtime(fact) => fact.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_text_or_a_fact() {
        for (text, read) in [
            ("eu", Ok(Setting::Text("eu".into()))),
            ("", Ok(Setting::Text(String::new()))),
            (" runtime://tenant", Ok(Setting::Text(" runtime://tenant".into()))),
            ("runtime:/tenant", Ok(Setting::Text("runtime:/tenant".into()))),
            ("runtime://tenant", Ok(Setting::Runtime(Fact::Tenant))),
            ("runtime://environment", Ok(Setting::Runtime(Fact::Environment))),
            ("runtime://deployment", Ok(Setting::Runtime(Fact::Deployment))),
            ("runtime://revision", Ok(Setting::Runtime(Fact::Revision))),
            ("runtime://", Err(SettingError::Unknown)),
            ("runtime://Tenant", Err(SettingError::Unknown)),
            ("runtime://tenant/", Err(SettingError::Unknown)),
            ("runtime://local/discovered/url", Err(SettingError::NotBuilt)),
        ] {
            assert_eq!(Setting::parse(text), read, "{text:?}");
            if let Ok(setting) = read {
                assert_eq!(setting.to_string(), text);
                assert_eq!(
                    matches!(setting, Setting::Runtime(_)),
                    ACCEPTED.contains(&format!("`{text}`")),
                    "{text:?}"
                );
            }
        }
    }
}
