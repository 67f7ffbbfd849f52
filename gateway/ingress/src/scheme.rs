//! An endpoint's provider with its options checked: which methods, which limits, how long a mark lives.

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
    pub kind: OptionKind,
    /// Whether it must stand there.
    pub required: bool,
    /// What it does.
    pub what: &'static str,
}

/// What may stand at an option, and what counts where nothing does.
#[derive(Debug, Clone, Copy)]
pub enum OptionKind {
    /// `true` or `false`; `false` where nothing stands.
    Flag,
    /// A text that is not blank.
    Text {
        /// Where nothing stands.
        default: Option<&'static str>,
        /// One that would do, for documents and samples.
        example: &'static str,
    },
    /// A whole number.
    Integer {
        /// Where nothing stands.
        default: Option<i64>,
        /// The least one.
        least: i64,
        /// The greatest one.
        most: i64,
    },
    /// One of a few words.
    OneOf {
        /// Where nothing stands.
        default: Option<&'static str>,
        /// The words.
        of: &'static [&'static str],
    },
}

impl OptionSpec {
    /// What may stand there, in words.
    pub fn accepts(&self) -> String {
        match self.kind {
            OptionKind::Flag => "`true` or `false`".to_owned(),
            OptionKind::Text { example, .. } => format!("a text, such as `{example}`"),
            OptionKind::Integer { least, most, .. } => format!("a whole number from {least} to {most}"),
            OptionKind::OneOf { of, .. } => {
                let words: Vec<_> = of.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }
        }
    }

    fn takes(&self, value: &Scalar) -> bool {
        match (self.kind, value) {
            (OptionKind::Flag, Scalar::Bool(_)) => true,
            (OptionKind::Text { .. }, Scalar::Text(text)) => !text.trim().is_empty(),
            (OptionKind::Integer { least, most, .. }, Scalar::Integer(number)) => (least..=most).contains(number),
            (OptionKind::OneOf { of, .. }, Scalar::Text(text)) => of.contains(&text.as_str()),
            _ => false,
        }
    }
}

/// `raw`, which every provider takes.
pub const RAW: OptionSpec = OptionSpec {
    key: "raw",
    kind: OptionKind::Flag,
    required: false,
    what: "the worker gets the provider's own bytes, not the activity",
};
/// `same_body`, of providers whose events may have no signed id.
pub const SAME_BODY: OptionSpec = OptionSpec {
    key: "same_body",
    // Where nothing stands, the provider's own counts.
    kind: OptionKind::OneOf {
        default: None,
        of: &["drop", "run"],
    },
    required: false,
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
    fn every_option_that_is_published_is_taken_and_what_is_needed_is_asked_for() {
        for provider in Provider::ALL {
            let needed = || Scheme::example(provider).given;
            for spec in provider::facts(provider).options {
                let value = match spec.kind {
                    OptionKind::Flag => Scalar::Bool(true),
                    OptionKind::Text { example, .. } => Scalar::Text(example.to_owned()),
                    OptionKind::Integer { most, .. } => Scalar::Integer(most),
                    OptionKind::OneOf { of, .. } => Scalar::Text(of.last().copied().unwrap_or_default().to_owned()),
                };
                let mut given = needed();
                if provider == Provider::Hmac {
                    // Some of its options ask for others.
                    let text = |text: &str| Scalar::Text(text.to_owned());
                    given.extend([("ts_header", text("x-timestamp")), ("template", text("{ts}.{body}"))]);
                    given.insert("allow_sha1", Scalar::Bool(true));
                }
                if provider == Provider::HttpSignature && spec.key == "key_encoding" {
                    given.insert("algorithm", Scalar::Text("hmac-sha256".to_owned()));
                }
                if provider == Provider::Webchat {
                    given.insert("origins", Scalar::Text("https://a.example".to_owned()));
                }
                given.insert(spec.key, value);
                let all: Vec<_> = given.into_iter().collect();
                assert!(scheme(provider, &all).is_ok(), "{} {}", provider.as_str(), spec.key);
                if spec.required {
                    let less: Vec<_> = needed().into_iter().filter(|(key, _)| *key != spec.key).collect();
                    let errors = scheme(provider, &less).err().unwrap_or_default();
                    assert_eq!(
                        errors,
                        [format!("`{}` needs `{}`: {}", provider.as_str(), spec.key, spec.accepts())]
                    );
                }
            }
        }
    }

    #[test]
    fn options_have_their_kinds_and_defaults() {
        let twilio = Scheme::example(Provider::Twilio);
        assert!(twilio.text("public_url").is_some() && !twilio.flag("raw"));
        let blank = scheme(Provider::Twilio, &[("public_url", Scalar::Text(" ".into()))]);
        assert_eq!(blank.err().map(|errors| errors.len()), Some(1));
        let hmac = |options: &[(&str, Scalar)]| {
            let header = ("header", Scalar::Text("x-signature".into()));
            scheme(Provider::Hmac, &[options, &[header]].concat())
        };
        assert_eq!(hmac(&[]).ok().and_then(|scheme| scheme.integer("tolerance")), Some(300));
        assert_eq!(
            hmac(&[("tolerance", Scalar::Integer(60))])
                .ok()
                .and_then(|scheme| scheme.integer("tolerance")),
            Some(60)
        );
        assert_eq!(
            hmac(&[("encoding", Scalar::Text("octal".into()))]).err(),
            Some(vec!["`encoding` is `hex`, `base64` or `base64url`, not \"octal\"".to_owned()])
        );
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
