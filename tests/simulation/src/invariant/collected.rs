//! 4. No chunk is removed that committed metadata names.
//!
//! Whenever a chunk's file is removed, by whomever, no partition may name it in the newest
//! state that any of its replicas has reached. (A chunk that goes and is committed later is for
//! invariant 3.)

use model::{ChunkName, VolumeId};

/// The checker.
pub struct Collected;

impl Collected {
    /// What is wrong with a chunk being removed, if anything.
    pub fn check(volume: VolumeId, chunk: &ChunkName, named: bool) -> Option<String> {
        named.then(|| format!("volume {volume} removed chunk {chunk}, which a version names"))
    }
}
