//! An endpoint's provider with its options checked: which methods, which limits, how long a mark lives.

use http::Method;
use std::{collections::BTreeMap, time::Duration};
use tollgate_config::{
    ByteSize,
    manifest::{OptionValue, Provider},
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

impl Scheme {
    /// Checks the options.
    ///
    /// # Errors
    /// Every option that is wrong.
    pub fn new(provider: Provider, options: &BTreeMap<String, OptionValue>) -> Result<Self, Vec<OptionError>> {
        let _ = (provider, options);
        todo!()
    }

    /// The provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Methods that the provider calls with.
    pub fn methods(&self) -> &'static [Method] {
        todo!()
    }

    /// The largest body that the provider sends.
    pub fn body_limit(&self) -> ByteSize {
        todo!()
    }

    /// How long the provider retries, and so how long a mark lives.
    pub fn horizon(&self) -> Duration {
        todo!()
    }

    /// Whether the worker gets the provider's own bytes (`raw: true`).
    pub fn raw(&self) -> bool {
        self.raw
    }

    /// What a known body under a new id is.
    pub fn same_body(&self) -> SameBody {
        self.same_body
    }
}
