//! Bounds as every engine takes them.

use crate::MAX_KEY_BYTES;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

/// Bounds that hold keys an engine accepts, in order.
pub type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Brings a caller's bounds into a form that no engine chokes on (ordered maps panic on bounds
/// that exclude each other, log-structured trees on keys they could not hold), or `None` where
/// the range is empty.
pub fn normalise(from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<Range> {
    let from = lower(from);
    let to = upper(to)?;
    let empty = match (&from, &to) {
        (Included(a), Included(b)) => a > b,
        (Included(a) | Excluded(a), Included(b) | Excluded(b)) => a >= b,
        _ => false,
    };
    (!empty).then_some((from, to))
}

fn lower(bound: Bound<&[u8]>) -> Bound<Vec<u8>> {
    match bound {
        // No key is empty, so every key is above the empty bound.
        Included(b"") | Excluded(b"") | Unbounded => Unbounded,
        // A key is above a longer bound exactly if it is above the bound's longest possible key.
        Included(bytes) | Excluded(bytes) if bytes.len() > MAX_KEY_BYTES => {
            Excluded(bytes[..MAX_KEY_BYTES].to_vec())
        }
        Included(bytes) => Included(bytes.to_vec()),
        Excluded(bytes) => Excluded(bytes.to_vec()),
    }
}

fn upper(bound: Bound<&[u8]>) -> Option<Bound<Vec<u8>>> {
    Some(match bound {
        Included(b"") | Excluded(b"") => return None,
        Included(bytes) | Excluded(bytes) if bytes.len() > MAX_KEY_BYTES => {
            Included(bytes[..MAX_KEY_BYTES].to_vec())
        }
        Included(bytes) => Included(bytes.to_vec()),
        Excluded(bytes) => Excluded(bytes.to_vec()),
        Unbounded => Unbounded,
    })
}
