//! An endpoint's provider with its options checked: which methods, which limits, how long a mark lives.

use crate::{
    Key,
    provider::{self, Facts, KeyError},
};
use http::Method;
use std::{collections::BTreeMap, time::Duration};
use tollgate_config::{
    ByteSize,
    manifest::{OptionValue, Provider, Scalar},
};

/// A provider with its options checked.
#[derive(Debug, Clone)]
pub struct Scheme {
    provider: Provider,
    raw: bool,
    same_body: SameBody,
}

/// What a known body under an unknown, unsigned id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameBody {
    /// A duplicate.
    Drop,
    /// A new delivery.
    Run,
}

/// An option that the provider does not have, or that has a wrong value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The key under `options`.
    pub key: String,
    /// What is wrong, and what is accepted.
    pub message: String,
}

/// One option that a provider takes.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key under `options`.
    pub key: &'static str,
    /// What may stand there.
    pub accepts: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// `raw`, which every provider takes.
pub const RAW: OptionSpec = OptionSpec {
    key: "raw",
    accepts: "`true` or `false`",
    what: "the worker gets the provider's own bytes, not the activity",
};
/// `same_body`, of providers whose events may have no signed id.
pub const SAME_BODY: OptionSpec = OptionSpec {
    key: "same_body",
    accepts: "`drop` or `run`",
    what: "what a known body is when its id is not signed, or when it has none",
};

/// A key that is not so near to any of a provider's options gets no suggestion (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.75;

impl Scheme {
    /// Checks the options.
    ///
    /// # Errors
    /// Every option that is wrong.
    pub fn new(provider: Provider, options: &BTreeMap<String, OptionValue>) -> Result<Self, Vec<OptionError>> {
        let facts = provider::facts(provider);
        let mut scheme = Self {
            provider,
            raw: false,
            same_body: facts.same_body,
        };
        let errors: Vec<_> = options
            .iter()
            .filter_map(|(key, option)| scheme.set(facts, key, &option.value).err())
            .collect();
        if errors.is_empty() { Ok(scheme) } else { Err(errors) }
    }

    fn set(&mut self, facts: &Facts, key: &str, value: &Scalar) -> Result<(), OptionError> {
        let Some(spec) = facts.options.iter().find(|spec| spec.key == key) else {
            return Err(unknown(self.provider, facts, key));
        };
        match (spec.key, value) {
            ("raw", Scalar::Bool(raw)) => self.raw = *raw,
            ("same_body", Scalar::Text(text)) if text == "drop" => self.same_body = SameBody::Drop,
            ("same_body", Scalar::Text(text)) if text == "run" => self.same_body = SameBody::Run,
            _ => {
                let found = match value {
                    Scalar::Bool(value) => format!("`{value}`"),
                    Scalar::Integer(value) => format!("`{value}`"),
                    Scalar::Text(value) => format!("{value:?}"),
                };
                return Err(OptionError {
                    key: key.to_owned(),
                    message: format!("`{key}` is {}, not {found}", spec.accepts),
                });
            }
        }
        Ok(())
    }

    /// The provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Methods that the provider calls with.
    pub fn methods(&self) -> &'static [Method] {
        provider::facts(self.provider).methods
    }

    /// The largest body that the provider sends.
    pub fn body_limit(&self) -> ByteSize {
        provider::facts(self.provider).body_limit
    }

    /// How long the provider retries, and so how long a mark lives.
    pub fn horizon(&self) -> Duration {
        provider::facts(self.provider).horizon
    }

    /// Whether the worker gets the provider's own bytes (`raw: true`).
    pub fn raw(&self) -> bool {
        self.raw
    }

    /// What a known body under a new id is.
    pub fn same_body(&self) -> SameBody {
        self.same_body
    }

    /// Checks a key's form, so that a secret that could never open is found before the gate is; may return a warning.
    ///
    /// # Errors
    /// [`KeyError`] when the key is not of the provider's form.
    pub fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        provider::opener(self.provider).check_key(key)
    }
}

