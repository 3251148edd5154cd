//! One stripe in memory: filled by the source, hashed, encoded and summed, then cut into the
//! pieces that go to each position.

use crate::{Error, memory::Buffer};
use bytes::Bytes;
use erasure::Codec;
use layout::{BLOCK_TAIL_BYTES, Geometry, Seed, Stripe, StripeSum, StripesHash};
use model::{BLOCK_BYTES, BlobId, MAX_WIDTH, Method};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

const BLOCK: usize = BLOCK_BYTES as usize;

/// From one fragment to the next in a buffer: a full block, rounded up so that fragments are
/// aligned and do not start a multiple of 4 KiB apart.
const PITCH: usize = BLOCK + 64;

/// Bytes that a stripe of a method needs in memory. Of copies there is one fragment and each
/// position's sums.
pub(crate) fn buffer_bytes(method: Method) -> usize {
    match method {
        Method::Copies { .. } => PITCH + MAX_WIDTH * BLOCK_TAIL_BYTES,
        Method::Erasure { .. } => method.width() * PITCH,
    }
}

/// A stripe that the source fills.
pub(crate) struct Filling {
    buffer: Buffer,
    data: usize,
    bytes: usize,
}

impl Filling {
    pub(crate) fn new(buffer: Buffer, method: Method) -> Self {
        Self { buffer, data: method.data(), bytes: 0 }
    }

    /// Bytes of data in it so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes == self.data * BLOCK
    }

    /// Reads once from the source, into the place of the next bytes: false at its end. May be
    /// cancelled and called again.
    pub(crate) async fn read(
        &mut self,
        source: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> io::Result<bool> {
        let (fragment, at) = (self.bytes / BLOCK, self.bytes % BLOCK);
        let place = &mut self.buffer.as_mut()[fragment * PITCH..][at..BLOCK];
        let read = source.read(place).await?;
        self.bytes += read;
        Ok(read > 0)
    }

    /// Moves the data of a last stripe to where its shorter fragments are, and fills them up
    /// with zeros.
    fn settle(&mut self, stripe: &Stripe) {
        let length = stripe.fragment_bytes();
        let area = self.buffer.as_mut();
        if length < BLOCK && self.data > 1 {
            let mut data = Vec::with_capacity(self.bytes);
            for from in area.chunks(PITCH).take(self.data) {
                let run = BLOCK.min(self.bytes - data.len());
                data.extend_from_slice(&from[..run]);
            }
            for (j, to) in area.chunks_mut(PITCH).take(self.data).enumerate() {
                let range = stripe.fragment(j);
                to[..range.len()].copy_from_slice(&data[range]);
            }
        }
        for (j, fragment) in area.chunks_mut(PITCH).take(self.data).enumerate() {
            fragment[stripe.fragment(j).len()..length].fill(0);
        }
    }
}

/// What goes to one position for a stripe: a block in one slice, or a fragment that positions
/// share and its sums.
pub(crate) type Pieces = [Bytes; 2];

/// The data of a stripe of `bytes` in order, without copying it out of the pieces.
pub(crate) fn data(pieces: &[Pieces], method: Method, bytes: usize) -> impl Iterator<Item = Bytes> {
    let stripe = Geometry::new(method).stripe(bytes as u64, 0);
    let data = stripe.into_iter().flat_map(move |stripe| {
        pieces
            .iter()
            .take(method.data())
            .enumerate()
            .map(move |(j, piece)| (piece, stripe.fragment(j)))
    });
    data.map(|([block, _], range)| block.slice(..range.len()))
}

/// Turns the stripes of a content into blocks, and hashes the content on the way.
pub(crate) struct Encoder {
    method: Method,
    codec: Option<Codec>,
    hash: Box<blake3::Hasher>,
}

/// What changes with each metachunk.
pub(crate) struct MetachunkSums {
    seeds: Vec<Seed>,
    /// Boxed, as hashers are large and this is moved about.
    pub(crate) stripes: Box<StripesHash>,
}

impl MetachunkSums {
    pub(crate) fn new(origin: BlobId, metachunk: u32, method: Method) -> Self {
        let seeds = (0..method.width() as u8).map(|p| Seed::new(origin, metachunk, p)).collect();
        Self { seeds, stripes: Box::new(StripesHash::new()) }
    }
}

