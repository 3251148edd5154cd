//! Ordered key-value stores that hold a partition's state.
//!
//! The contract, which the conformance suite (`tests/conformance`) checks for every engine:
//! batches are atomic and seen at once by later reads; a snapshot never changes; after a crash
//! the store is an exact prefix of the batches written, or it does not open. A batch is *not*
//! durable until [`Store::sync`] has returned: the log is what an acknowledgement rests on, and
//! it is replayed from the applied index that each batch carries.
//!
//! Two engines: [`MemoryStore`] for simulation, which can lose unsynced batches on request, and
//! [`FjallDatabase`] on disk. Why the latter may be trusted with the contract, and what it does
//! not give, is in `DECISIONS.md` beside this crate.
#![forbid(unsafe_code)]

mod bounds;
mod error;
mod fjall;
mod memory;

use std::ops::Bound;

pub use error::Error;
pub use fjall::{Config, FjallDatabase};
pub use memory::MemoryStore;

/// Longest key, in bytes. The shortest is one byte.
pub const MAX_KEY_BYTES: usize = 65_535;

/// Longest value, in bytes. A store is for small records: this is a bound, not an invitation.
pub const MAX_VALUE_BYTES: usize = 64 << 20;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A change of one key: a new value, or `None` to remove it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// The pairs of a range, or the error that ended it.
pub type Pairs<'a> = Box<dyn Iterator<Item = Result<Pair, Error>> + Send + 'a>;

/// Reads of one moment. Keep it for as long as an answer takes, not longer: what it can still
/// see cannot be reclaimed.
pub trait Read: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// The pairs between two keys, in byte order of keys, ascending or descending, lazily.
    /// Bounds that exclude each other give an empty range; a bound may be any bytes, also
    /// bytes that cannot be a key.
    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a>;
}

/// One partition's store.
pub trait Store: Send + Sync + 'static {
    /// A consistent view of all batches written so far.
    fn snapshot(&self) -> Box<dyn Read>;

    /// Writes a batch, all or nothing. The last change of a key in the batch wins.
    ///
    /// A key or value out of bounds ([`MAX_KEY_BYTES`], [`MAX_VALUE_BYTES`]) refuses the whole
    /// batch and leaves the store as it was. After [`Error::Engine`] it is not known whether
    /// the batch was written.
    fn write(&self, batch: Vec<Change>) -> Result<(), Error>;

    /// Makes all batches written so far survive a loss of power.
    fn sync(&self) -> Result<(), Error>;

    /// Removes every key, durably: what is left opens as an empty store. Snapshots taken before
    /// keep what they saw.
    fn clear(&self) -> Result<(), Error>;

    /// Bytes on disk, approximately.
    fn size(&self) -> u64;
}

/// Refuses a batch that no engine could hold, alike for every engine, so that what passes in
/// simulation passes on disk.
fn check(batch: &[Change]) -> Result<(), Error> {
    for (key, value) in batch {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Error::Key { bytes: key.len() });
        }
        let bytes = value.as_ref().map_or(0, Vec::len);
        if bytes > MAX_VALUE_BYTES {
            return Err(Error::Value { bytes });
        }
    }
    Ok(())
}
