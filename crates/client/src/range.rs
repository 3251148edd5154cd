//! Parts of a content.

use crate::Error;
use std::ops::Range;

/// A part of a content, as HTTP's `Range` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first byte to the last, both included; an end behind the content's is clipped.
    Span {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// From this byte to the end.
    From(u64),
    /// The last bytes, or the whole content if it has fewer.
    Last(u64),
}

impl From<(u64, u64)> for ByteRange {
    /// First and last byte, both included.
    fn from((first, last): (u64, u64)) -> Self {
        Self::Span { first, last }
    }
}

impl From<std::ops::RangeInclusive<u64>> for ByteRange {
    fn from(range: std::ops::RangeInclusive<u64>) -> Self {
        Self::Span { first: *range.start(), last: *range.end() }
    }
}

impl From<std::ops::RangeFrom<u64>> for ByteRange {
    fn from(range: std::ops::RangeFrom<u64>) -> Self {
        Self::From(range.start)
    }
}

impl ByteRange {
    /// The bytes it means of a content of `size` bytes.
    ///
    /// # Errors
    /// [`Error::RangeNotSatisfiable`] if it starts behind the end or asks for the last 0 bytes,
    /// [`Error::Invalid`] if it ends before it starts.
    pub fn resolve(self, size: u64) -> Result<Range<u64>, Error> {
        let (start, end) = match self {
            Self::Span { first, last } if last < first => {
                return Err(Error::Invalid(model::Error::invalid(format!(
                    "the range {first}-{last} ends before it starts"
                ))));
            }
            Self::Span { first, last } => (first, last.saturating_add(1).min(size)),
            Self::From(first) => (first, size),
            Self::Last(0) => return Err(Error::RangeNotSatisfiable { start: size, size }),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        if start >= size {
            return Err(Error::RangeNotSatisfiable { start, size });
        }
        Ok(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_mean_what_http_says() {
        let table: [(ByteRange, u64, Option<Range<u64>>); 11] = [
            ((0, 0).into(), 1, Some(0..1)),
            ((3, 7).into(), 10, Some(3..8)),
            ((3, 99).into(), 10, Some(3..10)),
            ((3, u64::MAX).into(), 10, Some(3..10)),
            ((10, 12).into(), 10, None),
            ((5, 4).into(), 10, None),
            ((9..).into(), 10, Some(9..10)),
            ((10..).into(), 10, None),
            (ByteRange::Last(4), 10, Some(6..10)),
            (ByteRange::Last(40), 10, Some(0..10)),
            (ByteRange::Last(4), 0, None),
        ];
        for (range, size, expected) in table {
            assert_eq!(range.resolve(size).ok(), expected, "{range:?} of {size}");
        }
        let beyond = ByteRange::From(10).resolve(10).unwrap_err();
        assert!(matches!(beyond, Error::RangeNotSatisfiable { start: 10, size: 10 }));
    }
}
