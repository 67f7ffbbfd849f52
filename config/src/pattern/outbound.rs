//! Where a worker may call out to.

use super::{HostError, HostPattern, IpNet, NetError};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why a text is no entry of `allow_outbound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// No `http://` or `https://` in front.
    #[error("an entry starts with `http://` or `https://`")]
    Scheme,
    /// A user, path, query or fragment.
    #[error("an entry ends with its host and port: it has no user, path, query or fragment")]
    Trailing,
    /// What follows the colon is no port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// The host.
    #[error(transparent)]
    Host(HostError),
    /// The address or network.
    #[error(transparent)]
    Net(NetError),
    /// `localhost` or a name under it.
    #[error("`localhost` is never called: write the address, such as `127.0.0.1`")]
    Localhost,
    /// An IPv6 address that stands for an IPv4 one.
    #[error("an IPv6 address that holds an IPv4 address is never called: write the IPv4 address")]
    Mapped,
}

/// What is spoken to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutboundScheme {
    /// Plaintext.
    Http,
    /// TLS.
    Https,
}

impl OutboundScheme {
    /// As URLs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Which hosts an entry grants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// Names. A wildcard covers no address.
    Named(HostPattern),
    /// A literal address or a network; a name never counts as one of its addresses.
    Within(IpNet),
}

/// One entry of `allow_outbound`: `scheme://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundRule {
    scheme: OutboundScheme,
    hosts: Hosts,
    port: u16,
}

impl OutboundRule {
    /// Reads `scheme://host[:port]`. The host is exact, `*.suffix` (one or more labels), `*` (any name), an address or a
    /// network (`10.0.0.0/8`; IPv6 in brackets: `[fd00::]` or `[fd00::/8]`).
    ///
    /// # Errors
    /// [`OutboundError`].
    pub fn parse(text: &str) -> Result<Self, OutboundError> {
        let (scheme, rest) = text.split_once("://").ok_or(OutboundError::Scheme)?;
        let scheme = match scheme {
            "http" => OutboundScheme::Http,
            "https" => OutboundScheme::Https,
            _ => return Err(OutboundError::Scheme),
        };
        if rest.contains(['@', '?', '#']) || rest.ends_with('/') {
            return Err(OutboundError::Trailing);
        }
        let (hosts, port) = if let Some(rest) = rest.strip_prefix('[') {
            let (inside, port) = rest.split_once(']').ok_or(OutboundError::Host(HostError::Address))?;
            let net = IpNet::parse(inside).map_err(OutboundError::Net)?;
            if !net.address().is_ipv6() {
                return Err(OutboundError::Host(HostError::Address));
            }
            (within(net)?, port)
        } else {
            let (host, port) = rest.split_at(rest.rfind(':').unwrap_or(rest.len()));
            (hosts(host)?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => scheme.default_port(),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse().ok().filter(|port| *port != 0);
                port.ok_or(OutboundError::Port)?
            }
            Some(rest) if rest.contains('/') => return Err(OutboundError::Trailing),
            _ => return Err(OutboundError::Port),
        };
        Ok(Self { scheme, hosts, port })
    }

    /// The scheme that it grants.
    pub fn scheme(&self) -> OutboundScheme {
        self.scheme
    }

    /// Whether it grants this name, in lower case and without a trailing dot, at this scheme and port.
    pub fn grants_name(&self, scheme: OutboundScheme, name: &str, port: u16) -> bool {
        let covers = match &self.hosts {
            Hosts::Named(HostPattern::Any) => true,
            Hosts::Named(HostPattern::Exact(own)) => own == name,
            Hosts::Named(HostPattern::Suffix(suffix)) => name.strip_suffix(suffix.as_str()).is_some_and(|front| front.ends_with('.')),
            Hosts::Within(_) => false,
        };
        covers && (scheme, port) == (self.scheme, self.port)
    }

    /// Whether it grants this address, as a caller wrote it, at this scheme and port.
    pub fn grants_address(&self, scheme: OutboundScheme, address: IpAddr, port: u16) -> bool {
        match &self.hosts {
            Hosts::Named(_) => false,
            Hosts::Within(net) => {
                address.is_ipv4() == net.address().is_ipv4() && net.contains(address) && (scheme, port) == (self.scheme, self.port)
            }
        }
    }
}

fn hosts(host: &str) -> Result<Hosts, OutboundError> {
    if host.contains('/') {
        // A network, or a host with a path behind it.
        return match IpNet::parse(host) {
            Ok(net) => within(net),
            Err(NetError::Address) => Err(OutboundError::Trailing),
            Err(error) => Err(OutboundError::Net(error)),
        };
    }
    if host.contains(':') {
        return Err(OutboundError::Host(HostError::Address));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Hosts::Within(IpNet::of(IpAddr::V4(address))));
    }
    let pattern = HostPattern::parse(host).map_err(OutboundError::Host)?;
    match &pattern {
        HostPattern::Exact(name) | HostPattern::Suffix(name) if is_localhost(name) => Err(OutboundError::Localhost),
        HostPattern::Exact(name) => match name.parse() {
            // `127.0.0.1.`, whose dot has been dropped.
            Ok(address) => Ok(Hosts::Within(IpNet::of(IpAddr::V4(address)))),
            Err(_) => Ok(Hosts::Named(pattern)),
        },
        _ => Ok(Hosts::Named(pattern)),
    }
}

