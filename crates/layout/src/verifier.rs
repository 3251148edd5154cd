//! A chunk checked while it streams by.

use crate::{
    BLOCK_TAIL_BYTES, BlockError, FULL_BLOCK_BYTES, Footer, FooterError, MAX_CHUNK_BYTES,
    MAX_FOOTER_BYTES, Seed, StripesHash, block::parse_tail,
};
use bytes::{Buf, Bytes};
use model::{BlobId, ChunkName};
use std::collections::VecDeque;

/// What is wrong with a chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A block does not check.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The footer does not check, or it belongs to another chunk.
    #[error(transparent)]
    Footer(#[from] FooterError),
    /// It is longer than any chunk.
    #[error("the chunk has more than {MAX_CHUNK_BYTES} bytes")]
    TooLong,
}

/// A chunk that was found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says of itself.
    pub footer: Footer,
    /// Its bytes, footer included.
    pub bytes: u64,
}

/// What of the end may be the last block and the footer: so much is held back, as the length is
/// not known before the end.
const HELD_BYTES: usize = FULL_BLOCK_BYTES + MAX_FOOTER_BYTES;

/// Checks a chunk that arrives in arbitrary slices. The slices are hashed where they are and
/// kept (by reference count) until then; at most a block and a footer are held back.
#[derive(Debug)]
pub struct Verifier {
    name: ChunkName,
    origin: BlobId,
    seed: Seed,
    stripes: StripesHash,
    held: VecDeque<Bytes>,
    held_bytes: usize,
    block: u32,
    total: u64,
}

impl Verifier {
    /// For the chunk of a name, whose bytes were first written under `origin`.
    pub fn new(name: &ChunkName, origin: BlobId) -> Self {
        Self {
            name: *name,
            origin,
            seed: Seed::of(name, origin),
            stripes: StripesHash::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            block: 0,
            total: 0,
        }
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.total
    }

    /// Takes the next slice.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), VerifyError> {
        self.total = self.total.saturating_add(bytes.len() as u64);
        if self.total > MAX_CHUNK_BYTES {
            return Err(VerifyError::TooLong);
        }
        self.held_bytes += bytes.len();
        if !bytes.is_empty() {
            self.held.push_back(bytes);
        }
        // Behind these bytes there are more than a footer has: they are a block, and as there
        // is at least another byte of blocks or exactly the footer, a full one.
        while self.held_bytes >= HELD_BYTES {
            self.check_block(FULL_BLOCK_BYTES)?;
        }
        Ok(())
    }

    /// Ends the chunk: checks the blocks and the footer held back.
    pub fn finish(mut self) -> Result<Verified, VerifyError> {
        let (footer, footer_bytes) = Footer::parse(&self.last_bytes())?;
        footer.check_name(&self.name, self.origin)?;
        footer.check_body_bytes(self.total - footer_bytes as u64)?;
        let mut left = self.held_bytes - footer_bytes;
        while left > 0 {
            let block = left.min(FULL_BLOCK_BYTES);
            self.check_block(block)?;
            left -= block;
        }
        footer.check_stripes(self.stripes.finish())?;
        Ok(Verified { footer, bytes: self.total })
    }

    /// The bytes the footer is among, in one piece.
    fn last_bytes(&self) -> Vec<u8> {
        let mut skip = self.held_bytes.saturating_sub(MAX_FOOTER_BYTES);
        let mut last = Vec::with_capacity(self.held_bytes - skip);
        for slice in &self.held {
            let from = skip.min(slice.len());
            skip -= from;
            last.extend_from_slice(&slice[from..]);
        }
        last
    }

    /// Checks the first bytes held as the next block and lets go of them.
    fn check_block(&mut self, bytes: usize) -> Result<(), VerifyError> {
        let fragment_bytes = bytes.saturating_sub(BLOCK_TAIL_BYTES);
        if fragment_bytes == 0 {
            return Err(BlockError::Length { bytes }.into());
        }
        let mut sum = self.seed.start(self.block);
        self.consume(fragment_bytes, |slice| sum.update(slice));
        let mut tail = [0; BLOCK_TAIL_BYTES];
        let mut at = 0;
        self.consume(BLOCK_TAIL_BYTES, |slice| {
            tail[at..at + slice.len()].copy_from_slice(slice);
            at += slice.len();
        });
        let (stored, stripe_crc) = parse_tail(tail);
        let computed = sum.finalize();
        if stored != computed {
            return Err(BlockError::Sum { number: self.block, stored, computed }.into());
        }
        self.stripes.push(stripe_crc);
        self.block += 1;
        Ok(())
    }

    /// Hands the first `bytes` held to `take`, slice by slice. The caller knows they are held.
    fn consume(&mut self, bytes: usize, mut take: impl FnMut(&[u8])) {
        let mut left = bytes;
        while left > 0 {
            let Some(front) = self.held.front_mut() else { break };
            let run = left.min(front.len());
            take(&front[..run]);
            front.advance(run);
            if front.is_empty() {
                self.held.pop_front();
            }
            left -= run;
        }
        self.held_bytes -= bytes - left;
    }
}
