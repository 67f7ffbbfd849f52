//! `Content-Digest` (RFC 9530): what ties the body to the signed headers.

use super::{CONTENT_DIGEST, bad};
use crate::{Reason, Refusal, Request, field};
use data_encoding::BASE64;
use sfv::{Dictionary, ListEntry, Parser, Version};
use sha2::{Digest, Sha256, Sha512};

/// Checks every digest of a strong algorithm; there must be one, unless there is neither a body nor a digest of it.
pub(super) fn check(request: &Request<'_>) -> Result<(), Refusal> {
    if is_bare(request) {
        return Ok(());
    }
    let text = field::required(request.headers, CONTENT_DIGEST, Reason::UnauthenticatedBody, Reason::BadSignature)?;
    let parsed: Dictionary = Parser::new(text)
        .with_version(Version::Rfc8941)
        .parse()
        .map_err(|error| bad(format!("content-digest: {error}")))?;
    let mut strong = 0;
    for (name, entry) in &parsed {
        // RFC 9530 5: the others are too weak to vouch for anything, or unknown, and are passed over.
        let expected = match name.as_str() {
            "sha-256" => Sha256::digest(request.body).to_vec(),
            "sha-512" => Sha512::digest(request.body).to_vec(),
            _ => continue,
        };
        let given = match entry {
            ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
            ListEntry::InnerList(_) => None,
        };
        if given != Some(expected.as_slice()) {
            return Err(bad(format!("the body is not that of content-digest's {name}")));
        }
        strong += 1;
    }
    if strong == 0 {
        return Err(Refusal::new(
            Reason::UnauthenticatedBody,
            "content-digest has neither sha-256 nor sha-512",
        ));
    }
    Ok(())
}

/// Whether there is nothing that a digest could vouch for: no body, no digest, and a method that has none.
pub(super) fn is_bare(request: &Request<'_>) -> bool {
    let bodiless = matches!(*request.method, http::Method::GET | http::Method::DELETE);
    bodiless && request.body.is_empty() && !request.headers.contains_key(CONTENT_DIGEST)
}

/// The header of a body.
pub(super) fn written(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))
}
