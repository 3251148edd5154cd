//! 3. Committed metadata never names a chunk that was not durable when it was committed.
//!
//! When the first replica applies a command, every chunk that the partition newly names must be
//! on the disk of its volume: content and name such that a loss of power at this very moment
//! would leave them.

use model::{ChunkName, VolumeId};

/// The checker.
pub struct Named;

impl Named {
    /// What is wrong with a chunk being named from now on, if anything.
    pub fn check(
        partition: &str,
        volume: VolumeId,
        chunk: &ChunkName,
        durable: bool,
    ) -> Option<String> {
        (!durable).then(|| {
            format!("{partition} names chunk {chunk} on volume {volume}, where it is not durable")
        })
    }
}
