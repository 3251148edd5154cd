//! Where the chunks of a metachunk go: a pure function of volumes, method and seed.
//!
//! [`place()`] draws `width` volumes such that
//! - every volume is drawn with a probability proportional to its weight, capacity x score, so
//!   that space is used in proportion and a new disk of any size needs no rebalancing first;
//! - no volume is drawn twice;
//! - no failure domain, of any level of the locations, gets more than its *fair share*: the
//!   width times its share of the weight, rounded up;
//! - no host gets more than m chunks (n-1 of n copies), even where its weight would ask for
//!   more: what it must not take is divided among the others, in proportion again, and counts
//!   to their fair shares. If the hosts are too few for that, the bound is the lowest one that
//!   they can meet, and the placement says that it is *misplaced*.
//!
//! How: every volume gets a *quota*, its expected number of chunks, at most 1. The volumes are
//! laid on a line as intervals as long as their quotas, and those hit by a comb of teeth 1 apart,
//! at a random offset, are drawn (systematic sampling; W. G. Madow, 1949). A volume is hit with
//! a probability of exactly its quota. The domains of a level are contiguous on the line, so a
//! domain with quotas of q in all gets floor(q) or ceil(q) chunks, at all levels at once. Their
//! order on the line is random within each domain, so that all sets of volumes occur.
//!
//! The crate does no I/O, asks no clock, and draws from nothing but the seed.
#![forbid(unsafe_code)]

mod candidate;
mod error;
mod place;
mod quota;
mod seed;
mod spare;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use place::{Placement, place};
pub use spare::replacements;
