//! Settings of a log.

use crate::error::Error;

/// Settings of a log. The defaults suit a metadata node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Bytes a segment file is preallocated to, apart from its checkpoint; 1 KiB to 1 GiB. A
    /// batch that is larger gets a segment of its own size.
    pub segment_bytes: u64,
    /// Bytes of recent payloads kept in memory for readers.
    pub cache_bytes: usize,
    /// Bytes of calls that may wait for the writer; callers beyond it wait in their call.
    pub queue_bytes: usize,
    /// Free bytes below which [`crate::Room::low`] is set.
    pub reserve_bytes: u64,
    /// Mixed into every frame of the segments written, and part of their names. A caller that
    /// logs what strangers send draws it at random, so that no payload can pass for a frame.
    pub salt: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            segment_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            queue_bytes: 32 << 20,
            reserve_bytes: 1 << 30,
            salt: 0,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1 << 10..=1 << 30).contains(&self.segment_bytes) {
            return Err(Error::Config("segment_bytes is not between 1 KiB and 1 GiB"));
        }
        // The queue is counted in permits of which one call takes a u32.
        if !(1 << 10..=1 << 30).contains(&self.queue_bytes) {
            return Err(Error::Config("queue_bytes is not between 1 KiB and 1 GiB"));
        }
        Ok(())
    }
}
