//! Where a worker wants to go: a scheme, a name or an address, and a port, or the reason why that is none of these.

use super::Refusal;
use http::Uri;
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};
use tollgate_config::pattern::{Host as ParsedHost, OutboundScheme, is_localhost};

/// A host, told apart before any look-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// To be looked up: lower case, no trailing dot, never `localhost`, never one that ends in a number.
    Name(String),
    /// A literal address, in the one way to write it.
    Address(IpAddr),
}

/// Where a call out goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// What is spoken there.
    pub(crate) scheme: OutboundScheme,
    /// The host.
    pub(crate) host: Host,
    /// The port.
    pub(crate) port: u16,
}

impl Target {
    /// Reads the URI of a request.
    ///
    /// # Errors
    /// What no list can grant: another scheme, user information, `localhost`, a number that is no dotted decimal.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let scheme = match uri.scheme_str() {
            Some("http") => OutboundScheme::Http,
            Some("https") => OutboundScheme::Https,
            _ => return Err(Refusal::Scheme),
        };
        // Not by the URI's own `host` and `port`: a port that is no number counts as none there.
        let authority = uri.authority().ok_or(Refusal::Host)?.as_str();
        if authority.contains('@') {
            return Err(Refusal::Userinfo);
        }
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (inside, port) = rest.split_once(']').ok_or(Refusal::Host)?;
            // No zone: it would choose the interface.
            let address: Ipv6Addr = inside.parse().map_err(|_| Refusal::Host)?;
            (Host::Address(IpAddr::V6(address)), port)
        } else {
            let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (host(name)?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => scheme.default_port(),
            Some("") => scheme.default_port(),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse().ok().filter(|port| *port != 0);
                port.ok_or(Refusal::Host)?
            }
            _ => return Err(Refusal::Host),
        };
        Ok(Self { scheme, host, port })
    }
}

fn host(name: &str) -> Result<Host, Refusal> {
    let name = name.trim_end_matches('.');
    let host = ParsedHost::parse(name).map_err(|_| Refusal::Host)?;
    if is_localhost(host.as_str()) {
        return Err(Refusal::Localhost);
    }
    Ok(match host.as_str().parse() {
        Ok(address) => Host::Address(IpAddr::V4(address)),
        Err(_) => Host::Name(host.as_str().to_owned()),
    })
}

/// As `Host` and `:authority` have it: without the scheme's own port.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        if self.port == self.scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_target_is_a_name_or_an_address_in_one_spelling() {
        for (uri, read) in [
            ("https://Example.COM/a?b", Ok("example.com")),
            ("https://example.com.:443/", Ok("example.com")),
            ("https://example.com...:8443/", Ok("example.com:8443")),
            ("http://example.com:443/", Ok("example.com:443")),
            ("http://example.com:/", Ok("example.com")),
            ("http://127.0.0.1./", Ok("127.0.0.1")),
            ("http://[::1]:8080/", Ok("[::1]:8080")),
            ("http://[0:0::FFFF:127.0.0.1]/", Ok("[::ffff:127.0.0.1]")),
            ("http://a_b.example/", Ok("a_b.example")),
            ("ftp://example.com/", Err(Refusal::Scheme)),
            ("/", Err(Refusal::Scheme)),
            ("http://user@example.com/", Err(Refusal::Userinfo)),
            ("http://example.com@127.0.0.1/", Err(Refusal::Userinfo)),
            ("http://a:b@127.0.0.1:80/", Err(Refusal::Userinfo)),
            ("http://2130706433/", Err(Refusal::Host)),
            ("http://0x7f000001/", Err(Refusal::Host)),
            ("http://0X7F.1/", Err(Refusal::Host)),
            ("http://0177.0.0.1/", Err(Refusal::Host)),
            ("http://127.1/", Err(Refusal::Host)),
            ("http://127.0.0.1.5/", Err(Refusal::Host)),
            ("http://127.0.0.256/", Err(Refusal::Host)),
            ("http://127.0.0.01/", Err(Refusal::Host)),
            ("http://1.2.3.4.0x/", Err(Refusal::Host)),
            ("http://[v1.a]/", Err(Refusal::Host)),
            ("http://example.com:99999/", Err(Refusal::Host)),
            ("http://example.com:0/", Err(Refusal::Host)),
            ("http://a..b/", Err(Refusal::Host)),
            ("http://./", Err(Refusal::Host)),
            ("http://localhost/", Err(Refusal::Localhost)),
            ("http://localhost./", Err(Refusal::Localhost)),
            ("http://LOCALHOST:80/", Err(Refusal::Localhost)),
            ("http://a.localhost../", Err(Refusal::Localhost)),
        ] {
            // What is no URI at all never gets here.
            let Ok(uri) = uri.parse::<Uri>() else {
                assert!(read.is_err(), "{uri}");
                continue;
            };
            let target = Target::of(&uri);
            assert_eq!(target.map(|target| target.to_string()), read.map(str::to_owned), "{uri}");
        }
        let target = Target::of(&"http://127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(target.host, Host::Address("127.0.0.1".parse().unwrap()));
    }
}
