//! A payload as Slack would send it.

use super::{PREFIX, SIGNATURE, TIMESTAMP, interactive, signature};
use crate::{
    Key, UnixTime,
    form::Form,
    json::{self, Object},
    sign::{FORM, JSON, SignError, Signed, inserted, replaced},
};
use data_encoding::HEXLOWER;

/// Signs a body; with `fresh_id`, puts the id in first.
pub(super) fn sign(payload: &[u8], key: &Key, now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
    let is_json = payload.trim_ascii_start().starts_with(b"{");
    let (body, content_type) = match fresh_id {
        None => (payload.to_vec(), if is_json { JSON } else { FORM }),
        Some(id) if is_json => json_with(payload, id)?,
        Some(id) => (form_with(payload, id)?, FORM),
    };
    let timestamp = now.0.to_string();
    let mac = signature(key, &timestamp, &body).ok_or_else(SignError::key)?;
    let mut signed = Signed::new(body, content_type);
    signed.set(TIMESTAMP, &timestamp)?;
    signed.set(SIGNATURE, &format!("{PREFIX}{}", HEXLOWER.encode(&mac)))?;
    Ok(signed)
}

fn json_with(payload: &[u8], id: &str) -> Result<(Vec<u8>, &'static str), SignError> {
    let text = std::str::from_utf8(payload).map_err(|_| SignError("the payload is not UTF-8".to_owned()))?;
    let body = parsed(text)?;
    let name = body.text("type").unwrap_or_default();
    if interactive::is_type(&name) {
        // Slack sends these only in a form.
        let mut form = Form::default();
        form.set("payload", &member_set(text, &body, "trigger_id", id)?);
        return Ok((form.encoded().into_bytes(), FORM));
    }
    // A handshake has no id.
    let body = if name == "url_verification" {
        text.to_owned()
    } else {
        member_set(text, &body, "event_id", id)?
    };
    Ok((body.into_bytes(), JSON))
}

fn form_with(payload: &[u8], id: &str) -> Result<Vec<u8>, SignError> {
    let mut form = Form::read(payload).ok_or_else(|| SignError("the payload is neither JSON nor a form".to_owned()))?;
    if let Some(text) = form.get("payload") {
        let text = member_set(text, &parsed(text)?, "trigger_id", id)?;
        form.set("payload", &text);
    } else if form.id("command").is_some() {
        form.set("trigger_id", id);
    } else if form.get("ssl_check").is_none() {
        return Err(SignError(
            "the form is no command, no interactive payload and no probe: it has no place for an id".to_owned(),
        ));
    }
    Ok(form.encoded().into_bytes())
}

fn parsed(text: &str) -> Result<Object<'_>, SignError> {
    let value = json::valid(text.as_bytes()).map_err(|error| SignError(format!("the payload is not JSON: {error}")))?;
    Object::read(value).ok_or_else(|| SignError("the payload is no JSON object: it has no place for an id".to_owned()))
}

/// Sets one member; every other byte stays as it is.
fn member_set(text: &str, object: &Object<'_>, member: &str, id: &str) -> Result<String, SignError> {
    let set = match object.raw(member) {
        Some(old) => replaced(text, old, id),
        None => inserted(text, member, id),
    };
    set.ok_or_else(|| SignError(format!("the payload has no place for {member}")))
}
