//! Chunks made the plain way, straight from the format's document.
#![allow(clippy::unwrap_used, reason = "a test may")]

use bytes::Bytes;
use layout::{Footer, Geometry, Seed, StripesHash, fragment_crc};
use model::{BlobId, ChunkName, Method, WriteId};

pub const ORIGIN: BlobId = BlobId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

pub fn name(position: u8) -> ChunkName {
    ChunkName { blob: ORIGIN, metachunk: 0, position, write: WriteId(1) }
}

/// Bytes that differ from their neighbours.
#[allow(dead_code, reason = "not every test needs long contents")]
pub fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The chunk of a data position, and its footer.
pub fn chunk(method: Method, position: u8, content: &[u8]) -> (Bytes, Footer) {
    let geometry = Geometry::new(method);
    let length = content.len() as u64;
    let mut out = Vec::new();
    let mut stripes = StripesHash::new();
    let seed = Seed::new(ORIGIN, 0, position);
    for number in 0..geometry.stripes(length).unwrap() {
        let stripe = geometry.stripe(length, number).unwrap();
        let start = stripe.offset() as usize;
        let data = &content[start..start + stripe.data_bytes()];
        let at = usize::from(position) % geometry.data();
        let mut fragment = data[stripe.fragment(at)].to_vec();
        fragment.resize(stripe.fragment_bytes(), 0);
        out.extend(&fragment);
        out.extend(seed.tail(number, &fragment, fragment_crc(data)));
        stripes.push(fragment_crc(data));
    }
    let footer = Footer {
        origin: ORIGIN,
        content: ORIGIN,
        metachunk: 0,
        position,
        length,
        stripes: stripes.finish(),
        policy: "EC21".parse().unwrap(),
        method,
        account: "acme".parse().unwrap(),
        container: "stones".parse().unwrap(),
        object: "cairn.txt".parse().unwrap(),
    };
    out.extend(footer.encode());
    (out.into(), footer)
}
