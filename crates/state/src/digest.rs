//! A hash of a partition's state that is kept up to date change by change.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The sum, modulo 2^128, of a keyed hash of every pair. Sums do not depend on the order and
/// can be taken back, so a batch costs two hashes for each key it changes.
///
/// It tells replicas apart that diverged by mistake. It is no defence against somebody who can
/// choose records in order to collide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHash(pub [u8; 16]);

impl StateHash {
    /// Adds a pair.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        let sum = u128::from_le_bytes(self.0).wrapping_add(pair(key, value));
        self.0 = sum.to_le_bytes();
    }

    /// Takes a pair away that was added.
    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        let sum = u128::from_le_bytes(self.0).wrapping_sub(pair(key, value));
        self.0 = sum.to_le_bytes();
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The first 16 bytes, little-endian, of BLAKE3 over the key's length, the key and the value.
fn pair(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new_keyed(b"cairn: hash of a partition pair.");
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}
