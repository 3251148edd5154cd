//! 6. A reader never sees wrong bytes, a short body, or half of a commit.
//!
//! Whatever a read gives must be exactly the range asked for of a content that some client has
//! put: not a byte more or less, nor a mixture. (That it is the content of the right moment is
//! for invariants 2 and 7.)

use bytes::Bytes;
use std::ops::Range;

/// What is wrong with bytes that a client was given, if anything.
pub fn check(
    object: &str,
    content: Option<&Bytes>,
    range: &Range<u64>,
    given: &[u8],
) -> Option<String> {
    let Some(content) = content else {
        return Some(format!("{object} was said to be a content that nobody put"));
    };
    let Some(wanted) = content.get(range.start as usize..range.end as usize) else {
        let bytes = content.len();
        return Some(format!("{object}: bytes {range:?} were given, but it has {bytes}"));
    };
    if wanted == given {
        return None;
    }
    let at = wanted.iter().zip(given).position(|(a, b)| a != b);
    Some(format!(
        "{object}: {} bytes were given for {range:?}, the first difference at {at:?}",
        given.len()
    ))
}
