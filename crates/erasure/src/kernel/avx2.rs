//! AVX2 without GFNI: a byte's product is the sum of those of its nibbles, and `vpshufb` looks up
//! 32 nibbles at once in a table of 16 products.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::passes::{ROWS_MAX, in_bounds, pack, passes, short};
use crate::codec::FRAGMENTS_MAX;
use crate::field::{NIBBLES, Nibbles};

/// Bytes of a vector.
const LANE: usize = 32;

/// Overwrites `outputs`.
#[target_feature(enable = "avx2")]
pub(super) fn apply(rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
    if outputs[0].len() < LANE {
        return short(rows, sources, outputs);
    }
    let k = sources.len();
    let mut tables = [&NIBBLES[0]; ROWS_MAX * FRAGMENTS_MAX];
    for (group, bytes) in passes(outputs.len(), outputs[0].len()) {
        let tables = &mut tables[..group.len() * k];
        pack(&rows[group.start * k..group.end * k], k, |c| &NIBBLES[usize::from(c)], tables);
        let outputs = &mut outputs[group];
        // As many vectors at a time as leave registers for nibbles and tables.
        match outputs.len() {
            1 => pass::<1, 4>(tables, sources, outputs, bytes),
            2 => pass::<2, 2>(tables, sources, outputs, bytes),
            3 => pass::<3, 2>(tables, sources, outputs, bytes),
            4 => pass::<4, 2>(tables, sources, outputs, bytes),
            5 => pass::<5, 1>(tables, sources, outputs, bytes),
            _ => pass::<6, 1>(tables, sources, outputs, bytes),
        }
    }
}

/// Makes `R` outputs, `U` vectors at a time.
#[target_feature(enable = "avx2")]
fn pass<const R: usize, const U: usize>(
    tables: &[&Nibbles],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    bytes: Range<usize>,
) {
    assert!(in_bounds(sources, outputs, &bytes) && outputs.len() == R && bytes.end >= LANE);
    let tables = &tables.as_chunks::<R>().0[..sources.len()];
    let mut at = bytes.start;
    while bytes.end - at >= LANE * U {
        // SAFETY: the vectors end within `bytes`, which lies in every slice.
        unsafe { vectors::<R, U>(tables, sources, outputs, at) };
        at += LANE * U;
    }
    while bytes.end - at >= LANE {
        // SAFETY: as above.
        unsafe { vectors::<R, 1>(tables, sources, outputs, at) };
        at += LANE;
    }
    if at < bytes.end {
        // The last bytes are made as part of the last whole vector: the others in it are written
        // a second time, with what they already hold.
        // SAFETY: the vector ends where `bytes` does, and that is not before a vector's length.
        unsafe { vectors::<R, 1>(tables, sources, outputs, bytes.end - LANE) };
    }
}

/// Makes the `U` vectors at `at` of each of `R` outputs.
///
/// # Safety
/// Every source and output has these bytes, there are `R` outputs, and there are as many tables
/// as sources.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn vectors<const R: usize, const U: usize>(
    tables: &[[&Nibbles; R]],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    at: usize,
) {
    let nibble = _mm256_set1_epi8(15);
    let mut sums = [[_mm256_setzero_si256(); U]; R];
    for (source, tables) in sources.iter().zip(tables) {
        let mut low = [_mm256_setzero_si256(); U];
        let mut high = [_mm256_setzero_si256(); U];
        for u in 0..U {
            // SAFETY: the caller vouches for these bytes of every source.
            let x = unsafe { _mm256_loadu_si256(source.as_ptr().add(at + LANE * u).cast()) };
            low[u] = _mm256_and_si256(x, nibble);
            high[u] = _mm256_and_si256(_mm256_srli_epi64::<4>(x), nibble);
        }
        for r in 0..R {
            let table = tables[r].0.as_ptr();
            // SAFETY: a table is 32 bytes.
            let (of_low, of_high) =
                unsafe { (_mm_loadu_si128(table.cast()), _mm_loadu_si128(table.add(16).cast())) };
            let of_low = _mm256_broadcastsi128_si256(of_low);
            let of_high = _mm256_broadcastsi128_si256(of_high);
            for u in 0..U {
                let low = _mm256_shuffle_epi8(of_low, low[u]);
                let high = _mm256_shuffle_epi8(of_high, high[u]);
                sums[r][u] = _mm256_xor_si256(sums[r][u], _mm256_xor_si256(low, high));
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        // SAFETY: there are `R` outputs, and each has these bytes.
        unsafe {
            let to = outputs.get_unchecked_mut(r).as_mut_ptr().add(at);
            for (u, sum) in sums.iter().enumerate() {
                _mm256_storeu_si256(to.add(LANE * u).cast(), *sum);
            }
        }
    }
}
