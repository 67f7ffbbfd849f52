//! Dedupe marks: fixed-size names of what has been seen. The gateway scopes them by endpoint.

use sha2::{Digest, Sha256};
use tollgate_config::manifest::Provider;

/// Changes when the encoding below does, so that marks of two builds never meet by accident.
const DOMAIN: &[u8] = b"tollgate mark 1";

/// The mark of an event's id. `kind` keeps the ids of different things (an event, a click) apart.
pub(crate) fn of_id(provider: Provider, kind: &str, id: &str) -> [u8; 32] {
    digest(&[b"id", provider.as_str().as_bytes(), kind.as_bytes(), id.as_bytes()])
}

/// The mark of a signed body.
pub(crate) fn of_body(provider: Provider, body: &[u8]) -> [u8; 32] {
    digest(&[b"body", provider.as_str().as_bytes(), body])
}

/// Each part with its length before it: no two lists of parts have the same encoding.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_differ_by_every_part_and_its_boundary() {
        let marks = [
            of_id(Provider::Slack, "event", "Ev1"),
            of_id(Provider::Slack, "even", "tEv1"),
            of_id(Provider::Slack, "event", "Ev2"),
            of_id(Provider::Github, "event", "Ev1"),
            of_body(Provider::Slack, b"Ev1"),
            of_body(Provider::Github, b"Ev1"),
        ];
        for (index, mark) in marks.iter().enumerate() {
            assert!(!marks.iter().skip(index + 1).any(|other| other == mark), "{index}");
        }
    }
}
