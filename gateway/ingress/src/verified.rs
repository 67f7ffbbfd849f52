//! One event of a verified request. Only this crate makes one.

use crate::{
    Refusal,
    activity::Draft,
    field::{self, MAX_ID_LEN},
    mark,
    provider::Arrival,
    scheme::SameBody,
    session,
};
use bytes::Bytes;
use tollgate_config::manifest::Provider;

/// One verified event.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(crate) provider: Provider,
    pub(crate) draft: Draft,
    event_id: Option<String>,
    id_mark: Option<[u8; 32]>,
    body_mark: Option<[u8; 32]>,
    account: Option<String>,
    raw: Bytes,
    content_type: Option<String>,
    matched_key: usize,
    single_use: bool,
}

/// An event's id as its provider gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventId {
    /// What is named: ids of different kinds never meet.
    pub(crate) kind: &'static str,
    /// The id.
    pub(crate) text: String,
    /// Whether the signature covers it.
    pub(crate) signed: bool,
}

impl Verified {
    /// Makes an event of a request whose proof the arrival carries. `raw` are the event's own bytes: the body, or one item of a batch.
    ///
    /// # Errors
    /// [`crate::Reason::Unparsable`] when an id is too long to be kept.
    pub(crate) fn new(
        arrival: &Arrival<'_>,
        draft: Draft,
        id: Option<EventId>,
        account: Option<String>,
        raw: Bytes,
    ) -> Result<Self, Refusal> {
        let ids = [
            id.as_ref().map(|id| &id.text),
            Some(&draft.anchor),
            draft.user.as_ref(),
            account.as_ref(),
        ];
        if ids.into_iter().flatten().any(|id| id.len() > MAX_ID_LEN) {
            return Err(Refusal::unparsable(format!("an id is longer than {MAX_ID_LEN} bytes")));
        }
        let provider = arrival.scheme.provider();
        // An id that anyone can change beside a signed body says nothing alone: the body counts too.
        let body_counts = arrival.scheme.same_body() == SameBody::Drop && !id.as_ref().is_some_and(|id| id.signed);
        Ok(Self {
            provider,
            event_id: id.as_ref().map(|id| session::visible(&id.text)),
            id_mark: id.as_ref().map(|id| mark::of_id(provider, id.kind, &id.text)),
            body_mark: body_counts.then(|| mark::of_body(provider, &raw)),
            draft,
            account,
            raw,
            content_type: field::optional(arrival.request.headers, http::header::CONTENT_TYPE.as_str()).map(str::to_owned),
            matched_key: arrival.proof.matched_key(),
            single_use: false,
        })
    }

    /// The same event, its id being a proof that opens once.
    pub(crate) fn used_once(self) -> Self {
        Self { single_use: true, ..self }
    }

    /// The same event, of another provider's endpoint, whose check it passed.
    pub(crate) fn of(self, provider: Provider) -> Self {
        Self { provider, ..self }
    }

    /// The same event, whose body says nothing of what it is.
    pub(crate) fn without_body_mark(self) -> Self {
        Self { body_mark: None, ..self }
    }

    /// Whether the id mark is that of a single-use proof (a nonce): a second one is no duplicate to be acknowledged, but a replay, 401.
    pub fn is_single_use(&self) -> bool {
        self.single_use
    }

    /// The same event, known by what proved it as well: where the bytes of one proof can be read in more than one way.
    pub(crate) fn known_by(mut self, proof: &[u8]) -> Self {
        self.body_mark = Some(mark::of_body(self.provider, proof));
        self
    }

    /// The provider's id of the event, as `tollgate-event-id` shows it: visible ASCII, the rest percent-escaped.
    pub fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// The dedupe mark of the event's id (SHA-256 with its kind), where the provider gives one.
    pub fn id_mark(&self) -> Option<[u8; 32]> {
        self.id_mark
    }

    /// The dedupe mark of the signed body, where it counts: when the id is not covered by the signature, or there is none, and `same_body` is `drop`.
    pub fn body_mark(&self) -> Option<[u8; 32]> {
        self.body_mark
    }

    /// The provider's account (workspace, phone number id), from signed fields.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// What the session hangs on: conversation (or what stands for it) and user, as the provider writes them; empty where there is no user.
    pub fn session_ids(&self) -> (&str, &str) {
        (&self.draft.anchor, self.draft.user.as_deref().unwrap_or_default())
    }

    /// The provider's bytes: the body, or the one item of it that this event is.
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
}