impl Encoder {
    pub(crate) fn new(method: Method) -> Result<Self, Error> {
        let codec = match method {
            Method::Copies { .. } => None,
            Method::Erasure { .. } => Some(
                Codec::new(method.data(), method.parity())
                    .map_err(|error| Error::internal(error.to_string()))?,
            ),
        };
        Ok(Self { method, codec, hash: Box::new(blake3::Hasher::new()) })
    }

    /// BLAKE3 of what was encoded so far.
    pub(crate) fn digest(&self) -> model::Hash {
        model::Hash(*self.hash.finalize().as_bytes())
    }

    /// Hashes, encodes and sums a stripe while it is in cache; gives each position's pieces.
    pub(crate) fn encode(
        &mut self,
        mut filling: Filling,
        sums: &mut MetachunkSums,
        number: u32,
    ) -> Result<Vec<Pieces>, Error> {
        let geometry = Geometry::new(self.method);
        let bytes = filling.bytes;
        let stripe = geometry
            .stripe(bytes as u64, 0)
            .ok_or_else(|| Error::internal("a stripe without data was to be encoded"))?;
        filling.settle(&stripe);
        let length = stripe.fragment_bytes();
        let area = filling.buffer.as_mut();
        let mut sum = StripeSum::new(length);
        let mut crcs = [0; MAX_WIDTH];
        for (j, fragment) in area.chunks(PITCH).take(self.method.data()).enumerate() {
            let data = &fragment[..stripe.fragment(j).len()];
            self.hash.update(data);
            crcs[j] = sum.push(data);
        }
        let stripe_crc = sum.finish();
        sums.stripes.push(stripe_crc);
        let pieces = match &self.codec {
            Some(codec) => {
                encode_parity(codec, area, length)?;
                let k = codec.data();
                for (p, (block, seed)) in area.chunks_mut(PITCH).zip(&sums.seeds).enumerate() {
                    let (fragment, behind) = block.split_at_mut(length);
                    let tail = if p < k {
                        seed.tail_of(number, crcs[p], length, stripe_crc)
                    } else {
                        seed.tail(number, fragment, stripe_crc)
                    };
                    behind[..BLOCK_TAIL_BYTES].copy_from_slice(&tail);
                }
                let whole = Bytes::from_owner(filling.buffer);
                let block = |p| whole.slice(p * PITCH..p * PITCH + length + BLOCK_TAIL_BYTES);
                (0..codec.total()).map(|p| [block(p), Bytes::new()]).collect()
            }
            None => {
                let tails = area[PITCH..].chunks_mut(BLOCK_TAIL_BYTES);
                for (to, seed) in tails.zip(&sums.seeds) {
                    to.copy_from_slice(&seed.tail_of(number, crcs[0], length, stripe_crc));
                }
                let whole = Bytes::from_owner(filling.buffer);
                let tail = |p| PITCH + p * BLOCK_TAIL_BYTES..PITCH + (p + 1) * BLOCK_TAIL_BYTES;
                let positions = 0..self.method.width();
                positions.map(|p| [whole.slice(..length), whole.slice(tail(p))]).collect()
            }
        };
        Ok(pieces)
    }
}

/// Writes the parity fragments behind the data fragments.
fn encode_parity(codec: &Codec, area: &mut [u8], length: usize) -> Result<(), Error> {
    let k = codec.data();
    let (data, parity) = area.split_at_mut(k * PITCH);
    let mut from: [&[u8]; MAX_WIDTH] = [&[]; MAX_WIDTH];
    for (slot, fragment) in from.iter_mut().zip(data.chunks(PITCH)) {
        *slot = &fragment[..length];
    }
    let mut to: [&mut [u8]; MAX_WIDTH] = std::array::from_fn(|_| &mut [][..]);
    for (slot, fragment) in to.iter_mut().zip(parity.chunks_mut(PITCH)) {
        *slot = &mut fragment[..length];
    }
    codec
        .encode(&from[..k], &mut to[..codec.parity()])
        .map_err(|error| Error::internal(error.to_string()))
}
