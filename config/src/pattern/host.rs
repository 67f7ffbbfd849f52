//! One host, and patterns of hosts.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Longest name, in bytes, without a trailing dot (RFC 1035 2.3.4: 255 octets on the wire).
pub const MAX_NAME_LEN: usize = 253;
/// Longest label, in bytes (RFC 1035 2.3.4).
pub const MAX_LABEL_LEN: usize = 63;

/// Why a text is no host or host pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is nothing in it.
    #[error("a host must not be empty")]
    Empty,
    /// More than [`MAX_NAME_LEN`] bytes.
    #[error("a host has at most {MAX_NAME_LEN} characters")]
    TooLong,
    /// A label is empty or longer than [`MAX_LABEL_LEN`] bytes.
    #[error("each label of a host has 1 to {MAX_LABEL_LEN} characters")]
    Label,
    /// Something else than letters, digits, `-`, `_` and `.`.
    #[error("a host holds only ASCII letters, digits, `-`, `_` and `.` (names of other scripts in their `xn--` form)")]
    Character,
    /// The last label is a number, but the whole is no IPv4 address.
    #[error("a host that ends in a number must be an IPv4 address of four decimal numbers")]
    Number,
    /// Brackets around something that is no IPv6 address.
    #[error("an IPv6 address stands in brackets, without a zone")]
    Address,
    /// What follows the colon is no port.
    #[error("a port is a number from 0 to 65535")]
    Port,
    /// A pattern with a port.
    #[error("a host pattern has no port: ports do not count in matching")]
    PortInPattern,
    /// A `*` elsewhere than in front.
    #[error("a wildcard is `*` or `*.suffix`")]
    Wildcard,
}

/// One host as requests name it: lower case, no port, no trailing dot; an IPv6 address in brackets and in its shortest form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// Reads a `Host` field, an authority without user information, or a server name; the port is dropped.
    ///
    /// # Errors
    /// [`HostError`] for what names no host (RFC 9110 7.2: answer 400).
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or(HostError::Address)?;
            check_port(after)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostError::Address)?;
            return Ok(Self(format!("[{address}]")));
        }
        let (name, after) = text.split_at(text.find(':').unwrap_or(text.len()));
        check_port(after)?;
        name_of(name.strip_suffix('.').unwrap_or(name)).map(Self)
    }

    /// The host.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an address rather than a name.
    pub fn is_address(&self) -> bool {
        is_address(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_port(after: &str) -> Result<(), HostError> {
    // RFC 3986 3.2.3: the digits may be missing, `host:` is `host`.
    match after.strip_prefix(':') {
        Some("") => Ok(()),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok() => Ok(()),
        None if after.is_empty() => Ok(()),
        _ => Err(HostError::Port),
    }
}

/// Checks a name or an IPv4 address and lowers its case.
fn name_of(name: &str) -> Result<String, HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(HostError::TooLong);
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(HostError::Character);
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > MAX_LABEL_LEN) {
        return Err(HostError::Label);
    }
    // `127.1`, `0x7f.1` and `2130706433` are 127.0.0.1 to some resolvers: what ends in a number is a dotted quad or nothing.
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let number = last.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if number && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Number);
    }
    Ok(name.to_ascii_lowercase())
}

pub(super) fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// The name without its first label.
pub(super) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

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

impl HostPattern {
    /// Reads `host`, `*.suffix` or `*`.
    ///
    /// # Errors
    /// [`HostError`]; a port is one.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, text),
        };
        if name.contains('*') {
            return Err(HostError::Wildcard);
        }
        if name.rfind(':').is_some_and(|colon| colon > name.rfind(']').unwrap_or(0)) {
            return Err(HostError::PortInPattern);
        }
        let host = Host::parse(name)?;
        match (wildcard, host.is_address()) {
            (true, true) => Err(HostError::Wildcard),
            (true, false) => Ok(Self::Suffix(host.0)),
            (false, _) => Ok(Self::Exact(host.0)),
        }
    }

    /// Whether it covers this host.
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => *own == host.0,
            Self::Suffix(suffix) => !host.is_address() && is_under(&host.0, suffix),
        }
    }

    /// Whether it covers every host that the other covers.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (Self::Exact(own), Self::Exact(name)) => own == name,
            (Self::Exact(_), Self::Suffix(_)) => false,
            (Self::Suffix(own), Self::Exact(name)) => !is_address(name) && is_under(name, own),
            (Self::Suffix(own), Self::Suffix(name)) => own == name || is_under(name, own),
        }
    }

    /// Greater is more specific: an exact host before any wildcard, a longer suffix before a shorter one.
    pub fn specificity(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Suffix(suffix) => (1, suffix.len()),
            Self::Exact(_) => (2, 0),
        }
    }
}

fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|front| front.ends_with('.'))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let long = format!("{}.com", "a".repeat(250));
        let label = format!("{}.com", "a".repeat(64));
        for (text, read) in [
            ("Acme.Example", Ok("acme.example")),
            ("acme.example.:443", Ok("acme.example")),
            ("acme.example:", Ok("acme.example")),
            ("my_host-1", Ok("my_host-1")),
            ("127.0.0.1:80", Ok("127.0.0.1")),
            ("[::1]:80", Ok("[::1]")),
            ("[0:0:0:0:0:0:0:1]", Ok("[::1]")),
            ("[FE80::1]", Ok("[fe80::1]")),
            ("", Err(HostError::Empty)),
            (".", Err(HostError::Empty)),
            (":80", Err(HostError::Empty)),
            ("a..b", Err(HostError::Label)),
            (".a", Err(HostError::Label)),
            ("a.b..", Err(HostError::Label)),
            (label.as_str(), Err(HostError::Label)),
            (long.as_str(), Err(HostError::TooLong)),
            ("münchen.example", Err(HostError::Character)),
            ("user@acme", Err(HostError::Character)),
            ("a b", Err(HostError::Character)),
            ("a/b", Err(HostError::Character)),
            ("*.acme", Err(HostError::Character)),
            ("127.1", Err(HostError::Number)),
            ("0x7f.1", Err(HostError::Number)),
            ("2130706433", Err(HostError::Number)),
            ("a.0x7f", Err(HostError::Number)),
            ("256.0.0.1", Err(HostError::Number)),
            ("127.0.0.01", Err(HostError::Number)),
            ("::1", Err(HostError::Port)),
            ("[::1", Err(HostError::Address)),
            ("[fe80::1%eth0]", Err(HostError::Address)),
            ("[::1]x", Err(HostError::Port)),
            ("acme:65536", Err(HostError::Port)),
            ("acme:+80", Err(HostError::Port)),
            ("acme:80:80", Err(HostError::Port)),
        ] {
            assert_eq!(Host::parse(text).as_ref().map(Host::as_str), read.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_is_a_host_or_a_wildcard_in_front() {
        for (text, read) in [
            ("*", Ok(HostPattern::Any)),
            ("*.Example.com.", Ok(HostPattern::Suffix("example.com".into()))),
            ("LOCALHOST", Ok(HostPattern::Exact("localhost".into()))),
            ("[::1]", Ok(HostPattern::Exact("[::1]".into()))),
            ("acme:443", Err(HostError::PortInPattern)),
            ("[::1]:443", Err(HostError::PortInPattern)),
            ("*.acme:443", Err(HostError::PortInPattern)),
            ("a.*", Err(HostError::Wildcard)),
            ("*.*.com", Err(HostError::Wildcard)),
            ("*acme", Err(HostError::Wildcard)),
            ("*.127.0.0.1", Err(HostError::Wildcard)),
            ("*.0.0.1", Err(HostError::Number)),
            ("*.", Err(HostError::Empty)),
            ("**", Err(HostError::Wildcard)),
        ] {
            assert_eq!(HostPattern::parse(text), read, "{text:?}");
        }
    }

    #[test]
    fn wildcards_cover_one_or_more_labels_and_no_address() {
        let pattern = |text| HostPattern::parse(text);
        for (wide, narrow, covered) in [
            ("*", "*", true),
            ("*", "*.a.com", true),
            ("*", "127.0.0.1", true),
            ("*.a.com", "*", false),
            ("*.a.com", "*.a.com", true),
            ("*.a.com", "*.b.a.com", true),
            ("*.b.a.com", "*.a.com", false),
            ("*.a.com", "x.a.com", true),
            ("*.a.com", "x.y.a.com", true),
            ("*.a.com", "a.com", false),
            ("*.a.com", "xa.com", false),
            ("x.a.com", "x.a.com", true),
            ("x.a.com", "*.a.com", false),
        ] {
            let covers = pattern(wide).and_then(|wide| pattern(narrow).map(|narrow| wide.covers(&narrow)));
            assert_eq!(covers, Ok(covered), "{wide} covers {narrow}");
            if let (Ok(wide), Ok(host)) = (pattern(wide), Host::parse(narrow)) {
                assert_eq!(wide.matches(&host), covered, "{wide} matches {narrow}");
            }
        }
    }

    #[test]
    fn exact_is_more_specific_than_long_than_short_than_any() {
        let order: Vec<_> = ["x.com", "*.b.a.com", "*.a.com", "*"]
            .iter()
            .flat_map(|text| HostPattern::parse(text))
            .collect();
        assert_eq!(order.len(), 4);
        assert!(order.is_sorted_by(|a, b| a.specificity() > b.specificity()));
    }
}
