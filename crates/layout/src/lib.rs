//! How a content becomes stripes, fragments, blocks and chunks: geometry and byte formats.
//!
//! - [`Geometry`] and [`Stripe`]: every length and every place, from the metachunk's length.
//! - [`Seed`], [`StripeSum`], [`Block`]: the check sums of a block, made and checked.
//! - [`Footer`]: what ends a chunk and says what it is.
//! - [`Verifier`]: a whole chunk checked while it streams by.
//!
//! The crate is pure: it does no I/O, knows no runtime and decides nothing about where chunks
//! go. Parsers take hostile bytes and answer with an error, never a panic. Encoding is the
//! `erasure` crate's work; here are only the lengths it works on.
//!
//! The writer of a stripe needs one pass over its data for every sum:
//!
//! ```
//! use layout::{Geometry, Seed, StripeSum};
//! # use model::*;
//! let geometry = Geometry::new(Method::Erasure { data: 2, parity: 1 });
//! let data = b"cairn";
//! let stripe = geometry.stripe(data.len() as u64, 0).unwrap();
//! let mut sum = StripeSum::new(stripe.fragment_bytes());
//! let crcs: Vec<u32> = (0..2).map(|j| sum.push(&data[stripe.fragment(j)])).collect();
//! let stripe_crc = sum.finish();
//! let seed = Seed::new(BlobId([7; 16]), 0, 1);
//! // What follows the fragment's bytes, padded with zeros, in the chunk of position 1:
//! let tail = seed.tail_of(stripe.number(), crcs[1], stripe.fragment_bytes(), stripe_crc);
//! let block = [b"rn\0".as_slice(), &tail].concat();
//! assert_eq!(seed.check(0, &block).unwrap().stripe_crc, stripe_crc);
//! ```
//!
#![doc = include_str!("../../chunk/FORMAT.md")]
#![forbid(unsafe_code)]

mod block;
mod footer;
mod geometry;
mod verifier;

pub use block::{
    BLOCK_TAIL_BYTES, Block, BlockError, FULL_BLOCK_BYTES, Seed, StripeSum, StripesHash,
    fragment_crc,
};
pub use footer::{FOOTER_TAIL_BYTES, FORMAT_VERSION, Footer, FooterError, MAGIC, MAX_FOOTER_BYTES};
pub use geometry::{Geometry, MAX_CHUNK_BYTES, Stripe, StripeRange};
pub use verifier::{Verified, Verifier, VerifyError};
