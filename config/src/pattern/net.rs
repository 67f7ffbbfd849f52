//! Networks.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The part before the slash is no address.
    #[error("no IP address stands before the `/`")]
    Address,
    /// The part after the slash is no length that the address has.
    #[error("a prefix has 0 to 32 bits for IPv4, 0 to 128 for IPv6")]
    Prefix,
    /// Bits are set that the prefix leaves open.
    #[error("the address has bits outside of its prefix; the network is {0}")]
    HostBits(IpNet),
}

/// An address range, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    address: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// Reads `address` or `address/bits`.
    ///
    /// # Errors
    /// [`NetError`]; bits behind the prefix are one, for they hint at a slip.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetError::Address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| NetError::Prefix)?,
            Some(_) => return Err(NetError::Prefix),
        };
        if prefix > most {
            return Err(NetError::Prefix);
        }
        let net = Self {
            address: mask(address, prefix),
            prefix,
        };
        if net.address == address {
            Ok(net)
        } else {
            Err(NetError::HostBits(net))
        }
    }

    /// This address alone.
    pub fn of(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether the address lies in it. An IPv4 address that came over an IPv6 socket (`::ffff:10.0.0.1`) counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = if self.address.is_ipv4() { address.to_canonical() } else { address };
        address.is_ipv4() == self.address.is_ipv4() && mask(address, self.prefix) == self.address
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(
            v4.to_bits() & u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0),
        )),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(
            v6.to_bits() & u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0),
        )),
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_network_is_an_address_and_its_leading_bits() {
        for (text, read) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("fd00::/8", Ok("fd00::/8")),
            ("::1", Ok("::1/128")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("::/0", Ok("::/0")),
            ("10.0.0.0/33", Err(NetError::Prefix)),
            ("10.0.0.0/", Err(NetError::Prefix)),
            ("10.0.0.0/+8", Err(NetError::Prefix)),
            ("10.0.0.0/999", Err(NetError::Prefix)),
            ("10.0.0/8", Err(NetError::Address)),
            ("example.com", Err(NetError::Address)),
        ] {
            assert_eq!(IpNet::parse(text).map(|net| net.to_string()), read.map(str::to_owned), "{text}");
        }
        let shown = IpNet::parse("10.0.0.1/8").map_err(|error| error.to_string());
        assert_eq!(
            shown,
            Err("the address has bits outside of its prefix; the network is 10.0.0.0/8".to_owned())
        );
    }

    #[test]
    fn a_network_contains_what_its_prefix_says() {
        for (net, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "::a00:1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "fd00::1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "fe80::1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
        ] {
            assert_eq!(
                IpNet::parse(net).unwrap().contains(address.parse().unwrap()),
                inside,
                "{net} {address}"
            );
        }
    }
}
