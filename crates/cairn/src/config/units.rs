//! Sizes and spans of time as operators write them: `256MiB`, `15m`.

use crate::failure::usage;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, str::FromStr, time::Duration};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split(text);
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "ki" | "kib" => 1 << 10,
            "m" | "mi" | "mib" => 1 << 20,
            "g" | "gi" | "gib" => 1 << 30,
            "t" | "ti" | "tib" => 1 << 40,
            "p" | "pi" | "pib" => 1 << 50,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "pb" => 1_000_000_000_000_000,
            _ => 0,
        };
        let bytes = number.parse::<u64>().ok().filter(|_| factor > 0);
        bytes
            .and_then(|n| n.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| usage!("{text:?} is not a size: write 4096, 64KiB, 10MB or 2GiB"))
    }
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split(text);
        let millis: u64 = match unit {
            "ms" => 1,
            "" | "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        let span = number.parse::<u64>().ok().filter(|_| millis > 0);
        span.and_then(|n| n.checked_mul(millis))
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| {
                usage!("{text:?} is not a span of time: write 500ms, 30s, 15m, 2h or 1d")
            })
    }
}

/// A number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Reads either form of a value in a file: a bare number, or text with a unit.
fn number_or_text<'de, D: Deserializer<'de>, T: FromStr<Err = anyhow::Error>>(
    d: D,
    expected: &'static str,
) -> Result<T, D::Error> {
    struct Visitor<T>(&'static str, std::marker::PhantomData<T>);
    impl<T: FromStr<Err = anyhow::Error>> de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    d.deserialize_any(Visitor(expected, std::marker::PhantomData))
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        number_or_text(d, "a size such as \"64KiB\"")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        number_or_text(d, "a span of time such as \"15m\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_read_as_written() {
        let size = |text: &str| text.parse::<Bytes>().ok().map(|b| b.0);
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("10 MB"), Some(10_000_000));
        assert_eq!(size("2g"), Some(2 << 30));
        for bad in ["", "KiB", "-1", "1.5G", "1X", "99999999999P", "é"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        let span = |text: &str| text.parse::<Span>().ok().map(|s| s.0.as_millis());
        assert_eq!(span("500ms"), Some(500));
        assert_eq!(span("15m"), Some(900_000));
        assert_eq!(span("2"), Some(2000));
        for bad in ["", "s", "1w", "-5s", "18446744073709551615d"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
