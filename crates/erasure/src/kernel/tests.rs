//! Each kernel against arithmetic done byte by byte, with the bounds its unsafe code relies on.

use super::*;
use crate::field::NIBBLES;

/// Around every vector length, unrolled or not, and around the block of a matrix cut in passes.
const LENGTHS: [usize; 30] = [
    0, 1, 2, 15, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257,
    383, 385, 1000, 8191, 8192, 8193, 8223, 16400,
];

/// What surrounds an output, which no kernel may touch.
const GUARD: u8 = 0xA5;

fn engines() -> impl Iterator<Item = Engine> {
    Kernel::ALL.into_iter().filter_map(Engine::of)
}

fn byte(seed: usize) -> u8 {
    (seed.wrapping_mul(0x9E37_79B9) >> 13) as u8
}

fn check(engine: Engine, sources: usize, outputs: usize, len: usize, offset: usize) {
    let rows: Vec<u8> = (0..sources * outputs).map(|i| byte(i + 7)).collect();
    let source = |j: usize, i: usize| byte(j * 70_001 + i);
    let inputs: Vec<Vec<u8>> = (0..sources)
        .map(|j| std::iter::repeat_n(0, offset).chain((0..len).map(|i| source(j, i))).collect())
        .collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(|v| &v[offset..]).collect();
    let mut buffers = vec![vec![GUARD; offset + len + 64]; outputs];
    let mut slices: Vec<&mut [u8]> =
        buffers.iter_mut().map(|b| &mut b[offset..offset + len]).collect();
    engine.apply(&rows, &inputs, &mut slices);
    for (r, buffer) in buffers.iter().enumerate() {
        let (before, rest) = buffer.split_at(offset);
        let (made, after) = rest.split_at(len);
        assert!(before.iter().chain(after).all(|b| *b == GUARD), "{engine:?} left its bounds");
        for (i, made) in made.iter().enumerate() {
            let expected = (0..sources).fold(0, |sum, j| {
                sum ^ NIBBLES[usize::from(rows[r * sources + j])].multiply(source(j, i))
            });
            assert_eq!(*made, expected, "{engine:?} {sources}x{outputs}, {len} bytes, at {i}");
        }
    }
}

#[test]
fn every_number_of_outputs_at_every_length() {
    for engine in engines() {
        for outputs in 1..=16 {
            for len in LENGTHS {
                check(engine, 3, outputs, len, 0);
            }
        }
    }
}

#[test]
fn every_number_of_sources() {
    for engine in engines() {
        for sources in 1..=31 {
            for len in [1, 31, 100, 513] {
                check(engine, sources, 1, len, 0);
                check(engine, sources, 32 - sources, len, 0);
            }
        }
    }
}

#[test]
fn every_alignment() {
    for engine in engines() {
        for offset in 0..64 {
            check(engine, 5, 3, 200, offset);
        }
    }
}

#[test]
fn the_portable_kernel_is_always_there() {
    assert!(Kernel::Portable.is_available());
    assert!(Engine::best().kernel().is_available());
    assert_eq!(format!("{:>12}", Kernel::GfniAvx512), " gfni-avx512");
}
