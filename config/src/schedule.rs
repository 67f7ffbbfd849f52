//! When a timer ticks: a cron expression, with seconds, read by the clock of a time zone. Pure: the time is an argument.
//!
//! When the clocks change it does as Vixie's cron: a fixed time of day that is skipped in spring comes at the first moment after the gap, and one that
//! comes twice in autumn ticks the first time only; what recurs by the hour, minute or second follows the wall clock as it is.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use std::fmt;

/// Longest expression, in bytes: six fields that list half of their values.
const MAX_LEN: usize = 512;

/// Where the search for a first tick begins: 2000-01-01T00:00:00Z. From here every day and weekday of the calendar comes.
const SOME_TIME: i64 = 946_684_800;

/// When a timer ticks.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    text: String,
    zone_name: String,
}

/// Why there is no such schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not cron.
    #[error("this is no cron expression: {0}")]
    Cron(String),
    /// As the 30th of February.
    #[error("this never comes")]
    Never,
    /// No such time zone.
    #[error("no time zone of this name")]
    Zone,
}

impl Schedule {
    /// Reads `second minute hour day month weekday` (five fields tick at second 0; `@daily` and its like are known; Sunday is 0 or 7) and the name of an IANA time zone.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(cron: &str, zone: &str) -> Result<Self, ScheduleError> {
        if cron.len() > MAX_LEN {
            return Err(ScheduleError::Cron(format!("it is longer than {MAX_LEN} bytes")));
        }
        let time_zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone)?;
        // A year would make it end one day, silently.
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let schedule = Self {
            cron: parser.parse(cron).map_err(|error| ScheduleError::Cron(fragment(&error)))?,
            zone: time_zone,
            text: cron.to_owned(),
            zone_name: zone.to_owned(),
        };
        match schedule.next_after(SOME_TIME) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never),
        }
    }

    /// The first tick after this moment; both in Unix seconds.
    pub fn next_after(&self, unix: i64) -> Option<i64> {
        let after = self.at(unix)?;
        let next = self.cron.find_next_occurrence(&after, false).ok()?.timestamp().as_second();
        // Whatever the library does in a fold of the clock: time goes on.
        (next > unix).then_some(next)
    }

    /// The last tick at or before this moment; both in Unix seconds.
    pub fn last_until(&self, unix: i64) -> Option<i64> {
        let until = self.at(unix)?;
        let last = self.cron.find_previous_occurrence(&until, true).ok()?.timestamp().as_second();
        (last <= unix).then_some(last)
    }

    /// The expression as it was written.
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// The time zone's name as it was written.
    pub fn timezone(&self) -> &str {
        &self.zone_name
    }

    fn at(&self, unix: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(unix).ok()?.to_zoned(self.zone.clone()))
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?} in {})", self.text, self.zone_name)
    }
}

/// The library's sentences as ours: lower case, no full stop.
fn fragment(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let mut chars = text.trim_end_matches('.').chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn unix(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn shown(unix: i64) -> String {
        Timestamp::from_second(unix).unwrap().to_string()
    }

    /// The ticks after a moment.
    fn ticks(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, zone).unwrap();
        let mut at = unix(after);
        let mut ticks = Vec::new();
        while ticks.len() < count {
            at = schedule.next_after(at).unwrap();
            ticks.push(shown(at));
        }
        ticks
    }

    #[test]
    fn seconds_five_fields_names_and_nicknames_are_read() {
        for (cron, after, first) in [
            ("* * * * * *", "2026-11-21T10:00:00Z", "2026-11-21T10:00:01Z"),
            ("*/15 * * * * *", "2026-11-21T10:00:01Z", "2026-11-21T10:00:15Z"),
            ("0 */5 * * * *", "2026-11-21T10:00:00Z", "2026-11-21T10:05:00Z"),
            ("0 5 * * *", "2026-11-21T10:00:00Z", "2026-11-22T05:00:00Z"),
            ("@daily", "2026-11-21T10:00:00Z", "2026-11-22T00:00:00Z"),
            ("0 0 9 * * MON", "2026-11-21T10:00:00Z", "2026-11-23T09:00:00Z"),
            ("0 0 9 * * 0", "2026-11-21T10:00:00Z", "2026-11-22T09:00:00Z"),
            ("0 0 9 * * 7", "2026-11-21T10:00:00Z", "2026-11-22T09:00:00Z"),
            ("0 0 0 L * *", "2026-11-21T10:00:00Z", "2026-11-30T00:00:00Z"),
            ("0 0 0 29 2 *", "2026-11-21T10:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            assert_eq!(ticks(cron, "UTC", after, 1), [first], "{cron}");
        }
    }

    #[test]
    fn what_never_comes_and_what_is_no_cron_is_refused() {
        for cron in [
            "",
            "* * *",
            "61 * * * * *",
            "* * * * * * 2030",
            "0 0 25 * * *",
            "never",
            "0 0 0 * * MOX",
        ] {
            assert!(matches!(Schedule::parse(cron, "UTC"), Err(ScheduleError::Cron(_))), "{cron:?}");
        }
        assert_eq!(Schedule::parse("0 0 0 30 2 *", "UTC").err(), Some(ScheduleError::Never));
        assert!(Schedule::parse(&"1,".repeat(300), "UTC").is_err());
        for zone in ["", "Mars/Olympus", "+01:00", "../etc/passwd"] {
            assert_eq!(Schedule::parse("@daily", zone).err(), Some(ScheduleError::Zone), "{zone:?}");
        }
    }

    #[test]
    fn the_last_tick_is_the_one_that_was_next() {
        for (cron, zone) in [
            ("* * * * * *", "UTC"),
            ("0 */7 * * * *", "UTC"),
            ("0 30 2 * * *", "Europe/Berlin"),
            ("0 0 9 1 * *", "America/New_York"),
        ] {
            let schedule = Schedule::parse(cron, zone).unwrap();
            let mut at = unix("2026-03-28T00:00:00Z");
            for _ in 0..50 {
                let next = schedule.next_after(at).unwrap();
                assert_eq!(schedule.last_until(next), Some(next), "{cron}: at the tick itself");
                assert_eq!(
                    schedule.last_until(next - 1).unwrap_or(i64::MIN).max(at),
                    at,
                    "{cron}: none between"
                );
                at = next;
            }
        }
    }

    #[test]
    fn a_fixed_time_that_summer_skips_comes_after_the_gap() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        assert_eq!(
            ticks("0 30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_fixed_time_that_winter_repeats_ticks_once() {
        // Berlin, 2026-10-25: 03:00 becomes 02:00.
        assert_eq!(
            ticks("0 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn what_recurs_follows_the_clock_through_both_changes() {
        assert_eq!(
            ticks("0 0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]
        );
        assert_eq!(
            ticks("0 */30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 5),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }
}