fn within(net: IpNet) -> Result<Hosts, OutboundError> {
    let mapped = Ipv6Addr::from_bits(0xffff << 32);
    match net.address() {
        IpAddr::V6(v6) if v6.to_bits() >> 32 == mapped.to_bits() >> 32 => Err(OutboundError::Mapped),
        _ => Ok(Hosts::Within(net)),
    }
}

/// Whether a name is `localhost` or lies under it (RFC 6761 6.3). Lower case, no trailing dot.
pub fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Display for OutboundRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.hosts {
            Hosts::Named(pattern) => write!(f, "{pattern}")?,
            Hosts::Within(net) if net.address().is_ipv6() => write!(f, "[{net}]")?,
            Hosts::Within(net) => write!(f, "{net}")?,
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use OutboundScheme::{Http, Https};

    #[test]
    fn an_entry_is_a_scheme_a_host_and_a_port() {
        for (text, read) in [
            ("https://slack.com", Ok("https://slack.com:443")),
            ("http://Slack.COM.", Ok("http://slack.com:80")),
            ("https://*.example.com:8443", Ok("https://*.example.com:8443")),
            ("http://*", Ok("http://*:80")),
            ("http://127.0.0.1:9000", Ok("http://127.0.0.1/32:9000")),
            ("http://127.0.0.1.", Ok("http://127.0.0.1/32:80")),
            ("http://10.0.0.0/8:8080", Ok("http://10.0.0.0/8:8080")),
            ("https://[fd00::1]", Ok("https://[fd00::1/128]:443")),
            ("https://[fd00::/8]:1", Ok("https://[fd00::/8]:1")),
            ("ftp://a", Err(OutboundError::Scheme)),
            ("slack.com", Err(OutboundError::Scheme)),
            ("https://", Err(OutboundError::Host(HostError::Empty))),
            ("https://a/", Err(OutboundError::Trailing)),
            ("https://a/b", Err(OutboundError::Trailing)),
            ("https://a:1/b", Err(OutboundError::Trailing)),
            ("https://u@a", Err(OutboundError::Trailing)),
            ("https://a?b", Err(OutboundError::Trailing)),
            ("https://a:", Err(OutboundError::Port)),
            ("https://a:0", Err(OutboundError::Port)),
            ("https://a:65536", Err(OutboundError::Port)),
            ("https://a:+1", Err(OutboundError::Port)),
            ("https://*:*", Err(OutboundError::Port)),
            ("https://a.*.b", Err(OutboundError::Host(HostError::Wildcard))),
            ("https://127.1", Err(OutboundError::Host(HostError::Number))),
            ("https://0x7f000001", Err(OutboundError::Host(HostError::Number))),
            ("https://fd00::1", Err(OutboundError::Host(HostError::Address))),
            ("https://[127.0.0.1]", Err(OutboundError::Host(HostError::Address))),
            ("https://[::ffff:127.0.0.1]", Err(OutboundError::Mapped)),
            ("https://10.0.0.0/33", Err(OutboundError::Net(NetError::Prefix))),
            ("https://localhost", Err(OutboundError::Localhost)),
            ("https://*.localhost:8", Err(OutboundError::Localhost)),
            ("https://a.LOCALHOST.", Err(OutboundError::Localhost)),
        ] {
            assert_eq!(
                OutboundRule::parse(text).map(|rule| rule.to_string()),
                read.map(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn an_entry_grants_what_it_says() {
        for (entry, scheme, host, port, granted) in [
            ("https://slack.com", Https, "slack.com", 443, true),
            ("https://slack.com", Https, "slack.com", 8443, false),
            ("https://slack.com", Http, "slack.com", 443, false),
            ("https://slack.com", Https, "api.slack.com", 443, false),
            ("https://*.slack.com", Https, "api.slack.com", 443, true),
            ("https://*.slack.com", Https, "a.b.slack.com", 443, true),
            ("https://*.slack.com", Https, "slack.com", 443, false),
            ("https://*.slack.com", Https, "evilslack.com", 443, false),
            ("http://*", Http, "anything", 80, true),
            ("http://*", Http, "127.0.0.1", 80, false),
            ("http://*", Http, "::1", 80, false),
            ("http://127.0.0.1", Http, "127.0.0.1", 80, true),
            ("http://127.0.0.1", Http, "127.0.0.2", 80, false),
            ("http://10.0.0.0/8", Http, "10.255.0.1", 80, true),
            ("http://10.0.0.0/8", Http, "::ffff:10.0.0.1", 80, false),
            ("http://[::/0]", Http, "::1", 80, true),
            ("http://[::/0]", Http, "10.0.0.1", 80, false),
        ] {
            let rule = OutboundRule::parse(entry).unwrap();
            let by = match host.parse() {
                Ok(address) => rule.grants_address(scheme, address, port),
                Err(_) => rule.grants_name(scheme, host, port),
            };
            assert_eq!(by, granted, "{entry} {}://{host}:{port}", scheme.as_str());
        }
    }
}
