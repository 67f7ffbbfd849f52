//! Signed webhooks for one round: all distinct, none ever sent before.

use super::peers::SECRET;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Key, UnixTime, sign::sign};

/// Conversations among which the messages are spread.
const USERS: usize = 1_000;

/// Requests as they go over the wire.
#[derive(Debug)]
pub(crate) struct Round {
    /// From a user of its own, so that its answer is known.
    pub(crate) first: Vec<u8>,
    /// The first one's answer.
    pub(crate) answer: Value,
    /// The others, each ended by a zero byte.
    pub(crate) rest: Vec<u8>,
}

impl Round {
    /// Signs this many for a host, now.
    ///
    /// # Errors
    /// When one cannot be signed.
    pub(crate) fn sign(count: usize, host: &str) -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let key = Key::new(SECRET.into(), None)?;
        let round = since.as_nanos();
        let mut rest = Vec::new();
        for number in 0..count {
            let user = format!("U{}", number % USERS);
            request(&mut rest, host, &user, &format!("{round}-{number}"), &key, since.as_secs())?;
            rest.push(0);
        }
        let mut first = Vec::new();
        let (user, name) = (format!("U{round}"), format!("{round}-first"));
        request(&mut first, host, &user, &name, &key, since.as_secs())?;
        Ok(Self {
            first,
            answer: json!({ "text": text(&name), "count": 1 }),
            rest,
        })
    }
}

fn text(name: &str) -> String {
    format!("message {name}: how do I reset my password?")
}

fn request(out: &mut Vec<u8>, host: &str, user: &str, name: &str, key: &Key, now: u64) -> Result<()> {
    let payload = json!({
        "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": format!("Ev{name}"), "event_time": now,
        "event": { "type": "message", "channel": "C1", "user": user, "text": text(name), "ts": format!("{now}.000100") },
    });
    let now = UnixTime(now.try_into().context("a clock far in the future")?);
    let signed = sign(Provider::Slack, payload.to_string().as_bytes(), key, now, None)?;
    write!(
        out,
        "POST /slack/events HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n",
        signed.body.len()
    )?;
    for (name, value) in &signed.headers {
        write!(out, "{name}: ")?;
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&signed.body);
    Ok(())
}
