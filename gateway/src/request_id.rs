//! Identifiers of requests, traces and spans: unique, cheap, and no secret.
//!
//! Drawn from a generator of each thread, seeded once by the system: a call to the system for every request would cost more than
//! the routing does. Nothing may be decided by these numbers.

use http::HeaderValue;
use std::{cell::Cell, fmt};

/// Longest id that is taken over from a trusted proxy; longer ones are replaced.
const MAX_FOREIGN_LEN: usize = 128;

/// A request's id, as `x-request-id` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id of this number: 32 lower-case hex digits.
    pub(crate) fn from_number(number: u128) -> Self {
        // Hex digits are always a header value; the other arm cannot be reached.
        Self(HeaderValue::from_bytes(&hex::<32>(number)).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }

    /// An id that a trusted proxy gave, when it is short visible ASCII.
    pub(crate) fn from_proxy(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        ((1..=MAX_FOREIGN_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)).then(|| Self(value.clone()))
    }

    /// As a header value.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The lowest `N` digits of a number in lower-case hex.
pub(crate) fn hex<const N: usize>(number: u128) -> [u8; N] {
    let mut text = [0_u8; N];
    for (place, shift) in text.iter_mut().zip((0..N).rev()) {
        let digit = (number >> (shift * 4)) as u8 & 0xf;
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
    }
    text
}

/// The next number of this thread, never 0.
pub(crate) fn draw() -> u128 {
    (u128::from(next()) << 64 | u128::from(next())).max(1)
}

/// The next half of it, never 0.
pub(crate) fn draw_half() -> u64 {
    next().max(1)
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    let mut bytes = [0_u8; 8];
    if getrandom::fill(&mut bytes).is_err() {
        // Ids then differ by the thread and the clock alone, which is still enough to tell requests apart.
        let clock = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        return clock.as_nanos() as u64 ^ (&raw const bytes).addr() as u64;
    }
    u64::from_le_bytes(bytes)
}

/// SplitMix64 (Steele, Lea, Flood, 2014): a counter and a mixer, so that no number comes twice before the counter wraps.
fn next() -> u64 {
    STATE.with(|state| {
        let counter = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(counter);
        let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_number_is_written_as_32_hex_digits() {
        assert_eq!(RequestId::from_number(0xab).as_str(), "000000000000000000000000000000ab");
        assert_eq!(RequestId::from_number(u128::MAX).as_str(), "f".repeat(32));
    }

    #[test]
    fn threads_draw_different_numbers() {
        let draws: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| draw()).collect::<Vec<_>>()))
            .collect();
        let all: BTreeSet<u128> = draws.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect();
        assert_eq!(all.len(), 4000);
    }

    #[test]
    fn a_proxys_id_is_taken_over_only_when_it_is_short_and_visible() {
        for (text, taken) in [("abc-1", true), ("", false), ("a b", false), ("é", false)] {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""));
            assert_eq!(RequestId::from_proxy(&value).is_some(), taken, "{text:?}");
        }
        let long = HeaderValue::from_str(&"x".repeat(MAX_FOREIGN_LEN + 1)).unwrap_or_else(|_| HeaderValue::from_static(""));
        assert_eq!(RequestId::from_proxy(&long), None);
    }
}
