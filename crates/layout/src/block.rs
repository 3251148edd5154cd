//! The check sums of blocks.

use crc32fast::Hasher;
use model::{BLOCK_BYTES, BlobId, ChunkName, Hash, MAX_WIDTH};

/// Bytes behind the fragment in a block: its own sum and the stripe's.
pub const BLOCK_TAIL_BYTES: usize = 8;

/// Bytes of a block of a full stripe.
pub const FULL_BLOCK_BYTES: usize = BLOCK_BYTES as usize + BLOCK_TAIL_BYTES;

/// What is wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It is too short for its sums or longer than any block.
    #[error("a block of {bytes} bytes is not possible")]
    Length {
        /// Bytes it has.
        bytes: usize,
    },
    /// Its sum is not that of these bytes at this place.
    #[error(
        "block {number} says its sum is {stored:08x}, but for its bytes at this position of \
         this metachunk it is {computed:08x}"
    )]
    Sum {
        /// Number of the block.
        number: u32,
        /// The sum in the block.
        stored: u32,
        /// The sum of what the block holds.
        computed: u32,
    },
}

/// A block taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The fragment's L bytes, zeros at the end of the last data fragments included.
    pub fragment: &'a [u8],
    /// Seeded sum of the fragment.
    pub crc: u32,
    /// Plain CRC-32 of the whole stripe's data.
    pub stripe_crc: u32,
}

impl<'a> Block<'a> {
    /// Takes a block apart, without checking its sum.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let wrong = BlockError::Length { bytes: bytes.len() };
        if bytes.len() > FULL_BLOCK_BYTES {
            return Err(wrong);
        }
        let Some((fragment, tail)) = bytes.split_last_chunk::<BLOCK_TAIL_BYTES>() else {
            return Err(wrong);
        };
        if fragment.is_empty() {
            return Err(wrong);
        }
        let (crc, stripe_crc) = parse_tail(*tail);
        Ok(Self { fragment, crc, stripe_crc })
    }
}

/// The two sums at the end of a block: the fragment's and the stripe's.
pub(crate) fn parse_tail(tail: [u8; BLOCK_TAIL_BYTES]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = tail;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Plain CRC-32 of a fragment: what [`Seed::tail_of`] makes a block's sum from.
pub fn fragment_crc(fragment: &[u8]) -> u32 {
    crc32fast::hash(fragment)
}

/// The place of a chunk's blocks as it goes into their sums. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Seed(Hasher);

impl Seed {
    /// The seed of a chunk: `origin` is the blob its bytes were first written under.
    pub fn new(origin: BlobId, metachunk: u32, position: u8) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(origin.as_bytes());
        hasher.update(&metachunk.to_le_bytes());
        hasher.update(&[position]);
        Self(hasher)
    }

    /// The seed of a named chunk.
    pub fn of(name: &ChunkName, origin: BlobId) -> Self {
        Self::new(origin, name.metachunk, name.position)
    }

    /// The state behind the prefix: fragments' bytes come next.
    pub(crate) fn start(&self, number: u32) -> Hasher {
        let mut hasher = self.0.clone();
        hasher.update(&number.to_le_bytes());
        hasher
    }

    /// The sum of a block, from the fragment's L bytes.
    pub fn crc(&self, number: u32, fragment: &[u8]) -> u32 {
        let mut hasher = self.start(number);
        hasher.update(fragment);
        hasher.finalize()
    }

    /// The sum of a block from the plain CRC-32 of the fragment's L bytes, without a pass over
    /// them: sums of neighbouring bytes can be combined.
    pub fn crc_of(&self, number: u32, fragment_crc: u32, fragment_bytes: usize) -> u32 {
        let mut hasher = self.start(number);
        hasher.combine(&Hasher::new_with_initial_len(fragment_crc, fragment_bytes as u64));
        hasher.finalize()
    }

    /// What follows the fragment in its block.
    pub fn tail(&self, number: u32, fragment: &[u8], stripe_crc: u32) -> [u8; BLOCK_TAIL_BYTES] {
        tail(self.crc(number, fragment), stripe_crc)
    }

    /// What follows the fragment in its block, from the fragment's plain CRC-32.
    pub fn tail_of(
        &self,
        number: u32,
        fragment_crc: u32,
        fragment_bytes: usize,
        stripe_crc: u32,
    ) -> [u8; BLOCK_TAIL_BYTES] {
        tail(self.crc_of(number, fragment_crc, fragment_bytes), stripe_crc)
    }

    /// Takes a block apart and checks its sum.
    pub fn check<'a>(&self, number: u32, bytes: &'a [u8]) -> Result<Block<'a>, BlockError> {
        let block = Block::parse(bytes)?;
        let computed = self.crc(number, block.fragment);
        if computed != block.crc {
            return Err(BlockError::Sum { number, stored: block.crc, computed });
        }
        Ok(block)
    }
}

fn tail(crc: u32, stripe_crc: u32) -> [u8; BLOCK_TAIL_BYTES] {
    let ([a, b, c, d], [e, f, g, h]) = (crc.to_le_bytes(), stripe_crc.to_le_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The sums of one stripe, in one pass over its data: the plain CRC-32 of each data fragment
/// and, combined from them, of the stripe.
#[derive(Debug, Clone)]
pub struct StripeSum {
    fragment_bytes: usize,
    stripe: Hasher,
}

impl StripeSum {
    /// For a stripe whose fragments have `fragment_bytes`.
    pub fn new(fragment_bytes: usize) -> Self {
        Self { fragment_bytes, stripe: Hasher::new() }
    }

    /// Takes the data of the next data fragment, without the zeros that fill it up; gives the
    /// plain CRC-32 of the fragment with them.
    pub fn push(&mut self, data: &[u8]) -> u32 {
        /// A stripe is filled up with fewer zeros than it has data fragments.
        const ZEROS: [u8; MAX_WIDTH] = [0; MAX_WIDTH];
        let mut hasher = Hasher::new();
        hasher.update(data);
        self.stripe.combine(&hasher);
        let mut missing = self.fragment_bytes.saturating_sub(data.len());
        while missing > 0 {
            let run = missing.min(ZEROS.len());
            hasher.update(&ZEROS[..run]);
            missing -= run;
        }
        hasher.finalize()
    }

    /// The CRC-32 of the stripe's data.
    pub fn finish(self) -> u32 {
        self.stripe.finalize()
    }
}

/// BLAKE3 over the sums of a metachunk's stripes, in order: what footers hold.
#[derive(Debug, Clone, Default)]
pub struct StripesHash(blake3::Hasher);

impl StripesHash {
    /// Of no stripe yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the CRC-32 of the next stripe's data.
    pub fn push(&mut self, stripe_crc: u32) {
        self.0.update(&stripe_crc.to_le_bytes());
    }

    /// The hash.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}
