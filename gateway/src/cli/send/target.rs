//! Where a URL leads.

use crate::cli::report::Failure;
use http::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An `http` or `https` URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Whether to speak TLS.
    pub(super) tls: bool,
    /// Host without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// What the `Host` header says.
    pub(super) authority: String,
    /// What the request line says.
    pub(super) path_and_query: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::usage(format!("--url: {why}; give it as `https://host[:port]/path`"));
        let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name or password has no place in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path_and_query: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Addresses that are known without a look-up: literal ones, and this machine for `localhost` and names under it (RFC 6761 6.3).
    pub(super) fn known_addresses(&self) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(address, self.port)]);
        }
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        if host == "localhost" || host.ends_with(".localhost") {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Some(loopback.map(|address| SocketAddr::new(address, self.port)).to_vec());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, path) in [
            ("https://acme.localhost:8443/slack/events", "acme.localhost", 8443, "/slack/events"),
            ("https://example.com", "example.com", 443, "/"),
            ("http://[::1]/a?b=c", "::1", 80, "/a?b=c"),
        ] {
            let found = Target::parse(url).map(|target| (target.host, target.port, target.path_and_query));
            assert!(found.is_ok_and(|found| found == (host.to_owned(), port, path.to_owned())), "{url}");
        }
        for wrong in [
            "ftp://example.com",
            "/path",
            "https://user:pass@example.com/",
            "",
            "https://",
            "not a url",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_under_localhost_are_this_machine() {
        for (url, known) in [
            ("http://a.localhost/", true),
            ("http://LOCALHOST/", true),
            ("http://notlocalhost/", false),
            ("http://127.0.0.1/", true),
        ] {
            let addresses =
                Target::parse(url).map(|target| target.known_addresses().is_some_and(|all| all.iter().all(|a| a.ip().is_loopback())));
            assert!(addresses.is_ok_and(|found| found == known), "{url}");
        }
    }
}
