//! One tick of a timer: what may enter without a caller. Only a timer makes one.

use super::{Timer, plan::ON_TIME};
use crate::{edge::head::Head, respond::Refused};
use bytes::Bytes;
use http::{
    HeaderMap, Method,
    uri::{Authority, PathAndQuery, Scheme},
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use std::{collections::BTreeMap, sync::Arc, time::SystemTime};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tollgate_config::{TenantId, pattern::Host};
use tollgate_ingress::activity::{Activity, Entities, Kind, Metadata, ProviderIds, Session};

/// The provider's name, as workers, metrics and logs see it.
pub(crate) const PROVIDER: &str = "timer";

/// The event's name.
const EVENT: &str = "tick";

/// A tick has no caller and so no host: the worker sees this one.
const AUTHORITY: &str = "localhost";

/// One tick.
#[derive(Debug)]
pub(crate) struct Tick {
    timer: Arc<Timer>,
    scheduled: i64,
    instant: String,
    event_id: String,
    /// Seconds.
    late: u64,
}

/// What stands in `raw`.
#[derive(Serialize)]
struct Raw<'a> {
    now: &'a str,
    schedule_id: &'a str,
}

impl Tick {
    /// The tick that a timer's schedule has at this Unix second.
    pub(super) fn new(timer: Arc<Timer>, scheduled: i64, now: SystemTime) -> Self {
        let instant = OffsetDateTime::from_unix_timestamp(scheduled)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            // Beyond the year 9999.
            .unwrap_or_else(|| scheduled.to_string());
        let late = super::since_1970(now)
            .as_secs()
            .saturating_sub(u64::try_from(scheduled).unwrap_or(0));
        Self {
            event_id: format!("{}@{instant}", timer.id),
            timer,
            scheduled,
            instant,
            late: if late > ON_TIME { late } else { 0 },
        }
    }

    /// Whose it is.
    pub(crate) fn timer(&self) -> &Arc<Timer> {
        &self.timer
    }

    /// When it was due, in Unix seconds.
    pub(crate) fn scheduled(&self) -> i64 {
        self.scheduled
    }

    /// Endpoint and scheduled time: the same tick has the same id, however often it is planned.
    pub(crate) fn event_id(&self) -> &str {
        &self.event_id
    }

    /// By how many seconds it is late; 0 on time.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// The session: all ticks of a timer share one. Ids need no escapes.
    pub(crate) fn session_key(&self, tenant: &TenantId) -> String {
        format!("{tenant}:{PROVIDER}:{}:user", self.timer.id)
    }

    /// What its call looks like: `POST http://localhost/timer/ENDPOINT`.
    ///
    /// # Errors
    /// Never in practice: ids are made of letters, digits, `.`, `_` and `-`.
    pub(super) fn head(&self) -> Result<Head, Refused> {
        Ok(Head {
            method: Method::POST,
            path: PathAndQuery::try_from(format!("/{PROVIDER}/{}", self.timer.id)).map_err(|_| Refused::BadTarget("no path"))?,
            authority: Authority::from_static(AUTHORITY),
            host: Host::parse(AUTHORITY).map_err(|_| Refused::BadHost("no host"))?,
            scheme: Scheme::HTTP,
            headers: HeaderMap::new(),
        })
    }

    /// The canonical activity.
    ///
    /// # Errors
    /// Never in practice: it is plain data.
    pub(crate) fn activity(&self, tenant: &TenantId) -> Result<Bytes, serde_json::Error> {
        let timer = &self.timer;
        let own = |text: &str| Some(text.to_owned());
        let raw = serde_json::to_string(&Raw {
            now: &self.instant,
            schedule_id: timer.id.as_str(),
        })?;
        let raw = RawValue::from_string(raw)?;
        let activity = Activity {
            tenant: tenant.as_str(),
            provider: PROVIDER,
            provider_ids: &ProviderIds {
                conversation_id: own(timer.id.as_str()),
                channel_id: own(timer.id.as_str()),
                event_id: own(&self.event_id),
                ..ProviderIds::default()
            },
            session: Session {
                key: self.session_key(tenant),
                scopes: vec!["chat"],
            },
            timestamp: &self.instant,
            locale: None,
            text: None,
            attachments: &[],
            buttons: &[],
            entities: &Entities::default(),
            metadata: &Metadata {
                raw_headers: BTreeMap::new(),
                ip: None,
                kind: Kind::Event,
                event: own(EVENT),
                bot: false,
                flow_id: None,
                event_mismatch: false,
            },
            channel_data: &Map::from_iter([
                ("cron".to_owned(), Value::from(timer.schedule.cron())),
                ("timezone".to_owned(), Value::from(timer.schedule.timezone())),
                ("late_seconds".to_owned(), Value::from(self.late)),
            ]),
            raw: &raw,
        };
        serde_json::to_vec(&activity).map(Bytes::from)
    }
}
