//! PEM (RFC 7468): one block with its label and nothing beside it. What it held is zeroed, for it may have been a private key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The DER in a block with this label; `None` for anything else, a second block too.
pub(crate) fn one(text: &[u8], label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inner = text.strip_prefix("-----BEGIN ")?.strip_prefix(label)?.strip_prefix("-----")?;
    inside(inner.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?)
}

/// The DER between a block's lines.
pub(crate) fn inside(base64: &str) -> Option<Zeroizing<Vec<u8>>> {
    let base64: Zeroizing<String> = Zeroizing::new(base64.split_ascii_whitespace().collect());
    STANDARD.decode(base64.as_bytes()).map(Zeroizing::new).ok()
}
