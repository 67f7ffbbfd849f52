//! Which revision, and what it is handed.

mod event;
pub(crate) mod headers;

use crate::{
    admit::Admitted,
    edge::head::Head,
    respond::Refused,
    snapshot::{Loaded, State},
};
use event::Event;
use headers as name;
use http::{HeaderValue, Request, Uri};
use std::fmt::Write as _;
use tollgate_host::RequestBody;

/// A revision, and why that one.
pub(crate) struct Assignment {
    /// What runs.
    pub(crate) revision: Loaded,
    /// Why.
    pub(crate) choice: Choice,
}

/// Why a revision was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It has all the traffic.
    Only,
}

impl Choice {
    /// As the access log has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
        }
    }
}

/// Chooses the revision.
///
/// # Errors
/// `NotReady` when the deployment's revision did not load.
pub(crate) fn assign(admitted: &Admitted) -> Result<Assignment, Refused> {
    match &admitted.deployment().state {
        State::Ready(loaded) => Ok(Assignment {
            revision: loaded.clone(),
            choice: Choice::Only,
        }),
        State::Failed { .. } => Err(Refused::NotReady),
    }
}

/// What the worker is handed: the true scheme, authority, method and path, the caller's headers less what is not the caller's to say, and
/// the gateway's own. A provider endpoint's body is the canonical activity, or with `raw: true` the provider's bytes.
///
/// # Errors
/// `BadTarget` when scheme, authority and path do not make a URI.
pub(crate) fn request(
    head: Head,
    admitted: &Admitted,
    assignment: &Assignment,
    body: RequestBody,
) -> Result<Request<RequestBody>, Refused> {
    let Head {
        method,
        path,
        authority,
        scheme,
        mut headers,
        ..
    } = head;
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| Refused::BadTarget("no URI"))?;
    let (tenant, deployment) = (admitted.tenant(), admitted.deployment());
    headers.insert(name::TENANT, deployment.tenant_header.clone());
    headers.insert(name::ENVIRONMENT, deployment.environment_header.clone());
    headers.insert(name::REVISION, assignment.revision.header.clone());
    let (session, body) = match Event::of(admitted.entrant(), &tenant.tenant_id)? {
        Some(event) => {
            let (session, body) = event.tell(&mut headers);
            (Some(session), body)
        }
        None => (None, body),
    };
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
    if let Some(session) = session {
        request.extensions_mut().insert(session);
    }
    Ok(request)
}

/// An id as a header value; ids hold only ASCII letters, digits, `.`, `_` and `-`.
pub(crate) fn id_value(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Any text as a header value: what is no visible ASCII, and `%`, is percent-escaped. Session keys are escaped already and stay as they are.
fn visible(text: &str) -> HeaderValue {
    if let Some(value) = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
    {
        return value;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    id_value(&escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_of_any_text_becomes_one_visible_header() {
        for (text, header) in [
            ("Ev1", "Ev1"),
            ("a b", "a%20b"),
            ("ä", "%C3%A4"),
            ("a\r\nb: c", "a%0D%0Ab:%20c"),
            ("50%", "50%"),
            ("50% ", "50%25%20"),
        ] {
            assert_eq!(visible(text), header, "{text:?}");
        }
    }
}
