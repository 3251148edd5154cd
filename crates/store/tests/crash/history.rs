//! Numbered batches, so that what is found can be told to be a prefix of what was written.

use std::collections::BTreeMap;
use std::ops::Bound::Unbounded;
use store::{Change, Store};

const APPLIED: &[u8] = b"applied";

/// How far a store came: the batches since it was last cleared, and how often it was cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress {
    pub clears: u64,
    pub batches: u64,
}

/// The bytes of a batch's own key: too many for a page now and then, and not compressible
/// to nothing.
pub fn payload(at: Progress) -> Vec<u8> {
    let mut word = (at.clears << 32 | at.batches).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let length = if at.batches.is_multiple_of(50) { 9000 } else { 200 + word % 400 };
    let next = |_| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word as u8 & 15
    };
    (0..length).map(next).collect()
}

/// The key of a batch: not in the order of the batches, so that tables overlap.
fn key(batch: u64) -> Vec<u8> {
    [b"batch/", &batch.reverse_bits().to_be_bytes()[..]].concat()
}

/// Batch `at` changes two keys: one of its own, and one that says how many there were.
pub fn batch(at: Progress) -> Vec<Change> {
    let applied = [at.clears.to_be_bytes(), at.batches.to_be_bytes()].concat();
    vec![(key(at.batches), Some(payload(at))), (APPLIED.to_vec(), Some(applied))]
}

/// What a store holds; panics unless that is exactly what the batches up to there wrote. A
/// store that is empty does not tell how often it was cleared.
pub fn progress(store: &dyn Store) -> Progress {
    let read = store.snapshot();
    let pairs = read.range(Unbounded, Unbounded, false).map(|pair| pair.expect("reads"));
    let mut found: BTreeMap<_, _> = pairs.collect();
    let Some(applied) = found.remove(APPLIED) else {
        assert!(found.is_empty(), "{} keys of no batch", found.len());
        return Progress::default();
    };
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
    let at = Progress { clears: number(&applied[..8]), batches: number(&applied[8..]) };
    assert_eq!(found.len() as u64, at.batches, "not one key per batch up to {at:?}");
    for batches in 1..=at.batches {
        let expected = payload(Progress { batches, ..at });
        assert!(found.get(&key(batches)) == Some(&expected), "batch {batches} of {at:?}");
    }
    at
}
