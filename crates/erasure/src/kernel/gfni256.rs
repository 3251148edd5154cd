//! GFNI on 256-bit registers, for processors without AVX-512.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::passes::{ROWS_MAX, in_bounds, pack, passes, short};
use crate::codec::FRAGMENTS_MAX;
use crate::field::AFFINE;

/// Bytes of a vector.
const LANE: usize = 32;

/// Overwrites `outputs`.
#[target_feature(enable = "avx2,gfni")]
pub(super) fn apply(rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
    if outputs[0].len() < LANE {
        return short(rows, sources, outputs);
    }
    let k = sources.len();
    let mut matrices = [0; ROWS_MAX * FRAGMENTS_MAX];
    for (group, bytes) in passes(outputs.len(), outputs[0].len()) {
        let matrices = &mut matrices[..group.len() * k];
        pack(&rows[group.start * k..group.end * k], k, |c| AFFINE[usize::from(c)], matrices);
        let outputs = &mut outputs[group];
        // As many vectors at a time as leave registers for the sources and a matrix.
        match outputs.len() {
            1 => pass::<1, 4>(matrices, sources, outputs, bytes),
            2 => pass::<2, 4>(matrices, sources, outputs, bytes),
            3 => pass::<3, 3>(matrices, sources, outputs, bytes),
            4 => pass::<4, 2>(matrices, sources, outputs, bytes),
            5 => pass::<5, 2>(matrices, sources, outputs, bytes),
            _ => pass::<6, 1>(matrices, sources, outputs, bytes),
        }
    }
}

/// Makes `R` outputs, `U` vectors at a time.
#[target_feature(enable = "avx2,gfni")]
fn pass<const R: usize, const U: usize>(
    matrices: &[u64],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    bytes: Range<usize>,
) {
    assert!(in_bounds(sources, outputs, &bytes) && outputs.len() == R && bytes.end >= LANE);
    let matrices = &matrices.as_chunks::<R>().0[..sources.len()];
    let mut at = bytes.start;
    while bytes.end - at >= LANE * U {
        // SAFETY: the vectors end within `bytes`, which lies in every slice.
        unsafe { vectors::<R, U>(matrices, sources, outputs, at) };
        at += LANE * U;
    }
    while bytes.end - at >= LANE {
        // SAFETY: as above.
        unsafe { vectors::<R, 1>(matrices, sources, outputs, at) };
        at += LANE;
    }
    if at < bytes.end {
        // The last bytes are made as part of the last whole vector: the others in it are written
        // a second time, with what they already hold.
        // SAFETY: the vector ends where `bytes` does, and that is not before a vector's length.
        unsafe { vectors::<R, 1>(matrices, sources, outputs, bytes.end - LANE) };
    }
}

/// Makes the `U` vectors at `at` of each of `R` outputs.
///
/// # Safety
/// Every source and output has these bytes, there are `R` outputs, and there are as many matrices
/// as sources.
#[inline]
#[target_feature(enable = "avx2,gfni")]
unsafe fn vectors<const R: usize, const U: usize>(
    matrices: &[[u64; R]],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    at: usize,
) {
    let mut sums = [[_mm256_setzero_si256(); U]; R];
    for (source, by) in sources.iter().zip(matrices) {
        let mut x = [_mm256_setzero_si256(); U];
        for (u, x) in x.iter_mut().enumerate() {
            // SAFETY: the caller vouches for these bytes of every source.
            *x = unsafe { _mm256_loadu_si256(source.as_ptr().add(at + LANE * u).cast()) };
        }
        for r in 0..R {
            let by = _mm256_set1_epi64x(by[r] as i64);
            for u in 0..U {
                let x = _mm256_gf2p8affine_epi64_epi8::<0>(x[u], by);
                sums[r][u] = _mm256_xor_si256(sums[r][u], x);
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
