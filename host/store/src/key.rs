//! Where a value lies: scoped by environment, tenant and deployment before anything that a caller or a guest names.

use std::fmt;
use tollgate_config::{DeploymentId, EndpointId, TenantCtx};

/// The longest key that a store takes, as stored and in bytes: five ids and buckets of 64 bytes leave room for a session key
/// of four long provider ids, and a page of sled's tree still holds sixteen of them.
pub const MAX_KEY_BYTES: usize = 4096;

/// A key of the session store. Segments are escaped, so that no two scopes share a key and no prefix crosses a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// What a worker writes: `env/tenant/deployment/state_version/bucket/key`. The team takes no part: it is who
    /// speaks, not whose state it is.
    pub fn worker(tenant: &TenantCtx, deployment: &DeploymentId, state_version: &str, bucket: &str, key: &str) -> Self {
        Self::of(&[
            tenant.env_id.as_str(),
            tenant.tenant_id.as_str(),
            deployment.as_str(),
            state_version,
            bucket,
            key,
        ])
    }

    /// What all keys of a deployment start with, whatever wrote them, and no other key does.
    pub(crate) fn deployment(tenant: &TenantCtx, deployment: &DeploymentId) -> Self {
        Self::of(&[tenant.env_id.as_str(), tenant.tenant_id.as_str(), deployment.as_str(), ""])
    }

    /// A conversation's state: `env/tenant/deployment/state_version/@endpoint/session key`. The `@` keeps an endpoint apart from a
    /// bucket of the same name; no id begins with one.
    pub fn session(tenant: &TenantCtx, deployment: &DeploymentId, state_version: &str, endpoint: &EndpointId, key: &str) -> Self {
        let endpoint = format!("@{endpoint}");
        Self::worker(tenant, deployment, state_version, &endpoint, key)
    }

    /// As stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Everything up to the last `/`, with it: what all keys of one scope start with, and no other key does.
    pub(crate) fn scope(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at + 1);
        self.0.get(..end).unwrap_or_default()
    }

    /// The key in the same scope whose last part is this.
    pub(crate) fn sibling(&self, last: &str) -> Self {
        let mut bytes = self.scope().to_vec();
        escape(last, &mut bytes);
        Self(bytes)
    }

    fn of(segments: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(segments.iter().map(|segment| segment.len() + 1).sum());
        for (at, segment) in segments.iter().enumerate() {
            if at > 0 {
                bytes.push(SEPARATOR);
            }
            escape(segment, &mut bytes);
        }
        Self(bytes)
    }
}

impl fmt::Display for Key {
    /// Visible ASCII, by its escapes: fit for a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The part of a stored key that [`Key::deployment`] makes; all of a key that has fewer parts.
pub(crate) fn deployment(key: &[u8]) -> &[u8] {
    first(3, key)
}

/// The part of a stored key that names environment and tenant; all of a key that has fewer parts.
pub(crate) fn tenant(key: &[u8]) -> &[u8] {
    first(2, key)
}

/// So many parts, with the separator after each.
fn first(parts: usize, key: &[u8]) -> &[u8] {
    let mut ends = key.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR);
    ends.nth(parts - 1).and_then(|(at, _)| key.get(..=at)).unwrap_or(key)
}

const SEPARATOR: u8 = b'/';
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Writes a segment with everything but visible ASCII, and the separator and the escape themselves, as `%XX`.
fn escape(segment: &str, to: &mut Vec<u8>) {
    for byte in segment.bytes() {
        if byte.is_ascii_graphic() && byte != SEPARATOR && byte != b'%' {
            to.push(byte);
        } else {
            to.push(b'%');
            to.extend([byte >> 4, byte & 15].iter().filter_map(|nibble| HEX.get(usize::from(*nibble))));
        }
    }
}

/// What [`escape`] was given; nothing for bytes that it never writes.
pub(crate) fn unescape(segment: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let digits = [*rest.next()?, *rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tollgate_config::{EnvId, TeamId, TenantId};

    fn tenant(team: Option<&str>) -> TenantCtx {
        TenantCtx {
            tenant_id: TenantId::new("acme").unwrap(),
            env_id: EnvId::new("prod").unwrap(),
            team_id: team.map(|team| TeamId::new(team).unwrap()),
        }
    }

    #[test]
    fn a_worker_key_is_escaped_segments() {
        let deployment = DeploymentId::new("support").unwrap();
        for (key, stored) in [
            ("count", "prod/acme/support/r1/default/count"),
            ("a/b", "prod/acme/support/r1/default/a%2Fb"),
            ("a%2Fb", "prod/acme/support/r1/default/a%252Fb"),
            ("../x", "prod/acme/support/r1/default/..%2Fx"),
            ("é\n", "prod/acme/support/r1/default/%C3%A9%0A"),
            ("", "prod/acme/support/r1/default/"),
        ] {
            let made = Key::worker(&tenant(None), &deployment, "r1", "default", key);
            assert_eq!(made.to_string(), stored, "{key:?}");
            assert_eq!(
                made,
                Key::worker(&tenant(Some("red")), &deployment, "r1", "default", key),
                "the team takes part"
            );
        }
    }

    #[test]
    fn every_key_of_a_deployment_starts_with_it_and_no_other_does() {
        let key = |deployment: &str, last: &str| Key::worker(&tenant(None), &DeploymentId::new(deployment).unwrap(), "r1", "default", last);
        let scope = Key::deployment(&tenant(None), &DeploymentId::new("support").unwrap());
        assert_eq!(deployment(key("support", "a/b").as_bytes()), scope.as_bytes());
        assert_ne!(deployment(key("support2", "a").as_bytes()), scope.as_bytes());
        assert_eq!(deployment(b"a/b"), b"a/b");
        assert_eq!(super::tenant(key("support", "a/b").as_bytes()), b"prod/acme/");
        assert_eq!(super::tenant(b"a"), b"a");
    }

    #[test]
    fn a_session_key_lies_where_no_worker_writes() {
        let deployment = DeploymentId::new("support").unwrap();
        let endpoint = EndpointId::new("default").unwrap();
        let session = Key::session(&tenant(None), &deployment, "r1", &endpoint, "acme:slack:C%2F1:U1");
        assert_eq!(session.to_string(), "prod/acme/support/r1/@default/acme:slack:C%252F1:U1");
        assert_ne!(
            session,
            Key::worker(&tenant(None), &deployment, "r1", "default", "acme:slack:C%2F1:U1")
        );
    }

    proptest! {
        #[test]
        fn segments_come_back_and_never_collide(a in "\\PC{0,12}|[/%a-c]{0,6}", b in "\\PC{0,12}|[/%a-c]{0,6}", c in "[/%a-c]{0,6}", d in "[/%a-c]{0,6}") {
            let one = Key::of(&[&a, &b]);
            let other = Key::of(&[&c, &d]);
            prop_assert_eq!(one == other, (&a, &b) == (&c, &d));
            prop_assert_eq!(one.as_bytes().strip_prefix(one.scope()).and_then(unescape), Some(b));
            prop_assert_eq!(one.as_bytes().starts_with(other.scope()), a == c);
        }
    }
}
