//! Times as providers write them in their bodies: RFC 3339 and its near relations.

use crate::{UnixTime, clock};
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// Reads `2026-02-19T10:00:00.123+01:00` and its kin: a blank for the `T`, no part of a second, `Z`, ` UTC` or `+0100` for the zone. Nothing else
/// is a time, and one without a zone is none either: nobody says whose it is.
pub(crate) fn read(text: &str) -> Option<UnixTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let zone = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(clock, ':')?;
    let date = Date::from_calendar_date(
        i32::from(year),
        Month::try_from(u8::try_from(month).ok()?).ok()?,
        u8::try_from(day).ok()?,
    )
    .ok()?;
    // A leap second is the one before it.
    let second = u8::try_from(second).ok().map(|second| if second == 60 { 59 } else { second })?;
    let time = Time::from_hms(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, second).ok()?;
    Some(UnixTime(
        PrimitiveDateTime::new(date, time).assume_offset(offset(zone)?).unix_timestamp(),
    ))
}

/// As the activity writes it; nothing when the text is no time.
pub(crate) fn rfc3339(text: &str) -> Option<String> {
    clock::rfc3339(read(text)?)
}

fn three(text: &str, between: char) -> Option<[u16; 3]> {
    let mut parts = text.split(between).map(number);
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn offset(zone: &str) -> Option<UtcOffset> {
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    if matches!(zone, "Z" | "UTC") {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = zone
        .strip_prefix('+')
        .map(|rest| (1, rest))
        .or_else(|| zone.strip_prefix('-').map(|rest| (-1, rest)))?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    if minutes.len() != 2 {
        return None;
    }
    let seconds = i32::from(number(hours)?) * 3600 + i32::from(number(minutes)?) * 60;
    UtcOffset::from_whole_seconds(sign * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_one_moment_are_one_moment() {
        for text in [
            "2026-02-19T10:00:00Z",
            "2026-02-19T10:00:00.999999Z",
            "2026-02-19T11:00:00+01:00",
            "2026-02-19T04:30:00-0530",
            "2026-02-19 10:00:00 UTC",
            "2026-02-19 12:00:00 +0200",
            "2026-02-19T10:00:00.5+00:00",
        ] {
            assert_eq!(rfc3339(text).as_deref(), Some("2026-02-19T10:00:00+00:00"), "{text}");
        }
        for junk in [
            "",
            "now",
            "2026-02-19",
            "2026-02-19T10:00:00",
            "2026-02-30T10:00:00Z",
            "2026-02-19T25:00:00Z",
            "2026-02-19T10:00:00 CET",
            "2026-02-19T10:00:00+1",
            "2026-02-19T10:00:00+99:00",
            "+026-02-19T10:00:00Z",
            "2026-0a-19T10:00:00Z",
            "2026-02-19x10:00:00Z",
            "\u{e9}026-02-19T10:00:00Z",
        ] {
            assert_eq!(read(junk), None, "{junk}");
        }
    }
}
