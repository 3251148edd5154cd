//! The blocks of one chunk as they come from its server, each checked on arrival.

use crate::Loss;
use bytes::{Buf, Bytes};
use layout::{BLOCK_TAIL_BYTES, Block, Seed, Stripe};
use std::{collections::VecDeque, ops::Range};

/// A fragment whose sum was checked, in the slices it came in.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Its L bytes.
    pub slices: Vec<Bytes>,
    /// The sum of the stripe that it says it belongs to.
    pub stripe_crc: u32,
}

impl Fragment {
    /// The slices of a part of it.
    pub fn part(&self, range: Range<usize>, out: &mut Vec<Bytes>) {
        let mut start = 0;
        for slice in &self.slices {
            let end = start + slice.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                out.push(slice.slice(from - start..to - start));
            }
            start = end;
        }
    }

    /// All of it in one piece: without a copy if it came in one.
    pub fn contiguous(&self) -> Bytes {
        match self.slices.as_slice() {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

/// What came of a chunk and is not taken yet.
#[derive(Debug)]
pub struct Blocks {
    seed: Seed,
    held: VecDeque<Bytes>,
    bytes: usize,
}

impl Blocks {
    /// Of the chunk with this seed.
    pub fn new(seed: Seed) -> Self {
        Self { seed, held: VecDeque::new(), bytes: 0 }
    }

    /// Takes what came next.
    pub fn push(&mut self, data: Bytes) {
        self.bytes += data.len();
        if !data.is_empty() {
            self.held.push_back(data);
        }
    }

    /// Forgets what came.
    pub fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }

    /// Whether the block of a stripe is there whole, if it comes next.
    pub fn has(&self, stripe: &Stripe) -> bool {
        self.bytes >= stripe.block_bytes()
    }

    /// The next block, which is that of `stripe` and is there; checked.
    pub fn take(&mut self, stripe: &Stripe) -> Result<Fragment, Loss> {
        let block = self.cut(stripe.block_bytes());
        self.check(stripe, block)
    }

    fn cut(&mut self, bytes: usize) -> Vec<Bytes> {
        let mut block = Vec::with_capacity(2);
        let mut missing = bytes;
        while missing > 0 {
            let Some(front) = self.held.front_mut() else { break };
            let slice = front.split_to(missing.min(front.len()));
            missing -= slice.len();
            block.push(slice);
            if !front.has_remaining() {
                self.held.pop_front();
            }
        }
        self.bytes -= bytes - missing;
        block
    }

    fn check(&self, stripe: &Stripe, mut block: Vec<Bytes>) -> Result<Fragment, Loss> {
        let length = stripe.fragment_bytes();
        let number = stripe.number();
        if let [whole] = block.as_mut_slice() {
            let checked = self.seed.check(number, whole);
            let stripe_crc = checked.map_err(|e| Loss::Corrupt(e.to_string()))?.stripe_crc;
            whole.truncate(length);
            return Ok(Fragment { slices: block, stripe_crc });
        }
        let tail = split_tail(&mut block);
        let mut sum = crc32fast::Hasher::new();
        block.iter().for_each(|slice| sum.update(slice));
        let computed = self.seed.crc_of(number, sum.finalize(), length);
        // A block of an empty fragment does not exist: one byte stands in to read the sums.
        let sums = [&[0][..], &tail].concat();
        let parsed = Block::parse(&sums).map_err(|e| Loss::Corrupt(e.to_string()))?;
        if parsed.crc != computed {
            let stored = parsed.crc;
            return Err(Loss::Corrupt(format!(
                "block {number} says its sum is {stored:08x}, but it is {computed:08x}"
            )));
        }
        Ok(Fragment { slices: block, stripe_crc: parsed.stripe_crc })
    }
}

/// Takes the sums off the end of a block in slices.
fn split_tail(block: &mut Vec<Bytes>) -> [u8; BLOCK_TAIL_BYTES] {
    let mut tail = [0; BLOCK_TAIL_BYTES];
    let mut missing = BLOCK_TAIL_BYTES;
    while missing > 0 {
        let Some(last) = block.last_mut() else { break };
        let run = missing.min(last.len());
        let end = last.split_off(last.len() - run);
        tail[missing - run..missing].copy_from_slice(&end);
        missing -= run;
        if last.is_empty() {
            block.pop();
        }
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_found_wherever_the_slices_end() {
        let bytes: Vec<u8> = (0..20).collect();
        for cut in 1..20 {
            for other in cut..20 {
                let parts = [&bytes[..cut], &bytes[cut..other], &bytes[other..]];
                let parts = parts.iter().filter(|p| !p.is_empty());
                let mut block: Vec<Bytes> = parts.map(|p| Bytes::copy_from_slice(p)).collect();
                assert_eq!(split_tail(&mut block), bytes[12..]);
                assert_eq!(block.concat(), bytes[..12]);
                let fragment = Fragment { slices: block, stripe_crc: 0 };
                let mut part = Vec::new();
                fragment.part(3..9, &mut part);
                assert_eq!(part.concat(), bytes[3..9]);
            }
        }
    }
}
