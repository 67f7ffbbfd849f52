//! An endpoint's provider with its options checked: which methods, which limits, how long a mark lives.

mod option;

pub use option::{OptionError, OptionKind, OptionSpec, RAW, SAME_BODY};

use crate::{
    Key,
    provider::{self, CHECK, KeyError},
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
    /// What the manifest says, by option; each of its option's kind.
    given: BTreeMap<&'static str, Scalar>,
    /// The scheme that checks, where the provider has none of its own.
    check: Option<Box<Scheme>>,
}

/// What a known body under an unknown, unsigned id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameBody {
    /// A duplicate.
    Drop,
    /// A new delivery.
    Run,
}

/// A key that is not so near to any of a provider's options gets no suggestion (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.75;

impl Scheme {
    /// Checks the options.
    ///
    /// # Errors
    /// Every option that is wrong.
    pub fn new(provider: Provider, options: &BTreeMap<String, OptionValue>) -> Result<Self, Vec<OptionError>> {
        let mut scheme = Self::bare(provider);
        let checks = scheme.spec(CHECK.key).is_some();
        if let Some(Scalar::Text(name)) = options.get(CHECK.key).map(|option| &option.value).filter(|_| checks) {
            scheme.check = check_of(name).map(|check| Box::new(Self::bare(check)));
        }
        // While nobody knows the check, nobody knows its options.
        let lost = checks && scheme.check.is_none();
        let given: Vec<_> = options
            .iter()
            .filter(|(key, _)| !lost || scheme.spec(key).is_some())
            .map(|(key, option)| scheme.given(key, &option.value))
            .collect();
        let mut errors = Vec::new();
        for given in given {
            match given {
                Ok((key, value)) => drop(scheme.given.insert(key, value)),
                Err(error) => errors.push(error),
            }
        }
        let missing = scheme.needed().filter(|(_, spec)| !options.contains_key(spec.key));
        errors.extend(missing.map(|(who, spec)| OptionError {
            key: spec.key.to_owned(),
            message: format!("`{}` needs `{}`: {}", who.as_str(), spec.key, spec.accepts()),
        }));
        scheme.hand_down();
        if errors.is_empty() {
            let checked = scheme
                .check
                .as_deref()
                .map(|check| provider::opener(check.provider).check_options(check));
            errors = provider::opener(provider).check_options(&scheme);
            errors.extend(checked.unwrap_or_default());
        }
        if errors.is_empty() { Ok(scheme) } else { Err(errors) }
    }

    /// A provider with the examples of what it needs, for samples and seeds.
    pub fn example(provider: Provider) -> Self {
        let mut scheme = Self::bare(provider);
        if let Some(OptionKind::OneOf { of, .. }) = scheme.spec(CHECK.key).map(|spec| spec.kind) {
            let check = of.first().and_then(|name| check_of(name));
            scheme.check = check.map(|check| Box::new(Self::bare(check)));
        }
        let examples = scheme.needed().filter_map(|(_, spec)| {
            let example = match spec.kind {
                OptionKind::Flag => return None,
                OptionKind::Text { example, .. } => Scalar::Text(example.to_owned()),
                OptionKind::Integer { least, .. } => Scalar::Integer(least),
                OptionKind::OneOf { of, .. } => Scalar::Text((*of.first()?).to_owned()),
            };
            Some((spec.key, example))
        });
        scheme.given = examples.collect();
        scheme.hand_down();
        scheme
    }

    fn bare(provider: Provider) -> Self {
        Self {
            provider,
            given: BTreeMap::new(),
            check: None,
        }
    }

