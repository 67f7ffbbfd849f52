//! Signed timestamps: strict digits, a closed window, and how an activity writes a time.

use crate::{Reason, Refusal, UnixTime};
use std::time::Duration;
use time::{OffsetDateTime, macros::format_description};

/// How far a signed time may lie from ours, both ways, ends included: what Slack's own libraries and Standard Webhooks 1.0 take.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);

/// Unix seconds have ten digits from 2001 to 2286. A fixed length also keeps the boundary between the time and what follows it in a signed text
/// from being moved.
const DIGITS: usize = 10;

/// Reads a timestamp header: exactly ten digits, no sign, no blank, no exponent.
///
/// # Errors
/// [`Reason::BadTimestamp`].
pub(crate) fn seconds(text: &str) -> Result<UnixTime, Refusal> {
    let bad = || Refusal::new(Reason::BadTimestamp, "the timestamp is not ten digits");
    if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    text.parse().map(UnixTime).map_err(|_| bad())
}

/// Unix milliseconds have thirteen digits in the same years.
const MILLISECOND_DIGITS: usize = 13;

/// Reads a time in milliseconds, as strictly; the part of a second is dropped.
///
/// # Errors
/// [`Reason::BadTimestamp`].
pub(crate) fn milliseconds(text: &str) -> Result<UnixTime, Refusal> {
    match text.get(..DIGITS) {
        Some(whole) if text.len() == MILLISECOND_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) => seconds(whole),
        _ => Err(Refusal::new(Reason::BadTimestamp, "the timestamp is not thirteen digits")),
    }
}

/// Whether a signed time lies within the window.
///
/// # Errors
/// [`Reason::StaleTimestamp`] or [`Reason::FutureTimestamp`].
pub(crate) fn within(signed: UnixTime, now: UnixTime, window: Duration) -> Result<(), Refusal> {
    let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let age = now.0.saturating_sub(signed.0);
    if age > window {
        return Err(Refusal::new(Reason::StaleTimestamp, format!("{age} s old, at most {window} s")));
    }
    if age < -window {
        return Err(Refusal::new(
            Reason::FutureTimestamp,
            format!("{} s ahead, at most {window} s", age.saturating_neg()),
        ));
    }
    Ok(())
}

/// RFC 3339 with `+00:00`, as the platform writes it. Nothing for a time beyond year 9999.
pub(crate) fn rfc3339(at: UnixTime) -> Option<String> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00");
    OffsetDateTime::from_unix_timestamp(at.0).ok()?.format(format).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_clocks_are_no_times() {
        for text in [
            "",
            "1e9",
            "+1531420618",
            " 1531420618",
            "1531420618 ",
            "-153142061",
            "153142061",
            "15314206180",
            "0x5b4e9a0a",
            "153142061٨",
            "1531420618.0",
        ] {
            assert_eq!(
                seconds(text).map_err(|refusal| refusal.reason),
                Err(Reason::BadTimestamp),
                "{text:?}"
            );
        }
        assert_eq!(seconds("1531420618"), Ok(UnixTime(1_531_420_618)));
        assert_eq!(milliseconds("1531420618999"), Ok(UnixTime(1_531_420_618)));
        for text in ["", "1531420618", "15314206189990", "153142061899x", "-531420618999"] {
            assert_eq!(
                milliseconds(text).map_err(|refusal| refusal.reason),
                Err(Reason::BadTimestamp),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_window_is_closed_at_both_ends() {
        let at = |now| within(UnixTime(1_000), UnixTime(now), Duration::from_secs(300)).map_err(|refusal| refusal.reason);
        assert_eq!(at(1_300), Ok(()));
        assert_eq!(at(1_301), Err(Reason::StaleTimestamp));
        assert_eq!(at(700), Ok(()));
        assert_eq!(at(699), Err(Reason::FutureTimestamp));
        assert_eq!(at(i64::MIN), Err(Reason::FutureTimestamp));
        assert_eq!(at(i64::MAX), Err(Reason::StaleTimestamp));
    }

    #[test]
    fn times_are_written_as_the_platform_does() {
        assert_eq!(rfc3339(UnixTime(1_771_495_200)).as_deref(), Some("2026-02-19T10:00:00+00:00"));
        assert_eq!(rfc3339(UnixTime(i64::MAX)), None);
    }
}
