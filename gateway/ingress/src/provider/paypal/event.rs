//! Events: what happened to which resource.

use super::{FACTS, ID, WEBHOOK_ID};
use crate::{
    Opened, Refusal,
    activity::{Kind, ProviderIds},
    moment,
    provider::{Arrival, generic},
};
use serde_json::Value;
use std::borrow::Cow;

/// Members that `channel_data` shows where they are present.
const SHOWN: [&str; 4] = ["resource_type", "event_version", "resource_version", "summary"];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let (raw, body) = generic::object(arrival)?;
    let name = body
        .text("event_type")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::unparsable("the event has no event_type"))?;
    let resource = body.object("resource").unwrap_or_default();
    let account = arrival.scheme.text(WEBHOOK_ID.key).map(str::to_owned);
    let mut draft = generic::draft(arrival, &FACTS, Kind::Event, Some(&name), raw);
    draft.ids = ProviderIds {
        workspace_id: account.clone(),
        conversation_id: resource.id("id").map(Cow::into_owned),
        event_id: body.id("id").map(Cow::into_owned),
        ..ProviderIds::default()
    };
    let happened = body.text("create_time").and_then(|at| moment::rfc3339(&at));
    draft.timestamp = happened.unwrap_or(draft.timestamp);
    for member in SHOWN {
        if let Some(value) = body.id(member) {
            draft.channel_data.insert(member.to_owned(), Value::from(value));
        }
    }
    // Truly signed is the transmission, not the event's own id in the body. Both count: a body that was made to have the same sum comes under
    // the old transmission, and the same event that is sent once more has the old body.
    let transmission = generic::unsigned("transmission", arrival, ID);
    generic::deliver(arrival, draft, transmission, account)
}
