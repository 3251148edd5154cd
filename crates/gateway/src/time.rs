//! Points in time, as the protocol writes them.

use jiff::{Timestamp, tz::TimeZone};
use std::time::{Duration, UNIX_EPOCH};

/// Seconds since 1970, now.
pub fn now_seconds() -> u64 {
    now_micros() / 1_000_000
}

/// Microseconds since 1970, now.
pub fn now_micros() -> u64 {
    Timestamp::now().as_microsecond().try_into().unwrap_or(0)
}

fn timestamp(micros: u64) -> Timestamp {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// As in `Last-Modified`: `Sat, 21 Nov 2026 17:43:37 GMT`, rounded up to a second, so that what
/// changed is never said to be older than it is.
pub fn http(micros: u64) -> String {
    http_seconds(micros.div_ceil(1_000_000))
}

/// As in `Last-Modified`, of seconds.
pub fn http_seconds(seconds: u64) -> String {
    // Years of four digits are all there are.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)))
}

/// As in listings: `2026-11-21T17:43:37.123450`.
pub fn iso(micros: u64) -> String {
    timestamp(micros).to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// As in `X-Timestamp` and version ids: `1795283017.12345`.
pub fn swift(micros: u64) -> String {
    format!("{:010}.{:05}", micros / 1_000_000, micros % 1_000_000 / 10)
}

/// Microseconds from the form of `X-Timestamp`.
pub fn parse_swift(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if fraction.is_empty() || fraction.len() > 6 || !digits(fraction) || !digits(seconds) {
        return None;
    }
    let scale = 10_u64.pow(6 - fraction.len() as u32);
    let micros = fraction.parse::<u64>().ok()? * scale;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// Seconds since 1970 from a date of HTTP, in any of its three forms, or as mails have it; earlier
/// ones are as old as can be.
pub fn parse_http(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        return time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
    }
    let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(time.as_second().try_into().unwrap_or(0))
}

/// Seconds since 1970 from a number, or from an ISO 8601 date in UTC as `TempURL` takes them.
pub fn parse_expiry(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    for format in ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"] {
        let parsed = jiff::fmt::strtime::parse(format, text);
        if let Ok(time) = parsed {
            let at = match format.ends_with('Z') {
                true => time.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
                false => time.to_timestamp().ok()?,
            };
            return at.as_second().try_into().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_as_swift_writes_them() {
        let micros = 1_795_283_017_123_450;
        assert_eq!(swift(micros), "1795283017.12345");
        assert_eq!(parse_swift("1795283017.12345"), Some(micros));
        assert_eq!(parse_swift("17"), Some(17_000_000));
        for bad in ["", ".", "1.", "x", "1.x", "-1", "1.1234567", "99999999999999999999"] {
            assert_eq!(parse_swift(bad), None, "{bad:?}");
        }
        assert_eq!(iso(micros), "2026-11-21T17:43:37.123450");
        assert_eq!(http(micros), "Sat, 21 Nov 2026 17:43:38 GMT");
        assert_eq!(parse_http(&http(micros)), Some(1_795_283_018));
        assert_eq!(parse_http("Saturday, 21-Nov-26 17:43:38 GMT"), Some(1_795_283_018));
        assert_eq!(parse_http("Sat Nov 21 17:43:38 2026"), Some(1_795_283_018));
        assert_eq!(parse_http("Mon, 01 Jan 1900 00:00:00 GMT"), Some(0));
        assert_eq!(parse_http("21 Nov 2026 18:43:38 +0100"), Some(1_795_283_018));
        assert_eq!(parse_http("yesterday"), None);
        assert_eq!(parse_expiry("1400000000"), Some(1_400_000_000));
        assert_eq!(parse_expiry("2026-11-21T17:43:37Z"), Some(1_795_283_017));
        assert_eq!(parse_expiry("2026-11-21T17:43:37+0100"), Some(1_795_279_417));
        assert_eq!(parse_expiry("soon"), None);
    }

    proptest! {
        #[test]
        fn no_time_does_harm(text in "\\PC{0,40}|[0-9TZ:. +-]{0,30}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT") {
            let _ = (parse_swift(&text), parse_http(&text), parse_expiry(&text));
        }

        #[test]
        fn times_come_back(micros in 0..253_402_300_799_000_000_u64) {
            prop_assert_eq!(parse_swift(&swift(micros)), Some(micros / 10 * 10));
            prop_assert_eq!(parse_http(&http(micros)), Some(micros.div_ceil(1_000_000)));
            let date = iso(micros);
            let date = date.split('.').next().unwrap();
            prop_assert_eq!(parse_expiry(&format!("{date}Z")), Some(micros / 1_000_000));
        }

        #[test]
        fn every_number_is_a_time(any in any::<u64>()) {
            let _ = (http(any), http_seconds(any), iso(any), swift(any));
        }
    }
}