    /// What the provider takes, and what its check takes beside it.
    fn specs(&self) -> impl Iterator<Item = &'static OptionSpec> {
        let own = provider::facts(self.provider).options;
        let beside = self.check.as_ref().map_or(&[][..], |check| provider::facts(check.provider).options);
        own.iter()
            .chain(beside.iter().filter(|spec| own.iter().all(|own| own.key != spec.key)))
    }

    /// What must be there, and who needs it.
    fn needed(&self) -> impl Iterator<Item = (Provider, &'static OptionSpec)> {
        let who = [Some(self.provider), self.check.as_ref().map(|check| check.provider)];
        let all = who.into_iter().flatten();
        all.flat_map(|who| provider::facts(who).options.iter().map(move |spec| (who, spec)))
            .filter(|(_, spec)| spec.required)
    }

    /// Gives the check what is its own of the options.
    fn hand_down(&mut self) {
        let Some(check) = &mut self.check else { return };
        let own = provider::facts(check.provider).options;
        let given = self.given.iter().filter(|(key, _)| own.iter().any(|spec| spec.key == **key));
        check.given = given.map(|(key, value)| (*key, value.clone())).collect();
    }

    fn given(&self, key: &str, value: &Scalar) -> Result<(&'static str, Scalar), OptionError> {
        let Some(spec) = self.spec(key) else {
            return Err(self.unknown(key));
        };
        if !spec.takes(value) {
            let found = match value {
                Scalar::Bool(value) => format!("`{value}`"),
                Scalar::Integer(value) => format!("`{value}`"),
                Scalar::Text(value) => format!("{value:?}"),
            };
            return Err(OptionError {
                key: key.to_owned(),
                message: format!("`{key}` is {}, not {found}", spec.accepts()),
            });
        }
        Ok((spec.key, value.clone()))
    }

    fn unknown(&self, key: &str) -> OptionError {
        let near = self
            .specs()
            .map(|spec| (strsim::jaro_winkler(spec.key, key), spec.key))
            .filter(|(score, _)| *score >= NEAR)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        let hint = near.map(|(_, near)| format!(", did you mean `{near}`?")).unwrap_or_default();
        let accepted = self.specs().map(|spec| format!("`{}`", spec.key)).collect::<Vec<_>>().join(", ");
        OptionError {
            key: key.to_owned(),
            message: format!("`{}` has no option `{key}`{hint} (accepted: {accepted})", self.provider.as_str()),
        }
    }

    fn spec(&self, key: &str) -> Option<&'static OptionSpec> {
        self.specs().find(|spec| spec.key == key)
    }

    /// The scheme that checks, where the provider has none of its own.
    pub(crate) fn check(&self) -> Option<&Self> {
        self.check.as_deref()
    }

    /// Whether the manifest says what a known body is.
    pub(crate) fn says_same_body(&self) -> bool {
        self.given.contains_key(SAME_BODY.key)
    }

    /// An option that is a flag; `false` where the provider has none of this name.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.given.get(key), Some(Scalar::Bool(true)))
    }

    /// An option that is a flag, where the manifest says it.
    pub fn given_flag(&self, key: &str) -> Option<bool> {
        match self.given.get(key) {
            Some(Scalar::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// An option that is a text or one of a few words: what the manifest says, or its default.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.given.get(key) {
            Some(Scalar::Text(text)) => Some(text),
            _ => match self.spec(key)?.kind {
                OptionKind::Text { default, .. } | OptionKind::OneOf { default, .. } => default,
                OptionKind::Flag | OptionKind::Integer { .. } => None,
            },
        }
    }

    /// An option that is a whole number: what the manifest says, or its default.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.given.get(key) {
            Some(Scalar::Integer(number)) => Some(*number),
            _ => match self.spec(key)?.kind {
                OptionKind::Integer { default, .. } => default,
                _ => None,
            },
        }
    }

    /// The provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Methods that the provider calls with.
    pub fn methods(&self) -> &'static [Method] {
        provider::facts(self.provider).methods
    }

    /// Where the provider's issuer of tokens publishes its keys (a JWKS), for providers that sign with tokens.
    pub fn jwks_url(&self) -> Option<&str> {
        provider::opener(self.provider).jwks_url(self)
    }

    /// The largest body that the provider sends.
    pub fn body_limit(&self) -> ByteSize {
        self.check
            .as_ref()
            .map_or(provider::facts(self.provider).body_limit, |check| check.body_limit())
    }

    /// How long the provider retries, and so how long a mark lives.
    pub fn horizon(&self) -> Duration {
        self.check
            .as_ref()
            .map_or(provider::facts(self.provider).horizon, |check| check.horizon())
    }

    /// Whether the worker gets the provider's own bytes (`raw: true`).
    pub fn raw(&self) -> bool {
        self.flag(RAW.key)
    }

    /// What a known body under a new id is.
    pub fn same_body(&self) -> SameBody {
        match self.given.get(SAME_BODY.key) {
            Some(Scalar::Text(text)) if text == "drop" => SameBody::Drop,
            Some(Scalar::Text(_)) => SameBody::Run,
            _ => provider::opener(self.provider).same_body(self),
        }
    }

    /// Checks a key's form, so that a secret that could never open is found before the gate is; may return a warning.
    ///
    /// # Errors
    /// [`KeyError`] when the key is not of the provider's form.
    pub fn check_key(&self, key: &Key) -> Result<Option<&'static str>, KeyError> {
        provider::opener(self.provider).check_key_for(key, self)
    }
}

/// The provider of this name, if it may be a check.
fn check_of(name: &str) -> Option<Provider> {
    match CHECK.kind {
        OptionKind::OneOf { of, .. } if of.contains(&name) => Provider::from_name(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
