//! `Range` headers. No I/O.

use std::ops::Range;

/// The most ranges of one request that are answered one by one.
const MOST: usize = 50;

/// What a `Range` header asks for, of a content of a known size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All of it: there is no such header, or none that makes sense.
    All,
    /// Parts of it, each within the content; one or more.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// Reads a `Range` header.
pub fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some(ranges) = header.and_then(parse) else { return Asked::All };
    if ranges.is_empty() {
        return Asked::All;
    }
    let parts: Vec<_> = ranges.iter().filter_map(|range| range.of(size)).collect();
    if parts.is_empty() || !is_sane(&parts) {
        return Asked::Unsatisfiable;
    }
    Asked::Parts(parts)
}

/// Reads a `Range` header for a content with more bytes than the `known` ones: it is only heeded if
/// it asks for one range that lies within those.
pub fn within(header: Option<&str>, known: u64) -> Asked {
    match header.and_then(parse).as_deref() {
        Some([wanted @ Wanted(Some(_), Some(last))]) if *last < known => {
            wanted.of(known).map_or(Asked::All, |part| Asked::Parts(Vec::from([part])))
        }
        _ => Asked::All,
    }
}

/// One range as it was asked for: first and last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted(Option<u64>, Option<u64>);

impl Wanted {
    /// From `first-last`, `first-` or `-count`.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        };
        match Self(number(first)?, number(last)?) {
            Self(None, None) => None,
            Self(Some(first), Some(last)) if last < first => None,
            range => Some(range),
        }
    }

    /// What it is of a content of a known size; none if nothing.
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self(Some(first), Some(last)) => first..last.saturating_add(1).min(size),
            Self(Some(first), None) => first..size,
            Self(None, Some(count)) => size.saturating_sub(count)..size,
            Self(None, None) => return None,
        };
        (range.start < range.end).then_some(range)
    }
}

/// The ranges of a header; none if one of them makes no sense, which is as if there were none.
fn parse(header: &str) -> Option<Vec<Wanted>> {
    let header: String = header.chars().filter(|c| *c != ' ' && *c != '\t').collect();
    let (unit, ranges) = header.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    ranges.split(',').map(Wanted::parse).collect()
}

/// Whether ranges are something a reader of the content would ask for: not more of them than can
/// make sense, and not the same bytes over and over.
fn is_sane(parts: &[Range<u64>]) -> bool {
    let overlaps = parts
        .iter()
        .enumerate()
        .filter(|(n, a)| parts.iter().take(*n).any(|b| a.start < b.end && b.start < a.end))
        .count();
    let descents = parts.windows(2).filter(|pair| pair[1].start < pair[0].start).count();
    parts.len() <= MOST && overlaps <= 2 && descents <= 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_what_has_no_known_end_only_what_is_known_is_given() {
        let part = 2..10;
        assert_eq!(within(Some("bytes=2-9"), 10), Asked::Parts(Vec::from([part])));
        for header in ["bytes=2-10", "bytes=2-", "bytes=-3", "bytes=0-1,3-4", "x"] {
            assert_eq!(within(Some(header), 10), Asked::All, "{header}");
        }
        assert_eq!(within(None, 10), Asked::All);
    }

    #[test]
    fn ranges_mean_what_http_says() {
        // First byte and the one behind the last.
        let parts = |ranges: &[(u64, u64)]| Asked::Parts(ranges.iter().map(|r| r.0..r.1).collect());
        let table = [
            (None, Asked::All),
            (Some("bytes=0-4"), parts(&[(0, 5)])),
            (Some("bytes=5-"), parts(&[(5, 10)])),
            (Some("bytes=-3"), parts(&[(7, 10)])),
            (Some("BYTES = 0 - 4 "), parts(&[(0, 5)])),
            (Some("bytes=-30"), parts(&[(0, 10)])),
            (Some("bytes=0-0, 9-20"), parts(&[(0, 1), (9, 10)])),
            (Some("bytes=0-1,20-30"), parts(&[(0, 2)])),
            (Some("bytes=10-"), Asked::Unsatisfiable),
            (Some("bytes=-0"), Asked::Unsatisfiable),
            (Some("bytes=5-4"), Asked::All),
            (Some("bytes=-"), Asked::All),
            (Some("bytes=a-b"), Asked::All),
            (Some("lines=0-4"), Asked::All),
            (Some("bytes=99999999999999999999999-"), Asked::Unsatisfiable),
        ];
        for (header, expected) in table {
            assert_eq!(asked(header, 10), expected, "{header:?}");
        }
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Unsatisfiable);
        let many = format!("bytes={}", vec!["0-1"; 100].join(","));
        assert_eq!(asked(Some(&many), 10), Asked::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn nothing_is_read_beyond_the_content(text in "bytes=[0-9, -]{0,40}|\\PC{0,40}", size in 0u64..100) {
            if let Asked::Parts(parts) = asked(Some(&text), size) {
                prop_assert!(!parts.is_empty());
                for part in parts {
                    prop_assert!(part.start < part.end && part.end <= size);
                }
            }
        }
    }
}
