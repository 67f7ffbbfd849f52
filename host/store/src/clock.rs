//! Points in time as they are stored: whole milliseconds since 1970, so that both stores and the journal agree on an instant.

use std::time::{SystemTime, UNIX_EPOCH};

/// The expiry of what never expires.
pub(crate) const NEVER: u64 = u64::MAX;

/// Milliseconds since 1970. A time before it is 0; one too late to write is as good as never.
pub(crate) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(NEVER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_become_whole_milliseconds() {
        for (name, time, wanted) in [
            ("before 1970", UNIX_EPOCH - Duration::from_secs(1), 0),
            ("1970", UNIX_EPOCH, 0),
            ("cut off", UNIX_EPOCH + Duration::from_micros(1999), 1),
            ("later", UNIX_EPOCH + Duration::from_secs(2), 2000),
        ] {
            assert_eq!(millis(time), wanted, "{name}");
        }
    }
}
