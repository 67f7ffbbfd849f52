//! One event of a verified request. Only this crate makes one.

use crate::Activity;
use bytes::Bytes;
use tollgate_config::TenantId;

/// One verified event.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(crate) draft: crate::activity::Draft,
    pub(crate) event_id: Option<String>,
    pub(crate) id_mark: Option<[u8; 32]>,
    pub(crate) body_mark: Option<[u8; 32]>,
    pub(crate) account: Option<String>,
    pub(crate) raw: Bytes,
    pub(crate) content_type: Option<String>,
    pub(crate) matched_key: usize,
}

impl Verified {
    /// The provider's id of the event, as `tollgate-event-id` shows it.
    pub fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// The dedupe mark of the event's id (SHA-256 with its kind), where the provider gives one.
    pub fn id_mark(&self) -> Option<[u8; 32]> {
        self.id_mark
    }

    /// The dedupe mark of the signed body, where it counts (DESIGN 3.6: the id is not covered by the signature, or there is none, and `same_body` is `drop`).
    pub fn body_mark(&self) -> Option<[u8; 32]> {
        self.body_mark
    }

    /// The provider's account (workspace, phone number id), from signed fields.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The provider's bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The provider's `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Which of the endpoint's keys opened it, from 0.
    pub fn matched_key(&self) -> usize {
        self.matched_key
    }

    /// The session's key, as workers see it: `{tenant}:{provider}:{anchor}:{user}`, ids percent-escaped.
    pub fn session_key(&self, tenant: &TenantId) -> String {
        let _ = tenant;
        todo!()
    }

    /// The canonical activity.
    pub fn activity(&self, tenant: &TenantId) -> Activity<'_> {
        let _ = tenant;
        todo!()
    }
}
