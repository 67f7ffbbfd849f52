//! How fast tokens are minted: a bucket for each caller, and one for the endpoint. The time is an argument.

use crate::listen::tcp::network;
use std::{collections::HashMap, net::IpAddr, time::Duration};
use tollgate_ingress::UnixTime;

/// Tokens for one address (of IPv6, a site's /64) in a minute: an office behind one address opens a page that often.
pub(super) const PER_ADDRESS: u32 = 60;

/// Tokens for all in a minute: what one core signs in a moment, and far more than people arrive.
pub(super) const PER_ENDPOINT: u32 = 6000;

/// Addresses that are counted at once, each of about 50 bytes. Where there are more in one minute, the endpoint's own count is what holds.
const MAX_ADDRESSES: usize = 10_000;

/// Seconds that a count lasts.
const WINDOW: i64 = 60;

/// What was minted in this minute.
#[derive(Debug, Default)]
pub(super) struct Minting {
    since: i64,
    all: u32,
    of: HashMap<IpAddr, u32>,
}

impl Minting {
    /// Counts another token for this caller.
    ///
    /// # Errors
    /// When it gets none: how long until there are more.
    pub(super) fn take(&mut self, caller: IpAddr, now: UnixTime) -> Result<(), Duration> {
        if !(0..WINDOW).contains(&now.0.saturating_sub(self.since)) {
            *self = Self {
                since: now.0,
                ..Self::default()
            };
        }
        let until = Duration::from_secs((self.since.saturating_add(WINDOW).saturating_sub(now.0)).unsigned_abs());
        if self.all >= PER_ENDPOINT {
            return Err(until);
        }
        let (caller, known) = (network(caller), self.of.len());
        match self.of.get_mut(&caller) {
            Some(count) if *count >= PER_ADDRESS => return Err(until),
            Some(count) => *count += 1,
            None if known < MAX_ADDRESSES => {
                self.of.insert(caller, 1);
            }
            None => {}
        }
        self.all += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    #[test]
    fn an_address_has_its_share_of_each_minute() {
        let mut minting = Minting::default();
        let taken = |minting: &mut Minting, caller: u32, now: i64, tries: u32| {
            (0..tries).filter(|_| minting.take(address(caller), UnixTime(now)).is_ok()).count()
        };
        assert_eq!(taken(&mut minting, 1, 1000, 100), 60);
        assert_eq!(taken(&mut minting, 2, 1000, 10), 10);
        assert_eq!(minting.take(address(1), UnixTime(1045)), Err(Duration::from_secs(15)));
        assert_eq!(taken(&mut minting, 1, 1059, 1), 0);
        assert_eq!(taken(&mut minting, 1, 1060, 100), 60);
        // A clock that was set back begins anew.
        assert_eq!(taken(&mut minting, 1, 10, 1), 1);
    }

    #[test]
    fn a_sites_addresses_have_one_share() {
        let mut minting = Minting::default();
        let host = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        let taken = (0..100)
            .filter(|number| minting.take(host(*number), UnixTime(1000)).is_ok())
            .count();
        assert_eq!(taken, PER_ADDRESS as usize);
    }

    #[test]
    fn all_addresses_together_have_the_endpoints_share() {
        let mut minting = Minting::default();
        let taken = (0..20_000)
            .filter(|caller| minting.take(address(*caller), UnixTime(1000)).is_ok())
            .count();
        assert_eq!(taken, PER_ENDPOINT as usize);
        assert!(minting.of.len() <= MAX_ADDRESSES);
    }
}
