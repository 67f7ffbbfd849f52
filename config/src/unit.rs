//! Sizes, durations and shares with their units in the type.

use std::{fmt, time::Duration};

/// Why a text is no size or duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A number stands alone: nobody knows of what.
    #[error("a number without a unit")]
    NoUnit,
    /// There is no whole number in front.
    #[error("no whole number with a unit")]
    NoNumber,
    /// The unit is not one of those.
    #[error("an unknown unit")]
    UnknownUnit,
    /// More than can be counted.
    #[error("too large to count")]
    TooLarge,
}

/// Splits `64MiB` in its number and its unit.
fn split(text: &str) -> Result<(u64, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    match (number, unit) {
        ("", _) => Err(UnitError::NoNumber),
        (_, "") => Err(UnitError::NoUnit),
        _ => Ok((number.parse().map_err(|_| UnitError::TooLarge)?, unit)),
    }
}

/// Finds the unit and multiplies. An equal number of larger units goes by the last of them.
fn scale(text: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(UnitError::UnknownUnit)?;
    number.checked_mul(*factor).ok_or(UnitError::TooLarge)
}

/// A number of bytes. Written `512B`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Binary units only: whether `1MB` is a million or 2^20 depends on who reads it.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// This many KiB.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// This many MiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// This many GiB.
    pub const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// Reads `512B`, `64KiB`, `1MiB`, `2GiB`: a whole number and its unit, nothing between.
    ///
    /// # Errors
    /// [`UnitError`], of a plain number too.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        scale(text, &SIZES).map(Self)
    }

    /// In bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In bytes, for indexing; saturates where `usize` is smaller.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, &SIZES)
    }
}

/// The longest duration's unit comes first, so that what is printed is shortest.
const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `50ms`, `10s`, `1m`, `2h`: a whole number and its unit, nothing between.
///
/// # Errors
/// [`UnitError`], of a plain number too.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    scale(text, &DURATIONS).map(Duration::from_millis)
}

/// A duration in whole milliseconds as [`parse_duration`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownDuration(pub Duration);

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &DURATIONS)
    }
}

/// Writes the number in the largest unit that divides it; zero in the smallest.
fn write_scaled(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| *factor == 1 || (number > 0 && number.is_multiple_of(*factor));
    match units.iter().find(fits) {
        Some((unit, factor)) => write!(f, "{}{unit}", number / factor),
        None => write!(f, "{number}"),
    }
}

/// A share of traffic, in hundredths of a percent: 0 to 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// All of it.
    pub const WHOLE: Self = Self(10_000);

    /// Checks that it is at most [`Self::WHOLE`].
    pub fn new(points: u16) -> Option<Self> {
        (points <= Self::WHOLE.0).then_some(Self(points))
    }

    /// As a number.
    pub fn get(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_binary_unit() {
        for (text, read) in [
            ("512B", Ok(ByteSize::bytes(512))),
            ("64KiB", Ok(ByteSize::kib(64))),
            ("1MiB", Ok(ByteSize::mib(1))),
            ("4GiB", Ok(ByteSize::gib(4))),
            ("64", Err(UnitError::NoUnit)),
            ("", Err(UnitError::NoNumber)),
            ("MiB", Err(UnitError::NoNumber)),
            ("-1MiB", Err(UnitError::NoNumber)),
            ("1.5MiB", Err(UnitError::UnknownUnit)),
            ("1 MiB", Err(UnitError::UnknownUnit)),
            ("1MB", Err(UnitError::UnknownUnit)),
            ("99999999999999999999B", Err(UnitError::TooLarge)),
            ("18446744073709551615GiB", Err(UnitError::TooLarge)),
        ] {
            assert_eq!(ByteSize::parse(text), read, "{text:?}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, read) in [
            ("50ms", Ok(Duration::from_millis(50))),
            ("10s", Ok(Duration::from_secs(10))),
            ("1m", Ok(Duration::from_secs(60))),
            ("2h", Ok(Duration::from_secs(7200))),
            ("10", Err(UnitError::NoUnit)),
            ("1m30s", Err(UnitError::UnknownUnit)),
            ("10S", Err(UnitError::UnknownUnit)),
            ("ten", Err(UnitError::NoNumber)),
        ] {
            assert_eq!(parse_duration(text), read, "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for bytes in [0, 1, 1023, 1 << 10, 1536, 3 << 20, 4 << 30] {
            assert_eq!(ByteSize::parse(&ByteSize::bytes(bytes).to_string()), Ok(ByteSize::bytes(bytes)));
        }
        for millis in [0, 1, 999, 1_000, 90_000, 3_600_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&ShownDuration(duration).to_string()), Ok(duration));
        }
        assert_eq!(ShownDuration(Duration::from_millis(1_500)).to_string(), "1500ms");
    }
}
