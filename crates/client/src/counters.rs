//! What a client did.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers that only grow.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) bytes_written: AtomicU64,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) positions_dropped: AtomicU64,
    pub(crate) stripes_decoded: AtomicU64,
    pub(crate) fetches_hedged: AtomicU64,
}

impl Counters {
    /// Bytes of content that were stored and acknowledged.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Relaxed)
    }

    /// Bytes of content that were handed to readers.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// Positions of metachunks that were given up while writing.
    pub fn positions_dropped(&self) -> u64 {
        self.positions_dropped.load(Relaxed)
    }

    /// Stripes that were rebuilt while reading.
    pub fn stripes_decoded(&self) -> u64 {
        self.stripes_decoded.load(Relaxed)
    }

    /// Further fragments asked for because a wanted one was slow.
    pub fn fetches_hedged(&self) -> u64 {
        self.fetches_hedged.load(Relaxed)
    }

    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Relaxed);
    }
}
