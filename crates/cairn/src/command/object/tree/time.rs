//! When a file was last changed, as it is kept with its object.

use model::Properties;
use rustix::fs::Timespec;
use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{SystemTime, UNIX_EPOCH},
};

/// The property that holds it. Tools for Swift (rclone, `swift upload`) use the same one.
pub const PROPERTY: &str = "mtime";

/// How old a change must be before its time can be taken for the content's mark: a second
/// change within what a file system's clock resolves would leave the same time.
const SETTLED_NANOS: i128 = 2_000_000_000;

const NANOS: i128 = 1_000_000_000;

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mtime(i128);

impl Mtime {
    /// A file's.
    pub fn of(metadata: &Metadata) -> Self {
        Self(i128::from(metadata.mtime()) * NANOS + i128::from(metadata.mtime_nsec()))
    }

    /// From microseconds since 1970.
    pub fn from_micros(micros: u64) -> Self {
        Self(i128::from(micros) * 1000)
    }

    /// Whether a change from now on is sure to get another time.
    pub fn is_settled(self) -> bool {
        // A clock before 1970 settles nothing.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0 + SETTLED_NANOS < i128::try_from(now.as_nanos()).unwrap_or(0)
    }

    /// As the property: seconds with nine digits behind the point.
    pub fn to_property(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let billion = NANOS.unsigned_abs();
        format!("{sign}{}.{:09}", nanos / billion, nanos % billion)
    }

    /// From the property: seconds, perhaps with a point and up to nine digits.
    pub fn from_property(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
        let nanos = i128::from(seconds.parse::<i64>().ok()?) * NANOS + fraction;
        Some(Self(if negative { -nanos } else { nanos }))
    }

    /// As a file takes it.
    pub fn to_timespec(self) -> Timespec {
        // What was read from a file or a property fits.
        let seconds = i64::try_from(self.0.div_euclid(NANOS)).unwrap_or(i64::MAX);
        let nanos = self.0.rem_euclid(NANOS) as i64;
        Timespec { tv_sec: seconds, tv_nsec: nanos }
    }
}

/// The time that was kept with an object.
pub fn kept(properties: Option<&Properties>) -> Option<Mtime> {
    Mtime::from_property(properties?.get(PROPERTY)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_from_properties() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_000] {
            let time = Mtime(nanos);
            assert_eq!(Mtime::from_property(&time.to_property()), Some(time));
        }
        assert_eq!(Mtime(1_500_000_000).to_property(), "1.500000000");
        assert_eq!(Mtime::from_property("1401212881.26"), Some(Mtime(1_401_212_881_260_000_000)));
        assert_eq!(Mtime::from_property("-0.000000001"), Some(Mtime(-1)));
        for bad in ["", "-", "1.", ".5", "1.0000000000", "x", "1e9", "99999999999999999999"] {
            assert_eq!(Mtime::from_property(bad), None, "{bad}");
        }
        let before = Mtime(-1).to_timespec();
        assert_eq!((before.tv_sec, before.tv_nsec), (-1, 999_999_999));
    }

    #[test]
    fn a_time_just_now_is_not_settled() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128;
        assert!(!Mtime(now).is_settled());
        assert!(!Mtime(now + 3600 * NANOS).is_settled());
        assert!(Mtime(now - 10 * NANOS).is_settled());
    }
}