fn unknown(provider: Provider, facts: &Facts, key: &str) -> OptionError {
    let near = facts
        .options
        .iter()
        .map(|spec| (strsim::jaro_winkler(spec.key, key), spec.key))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let hint = near.map(|(_, near)| format!(", did you mean `{near}`?")).unwrap_or_default();
    let accepted = facts
        .options
        .iter()
        .map(|spec| format!("`{}`", spec.key))
        .collect::<Vec<_>>()
        .join(", ");
    OptionError {
        key: key.to_owned(),
        message: format!("`{}` has no option `{key}`{hint} (accepted: {accepted})", provider.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tollgate_config::Place;

    fn scheme(provider: Provider, options: &[(&str, Scalar)]) -> Result<Scheme, Vec<String>> {
        let place = Place {
            file: Arc::new("t.yaml".into()),
            line: 1,
            column: 1,
        };
        let options = options
            .iter()
            .map(|(key, value)| {
                (
                    (*key).to_owned(),
                    OptionValue {
                        value: value.clone(),
                        place: place.clone(),
                    },
                )
            })
            .collect();
        Scheme::new(provider, &options).map_err(|errors| errors.into_iter().map(|error| error.message).collect())
    }

    #[test]
    fn options_are_checked_all_at_once() {
        let errors = scheme(
            Provider::Github,
            &[
                ("same-body", Scalar::Text("run".into())),
                ("raw", Scalar::Integer(1)),
                ("zzz", Scalar::Bool(true)),
                ("same_body", Scalar::Text("skip".into())),
            ],
        );
        assert_eq!(
            errors.err(),
            Some(vec![
                "`raw` is `true` or `false`, not `1`".to_owned(),
                "`github` has no option `same-body`, did you mean `same_body`? (accepted: `raw`, `same_body`)".to_owned(),
                "`same_body` is `drop` or `run`, not \"skip\"".to_owned(),
                "`github` has no option `zzz` (accepted: `raw`, `same_body`)".to_owned(),
            ])
        );
    }

    #[test]
    fn every_option_that_is_published_is_taken() {
        for provider in Provider::ALL {
            for spec in provider::facts(provider).options {
                let taken = [Scalar::Bool(true), Scalar::Text("run".into())]
                    .into_iter()
                    .any(|value| scheme(provider, &[(spec.key, value)]).is_ok());
                assert!(taken, "{} {}", provider.as_str(), spec.key);
            }
        }
    }

    #[test]
    fn an_unsigned_id_makes_the_body_count_unless_told_otherwise() {
        let same_body = |provider, options: &[(&str, Scalar)]| scheme(provider, options).map(|scheme| scheme.same_body());
        assert_eq!(same_body(Provider::Github, &[]), Ok(SameBody::Drop));
        assert_eq!(
            same_body(Provider::Github, &[("same_body", Scalar::Text("run".into()))]),
            Ok(SameBody::Run)
        );
        assert_eq!(same_body(Provider::Slack, &[]), Ok(SameBody::Run));
        assert!(
            scheme(Provider::StandardWebhooks, &[("same_body", Scalar::Text("run".into()))]).is_err(),
            "its id is always signed"
        );
    }

    #[test]
    fn keys_that_could_never_open_are_found_before_the_gate_is() {
        let check = |provider, text: &str| {
            let scheme = scheme(provider, &[]).map_err(|_| KeyError("options"))?;
            scheme
                .check_key(&Key::new(text.into(), None).map_err(|_| KeyError("blank"))?)
                .map(|warning| warning.is_some())
        };
        assert_eq!(check(Provider::Slack, "anything"), Ok(false));
        assert_eq!(
            check(Provider::StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            Ok(false)
        );
        assert_eq!(check(Provider::StandardWebhooks, "whsec_AAAA"), Ok(true), "short: a warning");
        for wrong in [
            "whsec_",
            "whsec_!",
            "whsk_AAAA",
            "whpk_AAAA",
            "whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "plain text",
        ] {
            let error = check(Provider::StandardWebhooks, wrong).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| !error.contains(wrong)), "{wrong}");
        }
    }
}
