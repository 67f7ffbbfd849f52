//! What is granted: the list first, then the addresses that it leads to.

use super::{
    Refusal,
    address::{Reach, reach},
    target::{Host, Target},
};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use tollgate_config::pattern::OutboundRule;

/// Our own listeners, which no list grants.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    listeners: Vec<SocketAddr>,
    is_ours: fn(IpAddr) -> bool,
}

impl Own {
    /// Bound addresses, the admin listener's among them.
    pub(crate) fn new(listeners: Vec<SocketAddr>) -> Self {
        Self {
            listeners,
            is_ours: is_this_machines,
        }
    }

    /// Whether a connection there would come back to us. Every address of this machine counts at a port of ours: another process's there is the lesser loss.
    fn covers(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.listeners.iter().any(|own| own.port() == address.port()) && (ip.is_loopback() || ip.is_unspecified() || (self.is_ours)(ip))
    }
}

/// Whether an address is one of this machine's interfaces, as they stand now: only to those can a socket be bound. What cannot be told is ours.
fn is_this_machines(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable,
    }
}

/// Whether the list grants the target. A literal address is judged whole: what is returned for it may be connected to.
///
/// # Errors
/// The reason why not.
pub(crate) fn permit(rules: &[OutboundRule], target: &Target, own: &Own) -> Result<Option<SocketAddr>, Refusal> {
    match &target.host {
        Host::Name(name) => {
            let granted = rules.iter().any(|rule| rule.grants_name(target.scheme, name, target.port));
            if granted { Ok(None) } else { Err(Refusal::NotGranted) }
        }
        Host::Address(address) => {
            if reach(*address) == Reach::Never {
                return Err(Refusal::Address);
            }
            if !rules.iter().any(|rule| rule.grants_address(target.scheme, *address, target.port)) {
                return Err(Refusal::NotGranted);
            }
            let address = SocketAddr::new(*address, target.port);
            if own.covers(address) {
                Err(Refusal::Own)
            } else {
                Ok(Some(address))
            }
        }
    }
}

/// Whether all addresses that a name has may be connected to. One that may not condemns them all: who answers so answers for an attacker.
///
/// # Errors
/// The reason why not.
pub(crate) fn permit_addresses(addresses: &[SocketAddr], own: &Own) -> Result<(), Refusal> {
    for address in addresses {
        if reach(address.ip()) != Reach::Public {
            return Err(Refusal::Address);
        }
        if own.covers(*address) {
            return Err(Refusal::Own);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const PUBLIC: &str = "9.9.9.9";

    /// Listens at 8080 on every address, and at 9901 on loopback; 9.9.9.9 and 10.0.0.5 are this machine's.
    fn own() -> Own {
        Own {
            listeners: vec!["0.0.0.0:8080".parse().unwrap(), "127.0.0.1:9901".parse().unwrap()],
            is_ours: |address| [PUBLIC, "10.0.0.5"].iter().any(|own| own.parse() == Ok(address)),
        }
    }

    fn judge(rules: &[&str], url: &str) -> Result<Option<SocketAddr>, Refusal> {
        let rules: Vec<_> = rules.iter().map(|rule| OutboundRule::parse(rule).unwrap()).collect();
        permit(&rules, &Target::of(&url.parse().unwrap())?, &own())
    }

    #[test]
    fn the_list_grants_names_and_addresses_apart() {
        let all = [
            "http://*",
            "https://*",
            "https://*:8443",
            "http://127.0.0.1:9000",
            "http://[fd00::/8]",
        ];
        for (url, expected) in [
            ("https://example.com/", Ok(None)),
            ("https://example.com.:8443/", Ok(None)),
            ("https://example.com:444/", Err(Refusal::NotGranted)),
            ("http://127.0.0.1:9000/", Ok(Some("127.0.0.1:9000"))),
            ("http://127.0.0.1.:9000/", Ok(Some("127.0.0.1:9000"))),
            ("https://127.0.0.1:9000/", Err(Refusal::NotGranted)),
            ("http://127.0.0.1/", Err(Refusal::NotGranted)),
            ("http://[::ffff:127.0.0.1]:9000/", Err(Refusal::Address)),
            ("http://[::127.0.0.1]:9000/", Err(Refusal::Address)),
            ("http://[64:ff9b::7f00:1]:9000/", Err(Refusal::Address)),
            ("http://0.0.0.0:9000/", Err(Refusal::Address)),
            ("http://[::]:9000/", Err(Refusal::Address)),
            ("http://8.8.8.8/", Err(Refusal::NotGranted)),
            ("http://[fd12::1]/", Ok(Some("[fd12::1]:80"))),
            ("http://[fe80::1]/", Err(Refusal::NotGranted)),
        ] {
            let expected = expected.map(|address: Option<&str>| address.map(|address| address.parse().unwrap()));
            assert_eq!(judge(&all, url), expected, "{url}");
        }
        assert_eq!(judge(&[], "https://example.com/"), Err(Refusal::NotGranted));
    }

    #[test]
    fn our_own_listeners_are_never_called() {
        let all = [
            "http://0.0.0.0/0:8080",
            "http://0.0.0.0/0:9901",
            "http://[::/0]:8080",
            "http://10.0.0.6:8080",
        ];
        for (url, expected) in [
            ("http://127.0.0.1:8080/", Err(Refusal::Own)),
            ("http://127.8.8.8:8080/", Err(Refusal::Own)),
            ("http://127.0.0.1:9901/", Err(Refusal::Own)),
            ("http://[::1]:8080/", Err(Refusal::Own)),
            ("http://10.0.0.5:8080/", Err(Refusal::Own)),
            ("http://10.0.0.5:9901/", Err(Refusal::Own)),
            ("http://9.9.9.9:8080/", Err(Refusal::Own)),
            ("http://0.0.0.0:8080/", Err(Refusal::Address)),
            ("http://[::]:8080/", Err(Refusal::Address)),
            ("http://[::ffff:10.0.0.5]:8080/", Err(Refusal::Address)),
            ("http://10.0.0.6:8080/", Ok(Some("10.0.0.6:8080"))),
        ] {
            let expected = expected.map(|address: Option<&str>| address.map(|address| address.parse().unwrap()));
            assert_eq!(judge(&all, url), expected, "{url}");
        }
    }

    #[test]
    fn a_name_leads_to_the_internet_alone() {
        for (addresses, expected) in [
            ("8.8.8.8:80 [2606:4700::1]:80", Ok(())),
            ("8.8.8.8:80 127.0.0.1:80", Err(Refusal::Address)),
            ("169.254.169.254:80", Err(Refusal::Address)),
            ("[fd00:ec2::254]:80", Err(Refusal::Address)),
            ("[::ffff:10.0.0.1]:80", Err(Refusal::Address)),
            ("[64:ff9b::808:808]:80", Err(Refusal::Address)),
            ("9.9.9.9:80", Ok(())),
            ("9.9.9.9:8080", Err(Refusal::Own)),
            ("8.8.8.8:8080", Ok(())),
        ] {
            let addresses: Vec<_> = addresses.split(' ').map(|address| address.parse().unwrap()).collect();
            assert_eq!(permit_addresses(&addresses, &own()), expected, "{addresses:?}");
        }
    }

    #[test]
    fn this_machines_addresses_are_known() {
        assert!(is_this_machines("127.0.0.1".parse().unwrap()));
        assert!(!is_this_machines("192.0.2.77".parse().unwrap()), "an address of the documents");
    }
}
