//! Reading a metachunk of which chunks may be lost: for readers of objects, and for rebuilding
//! a chunk where it shall be.
//!
//! - [`ReadPlan`]: stripe by stripe, which fragments to fetch, when to decode and from which.
//! - [`Blocks`]: the blocks of one chunk cut out of the slices they arrive in, each checked.
//! - [`Decoder`]: a stripe from any of its fragments, and the proof that it is the stripe.
//! - [`Loss`]: why a chunk is of no use.
//!
//! The crate is pure: who asks chunk servers, and when something is late, is its callers' affair.
#![forbid(unsafe_code)]

mod blocks;
mod decode;
mod loss;
mod plan;

pub use blocks::{Blocks, Fragment};
pub use decode::Decoder;
pub use loss::Loss;
pub use plan::{Command, Event, Gone, Mask, ReadPlan, has};
