//! The invariants of the design, a file for each: what is checked, and how.
//!
//! Three of them are checked while the simulation runs, from what disks and state stores show;
//! the others at its end, from what clients were told and what they then find.

pub mod applied;
pub mod census;
pub mod collected;
pub mod converges;
pub mod counters;
pub mod deleted;
pub mod named;
pub mod readable;
pub mod replicas;
pub mod whole;

use std::fmt;

/// The invariants, by their numbers in the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1: an acknowledged version is readable, byte-exact.
    Readable = 1,
    /// 2: a deleted version never comes back; an overwritten one never shows through.
    Deleted = 2,
    /// 3: committed metadata never names a chunk that was not durable when it was committed.
    Named = 3,
    /// 4: no chunk is removed that committed metadata names.
    Collected = 4,
    /// 5: replicas with the same applied index have the same state.
    Replicas = 5,
    /// 6: a reader never sees wrong bytes, a short body, or half of a commit.
    Whole = 6,
    /// 7: a command is applied at most once, and an acknowledged one is never forgotten.
    Applied = 7,
    /// 8: once faults stop, everything becomes whole and quiet.
    Converges = 8,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {} ({self:?})", *self as u8)
    }
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What should hold.
    pub invariant: Invariant,
    /// When it was seen, in microseconds of the simulation.
    pub at_micros: u64,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.invariant, self.at_micros as f64 / 1e6, self.what)
    }
}
