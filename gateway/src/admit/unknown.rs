//! Deliveries that are verified and of no account that is known: acknowledged, for a refusal would be sent again for days, and kept for a look.
//! Their bodies are not: what belongs to nobody here is nobody's to read.

use serde_json::{Value, json};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tollgate_config::{EndpointId, manifest::Provider};

/// Deliveries that are kept, the newest ones: a page that an operator still reads. Each has an account and an id of 256 bytes at most.
pub(crate) const KEPT: usize = 256;

/// Accounts that the log names, each once. Beyond it the page and the counts are left: whoever has more has forgotten to list any.
pub(crate) const NAMED: usize = 1024;

/// One delivery of nobody's.
#[derive(Debug, Clone)]
pub(crate) struct Stray {
    /// Where it came.
    pub(crate) endpoint: EndpointId,
    /// From whom.
    pub(crate) provider: Provider,
    /// Of which account, where it names one.
    pub(crate) account: Option<String>,
    /// The provider's id of it.
    pub(crate) event_id: Option<String>,
    /// When.
    pub(crate) at: SystemTime,
    /// The size of its body, or of its part of it, in bytes.
    pub(crate) bytes: usize,
}

/// The newest of them.
#[derive(Debug, Default)]
pub(crate) struct Strays(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    newest: VecDeque<Stray>,
    named: HashSet<(EndpointId, Option<String>)>,
}

impl Strays {
    /// Keeps one. Says whether its account is a new one, which the log shall name.
    pub(crate) fn keep(&self, stray: Stray) -> bool {
        let mut kept = self.lock();
        let name = (stray.endpoint.clone(), stray.account.clone());
        let new = kept.named.len() < NAMED && kept.named.insert(name);
        kept.newest.truncate(KEPT - 1);
        kept.newest.push_front(stray);
        new
    }

    /// The newest first, as the admin listener shows them.
    pub(crate) fn shown(&self) -> Value {
        let shown = |stray: &Stray| {
            json!({
                "endpoint": stray.endpoint.as_str(),
                "provider": stray.provider.as_str(),
                "account": stray.account,
                "event_id": stray.event_id,
                "time": OffsetDateTime::from(stray.at).format(&Rfc3339).ok(),
                "bytes": stray.bytes,
            })
        };
        self.lock().newest.iter().map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::time::Duration;

    fn stray(account: usize, second: u64) -> Stray {
        Stray {
            endpoint: EndpointId::new("e").unwrap(),
            provider: Provider::Slack,
            account: Some(format!("T{account}")),
            event_id: None,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            bytes: 7,
        }
    }

    #[test]
    fn the_newest_are_kept_and_each_account_is_named_once() {
        let strays = Strays::default();
        let named = (0..KEPT + 10)
            .filter(|second| strays.keep(stray(second % 2, *second as u64)))
            .count();
        assert_eq!(named, 2);
        let shown = strays.shown();
        let shown = shown.as_array().unwrap();
        assert_eq!(shown.len(), KEPT);
        let newest = shown.first().unwrap();
        assert_eq!(
            (newest["account"].as_str(), newest["time"].as_str()),
            (Some("T1"), Some("1970-01-01T00:04:25Z"))
        );
    }

    #[test]
    fn the_log_names_no_more_than_it_may() {
        let strays = Strays::default();
        let named = (0..NAMED + 10).filter(|account| strays.keep(stray(*account, 1))).count();
        assert_eq!(named, NAMED);
    }
}
