//! Hosts, path prefixes and networks, as the manifest writes them.

use std::net::IpAddr;

/// `host`, `*.suffix` (one or more labels) or `*`. Lower case, no port, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// Exactly this host (or literal address).
    Exact(String),
    /// Any host that ends in `.` and this.
    Suffix(String),
    /// Any host.
    Any,
}

/// A path prefix by whole segments: `/a` covers `/a` and `/a/b`, not `/ab`. Starts with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(pub(crate) String);

impl PathPrefix {
    /// As it was written, less a trailing slash (but `/` itself).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this prefix covers the path (without its query).
    pub fn covers(&self, path: &str) -> bool {
        if self.0 == "/" {
            return path.starts_with('/');
        }
        path.strip_prefix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// An address range, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    /// First address of the range.
    pub(crate) address: IpAddr,
    /// Leading bits that count.
    pub(crate) prefix: u8,
}
