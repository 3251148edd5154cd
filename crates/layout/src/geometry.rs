//! Lengths and places: which bytes of a metachunk are where in its chunks.

use crate::{BLOCK_TAIL_BYTES, FULL_BLOCK_BYTES, MAX_FOOTER_BYTES};
use model::{BLOCK_BYTES, MAX_CHUNK_BLOCKS, Method, Policy};
use std::ops::Range;

/// Most bytes a chunk can have, footer included.
pub const MAX_CHUNK_BYTES: u64 =
    MAX_CHUNK_BLOCKS as u64 * FULL_BLOCK_BYTES as u64 + MAX_FOOTER_BYTES as u64;

/// How contents of one method are cut. Every length follows from the metachunk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    data: usize,
    width: usize,
}

impl Geometry {
    /// The geometry of a method (within the bounds of [`Method::checked`]).
    pub fn new(method: Method) -> Self {
        let data = method.data().max(1);
        Self { data, width: method.width().max(data) }
    }

    /// k: data fragments of a stripe.
    pub fn data(&self) -> usize {
        self.data
    }

    /// k + m: chunks of a metachunk.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of content in a full stripe: k x 64 KiB.
    pub fn stripe_bytes(&self) -> u64 {
        self.data as u64 * BLOCK_BYTES
    }

    /// Bytes of content in a metachunk whose chunks have `chunk_blocks` blocks.
    pub fn metachunk_bytes(&self, chunk_blocks: u32) -> u64 {
        self.stripe_bytes() * u64::from(chunk_blocks)
    }

    /// The bytes of a content of `length` bytes that each metachunk holds, in order.
    pub fn metachunks(&self, policy: &Policy, length: u64) -> impl Iterator<Item = Range<u64>> {
        let full = self.metachunk_bytes(policy.chunk_blocks).max(1);
        (0..length.div_ceil(full))
            .map(move |n| n * full..n.saturating_add(1).saturating_mul(full).min(length))
    }

    /// Stripes of a metachunk of `length` bytes, which is also the blocks of each of its chunks.
    /// `None` if that is more than any chunk has.
    pub fn stripes(&self, length: u64) -> Option<u32> {
        let stripes = length.div_ceil(self.stripe_bytes());
        u32::try_from(stripes).ok().filter(|n| *n <= MAX_CHUNK_BLOCKS)
    }

    /// A stripe of a metachunk of `length` bytes; `None` behind the last.
    pub fn stripe(&self, length: u64, number: u32) -> Option<Stripe> {
        let offset = u64::from(number) * self.stripe_bytes();
        let left = length.checked_sub(offset).filter(|left| *left > 0)?;
        let bytes = left.min(self.stripe_bytes()) as usize;
        Some(Stripe { number, offset, bytes, data: self.data })
    }

    /// Bytes that the blocks of each chunk have, when the metachunk has `length`. The footer
    /// follows them.
    pub fn body_bytes(&self, length: u64) -> u64 {
        let full = length / self.stripe_bytes();
        let rest = length % self.stripe_bytes();
        let last = match rest {
            0 => 0,
            rest => rest.div_ceil(self.data as u64) + BLOCK_TAIL_BYTES as u64,
        };
        full.saturating_mul(FULL_BLOCK_BYTES as u64).saturating_add(last)
    }

    /// The stripes that a range of the metachunk touches, each with its part of the range.
    /// What of the range lies behind the metachunk's end is left out.
    pub fn range(&self, length: u64, range: Range<u64>) -> impl Iterator<Item = StripeRange> {
        let geometry = *self;
        let (start, end) = (range.start, range.end.min(length));
        let numbers = if start < end {
            start / self.stripe_bytes()..end.div_ceil(self.stripe_bytes())
        } else {
            0..0
        };
        numbers.filter_map(move |number| {
            let stripe = geometry.stripe(length, u32::try_from(number).ok()?)?;
            let from = start.saturating_sub(stripe.offset) as usize;
            let to = (end - stripe.offset).min(stripe.bytes as u64) as usize;
            Some(StripeRange { stripe, range: from..to })
        })
    }
}

/// A stripe, and the part of it that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeRange {
    /// The stripe.
    pub stripe: Stripe,
    /// Bytes wanted, within the stripe's data.
    pub range: Range<usize>,
}

impl StripeRange {
    /// The data fragments the range touches, in order, each with its part of the range (within
    /// the fragment).
    pub fn fragments(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.stripe.fragments_in(self.range.clone())
    }
}

/// One stripe of a metachunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stripe {
    number: u32,
    offset: u64,
    bytes: usize,
    data: usize,
}

impl Stripe {
    /// Its number in the metachunk, which is also the number of its block in each chunk.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where its data starts in the metachunk.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// s: bytes of data in it, at least 1.
    pub fn data_bytes(&self) -> usize {
        self.bytes
    }

    /// L = ceil(s / k): bytes of each of its fragments.
    pub fn fragment_bytes(&self) -> usize {
        self.bytes.div_ceil(self.data)
    }

    /// The stripe's data that data fragment `j` holds. In a last stripe it may be shorter than
    /// L, or empty; the fragment is then filled up with zeros, fewer than k in all.
    pub fn fragment(&self, j: usize) -> Range<usize> {
        let length = self.fragment_bytes();
        let start = j.saturating_mul(length).min(self.bytes);
        start..start.saturating_add(length).min(self.bytes)
    }

    /// Bytes of its block in each chunk: L and the two sums.
    pub fn block_bytes(&self) -> usize {
        self.fragment_bytes() + BLOCK_TAIL_BYTES
    }

    /// Where its block is in each chunk.
    pub fn block(&self) -> Range<u64> {
        let start = u64::from(self.number) * FULL_BLOCK_BYTES as u64;
        start..start + self.block_bytes() as u64
    }

    /// The data fragments that a range of the stripe's data touches, in order, each with its
    /// part of the range (within the fragment).
    pub fn fragments_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let length = self.fragment_bytes();
        let (start, end) = (range.start, range.end.min(self.bytes));
        let touched = if start < end { start / length..end.div_ceil(length) } else { 0..0 };
        touched.map(move |j| {
            let first = j * length;
            (j, start.saturating_sub(first)..(end - first).min(length))
        })
    }
}
