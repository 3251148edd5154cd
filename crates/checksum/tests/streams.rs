//! Digests against those of the `md-5` crate, whatever the streams and their pieces.
#![allow(clippy::unwrap_used)]

use checksum::{Kernel, Md5};
use md5::Digest;
use proptest::{collection::vec, prelude::*};

fn kernels() -> impl Iterator<Item = Md5> {
    Kernel::ALL.into_iter().filter_map(Md5::with_kernel)
}

fn expected(data: &[u8]) -> [u8; 16] {
    md5::Md5::digest(data).into()
}

fn noise(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|i| ((i + seed * 977).wrapping_mul(0x9E37_79B9) >> 15) as u8).collect()
}

#[test]
fn the_digests_of_rfc_1321() {
    let suite = [
        ("", 0xd41d8cd98f00b204e9800998ecf8427e),
        ("a", 0x0cc175b9c0f1b6a831c399e269772661),
        ("abc", 0x900150983cd24fb0d6963f7d28e17f72),
        ("message digest", 0xf96b697d7cb7938d525a2f31aaf161d0_u128),
        ("abcdefghijklmnopqrstuvwxyz", 0xc3fcd3d76192e4007dfb496cca67e13b),
    ];
    for md5 in kernels() {
        for (text, digest) in suite {
            let mut md5 = md5.clone();
            md5.update(text.as_bytes());
            assert_eq!(u128::from_be_bytes(md5.finish()), digest, "{text}");
        }
    }
}

#[test]
fn every_length_around_blocks_in_two_pieces_cut_anywhere() {
    for md5 in kernels() {
        for bytes in (0..=200).chain(1020..=1030) {
            let data = noise(bytes, 1);
            let expected = expected(&data);
            for cut in (0..=bytes.min(130)).chain([bytes]) {
                let mut md5 = md5.clone();
                md5.update(&data[..cut]);
                md5.update(&data[cut..]);
                assert_eq!(md5.finish(), expected, "{bytes} bytes cut at {cut}");
            }
        }
    }
}

#[test]
fn every_length_at_every_alignment_together_with_others() {
    for md5 in kernels() {
        for bytes in 0..=200 {
            let data = noise(bytes + 64, bytes);
            let inputs: Vec<&[u8]> =
                (0..20).map(|i| &data[i * 3..][..bytes - bytes.min(i)]).collect();
            let mut streams = vec![md5.clone(); inputs.len()];
            let mut batch: Vec<_> = streams.iter_mut().zip(inputs.iter().copied()).collect();
            Md5::update_together(&mut batch);
            for (md5, data) in streams.into_iter().zip(inputs) {
                assert_eq!(md5.finish(), expected(data), "{} bytes", data.len());
            }
        }
    }
}

proptest! {
    /// Streams of any lengths, of which some get something at each turn and others nothing: they
    /// join, pause and leave at any byte.
    #[test]
    fn streams_come_and_go(
        turns in vec(vec((0usize..40, prop_oneof![0usize..130, 0usize..3000]), 0..40), 1..12),
        seed in 0usize..1000,
    ) {
        for md5 in kernels() {
            let mut streams = vec![(md5, Vec::new()); 40];
            for (turn, pieces) in turns.iter().enumerate() {
                let mut data = vec![Vec::new(); streams.len()];
                for (stream, bytes) in pieces {
                    data[*stream] = noise(*bytes, seed + turn);
                }
                // Those without a piece at this turn take no part, or take part with nothing.
                let parts = streams.iter_mut().zip(&data).enumerate();
                let parts = parts.filter(|(i, (_, data))| !data.is_empty() || (i + turn) % 2 == 0);
                let mut batch: Vec<_> = parts
                    .map(|(_, ((md5, all), data))| {
                        all.extend_from_slice(data);
                        (md5, data.as_slice())
                    })
                    .collect();
                Md5::update_together(&mut batch);
            }
            for (md5, all) in streams {
                prop_assert_eq!(md5.finish(), expected(&all));
            }
        }
    }
}
