//! One event, as its worker is told of it: a provider's, or a timer's tick. A call of a route is none.

use super::{headers as name, id_value, visible};
use crate::{admit::Entrant, respond::Refused, timer};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full};
use tollgate_config::{EndpointId, TenantId};
use tollgate_host::{CallError, RequestBody, Session};

/// What is told of it.
pub(super) struct Event<'a> {
    endpoint: &'a EndpointId,
    provider: &'static str,
    session_key: String,
    id: Option<&'a str>,
    body: Told,
}

/// What the body is.
enum Told {
    /// The canonical activity.
    Activity(Bytes),
    /// The provider's bytes, of the provider's type.
    Raw(Bytes),
}

impl<'a> Event<'a> {
    /// The event that has entered, if it is one.
    ///
    /// # Errors
    /// Never in practice: serialising plain data into memory fails only on a map with keys that are no text, which an activity has none of.
    pub(super) fn of(entrant: &'a Entrant, tenant: &TenantId) -> Result<Option<Self>, Refused> {
        Ok(Some(match entrant {
            Entrant::Route(_) => return Ok(None),
            Entrant::Tick(tick) => Self {
                endpoint: &tick.timer().id,
                provider: timer::PROVIDER,
                session_key: tick.session_key(tenant),
                id: Some(tick.event_id()),
                body: Told::Activity(tick.activity(tenant).map_err(no_json)?),
            },
            Entrant::Verified { endpoint, delivery } => Self {
                endpoint: &endpoint.id,
                provider: endpoint.provider.as_str(),
                session_key: delivery.session_key(tenant),
                id: delivery.event_id(),
                body: if endpoint.scheme.raw() {
                    Told::Raw(delivery.raw().clone())
                } else {
                    Told::Activity(serde_json::to_vec(&delivery.activity(tenant)).map_err(no_json)?.into())
                },
            },
        }))
    }

    /// Puts it into the gateway's headers; what is left is its conversation and the body.
    pub(super) fn tell(self, headers: &mut HeaderMap) -> (Session, RequestBody) {
        headers.insert(name::ENDPOINT, id_value(self.endpoint.as_str()));
        headers.insert(name::PROVIDER, HeaderValue::from_static(self.provider));
        headers.insert(name::ATTEMPT, HeaderValue::from_static("1"));
        headers.insert(name::SESSION_KEY, visible(&self.session_key));
        if let Some(id) = self.id {
            headers.insert(name::EVENT_ID, visible(id));
        }
        let bytes = match self.body {
            Told::Activity(bytes) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                bytes
            }
            Told::Raw(bytes) => bytes,
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let session = Session {
            endpoint: self.endpoint.clone(),
            key: self.session_key,
        };
        (session, Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
    }
}

fn no_json(error: serde_json::Error) -> Refused {
    Refused::Call(CallError::Host(format!("the activity is no JSON: {error}")))
}
