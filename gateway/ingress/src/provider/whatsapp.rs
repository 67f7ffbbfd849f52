//! WhatsApp's Cloud API: Meta's signature and challenge; one request may carry messages, statuses, calls and errors of several numbers
//! (developers.facebook.com, "WhatsApp Cloud API: webhooks").
//!
//! A conversation is named by its customer (or group), as the platform does. Numbers whose conversations with one customer shall be apart get
//! endpoints of their own; `channel_id` is the number.

mod change;
mod message;
mod notice;

use super::{Arrival, Facts, Opener, meta};
use crate::{
    Answer, Key, Keys, Opened, Refusal, Request, Scheme, UnixTime,
    mac::Proof,
    sign::{SignError, Signed},
};
use std::time::Duration;

/// Retried for seven days, and one more for clocks.
static FACTS: Facts = meta::facts(Duration::from_secs(192 * 3600), Duration::from_secs(1));

/// See the module's page.
pub(super) struct Whatsapp;

impl Opener for Whatsapp {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn handshake(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme) -> Option<Result<Answer, Refusal>> {
        meta::handshake(request, keys)
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, _scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        meta::MAC.verify(request, keys, now)
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        change::read(arrival)
    }

    fn sample(&self) -> &'static str {
        r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Ada"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1771495200","type":"text","text":{"body":"Is the gate open?"}}]}}]}]}"#
    }

    fn sign(&self, payload: &[u8], key: &Key, _scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        meta::sign(payload, key, fresh_id, change::ids)
    }
}
