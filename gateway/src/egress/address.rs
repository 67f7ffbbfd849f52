//! What an address is, as far as calling it goes.
//!
//! Sources: the IANA registries of special-purpose addresses (RFC 6890 and its updates), RFC 6052 and 8215 (NAT64), RFC 7526 (6to4), RFC 4380
//! (Teredo), and the metadata services of the large clouds, which mostly lie in these ranges anyway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One of the internet's: a name may lead there.
    Public,
    /// Of this machine, its site or its cloud, or for documents: only for who lists the address itself.
    Inside,
    /// No single machine's, or another address in disguise: never called, whatever the list says.
    Never,
}

/// What this address is.
pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) => of_v6(v6),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> (u32, u8) {
    (Ipv4Addr::new(a, b, c, d).to_bits(), prefix)
}

/// "This network" (on Linux the machine itself), multicast, and what is reserved, broadcast among it.
const NEVER_V4: [(u32, u8); 3] = [v4(0, 0, 0, 0, 8), v4(224, 0, 0, 0, 4), v4(240, 0, 0, 0, 4)];
const INSIDE_V4: [(u32, u8); 14] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10), // carriers' NAT; Alibaba's metadata
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32), // Azure's host agent: public by its number only
    v4(169, 254, 0, 0, 16),   // link-local; most clouds' metadata
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24), // protocol assignments; Oracle's metadata
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24), // 6to4 relays
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15), // benchmarks
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(192, 31, 196, 0, 24), // AS112
];

fn of_v4(address: Ipv4Addr) -> Reach {
    let bits = address.to_bits();
    let within = |nets: &[(u32, u8)]| nets.iter().any(|(net, prefix)| (bits ^ net).leading_zeros() >= u32::from(*prefix));
    if within(&NEVER_V4) {
        Reach::Never
    } else if within(&INSIDE_V4) {
        Reach::Inside
    } else {
        Reach::Public
    }
}

const fn v6(a: u16, b: u16, c: u16, d: u16, e: u16, f: u16, prefix: u8) -> (u128, u8) {
    (Ipv6Addr::new(a, b, c, d, e, f, 0, 0).to_bits(), prefix)
}

/// What holds an IPv4 address, and with it would go around the check of that address; and multicast.
const NEVER_V6: [(u128, u8); 8] = [
    v6(0, 0, 0, 0, 0, 0xffff, 96),    // mapped
    v6(0, 0, 0, 0, 0xffff, 0, 96),    // translated (RFC 2765)
    v6(0x64, 0xff9b, 0, 0, 0, 0, 96), // NAT64
    v6(0x64, 0xff9b, 1, 0, 0, 0, 48), // NAT64 of the site
    v6(0x2001, 0, 0, 0, 0, 0, 32),    // Teredo
    v6(0x2002, 0, 0, 0, 0, 0, 16),    // 6to4
    v6(0xff00, 0, 0, 0, 0, 0, 8),     // multicast
    v6(0x2001, 0x20, 0, 0, 0, 0, 28), // identifiers that are never routed (ORCHIDv2)
];
/// Within the range of the internet's, but not of it. All that lies outside of that range is inside as well.
const INSIDE_V6: [(u128, u8); 3] = [
    v6(0x2001, 0, 0, 0, 0, 0, 23), // protocol assignments
    v6(0x2001, 0xdb8, 0, 0, 0, 0, 32),
    v6(0x3fff, 0, 0, 0, 0, 0, 20),
];
/// The only range that the internet's addresses are given out of.
const GLOBAL_V6: (u128, u8) = v6(0x2000, 0, 0, 0, 0, 0, 3);

fn of_v6(address: Ipv6Addr) -> Reach {
    let bits = address.to_bits();
    let is_in = |(net, prefix): &(u128, u8)| (bits ^ net).leading_zeros() >= u32::from(*prefix);
    // `::/96` held IPv4 addresses once; of it only the loopback address is one that can be called.
    let compatible = bits >> 32 == 0 && address != Ipv6Addr::LOCALHOST;
    if compatible || NEVER_V6.iter().any(is_in) {
        Reach::Never
    } else if !is_in(&GLOBAL_V6) || INSIDE_V6.iter().any(is_in) {
        Reach::Inside
    } else {
        Reach::Public
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_the_internets_addresses_are_public() {
        for (addresses, expected) in [
            (
                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 172.15.0.1 172.32.0.1 192.167.1.1 198.17.0.1 198.20.0.0 223.255.255.255",
                Reach::Public,
            ),
            ("2606:4700::1111 2001:4860:4860::8888 2a00::1 2400::1 2001:200::1", Reach::Public),
            (
                "10.0.0.0 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255",
                Reach::Inside,
            ),
            (
                "192.0.0.192 192.0.2.1 192.88.99.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.255 192.31.196.1",
                Reach::Inside,
            ),
            (
                "::1 fd00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 2001:db8::1 3fff::1 100::1 5f00::1 4000::1 2001:2::1 2001:1::1",
                Reach::Inside,
            ),
            ("0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255", Reach::Never),
            (
                ":: ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1",
                Reach::Never,
            ),
            (
                "2001::1 2001:0:ffff::1 2002:7f00:1::1 2002:808:808::1 ff02::1 ff0e::1 2001:20::1",
                Reach::Never,
            ),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
            }
        }
    }
}
