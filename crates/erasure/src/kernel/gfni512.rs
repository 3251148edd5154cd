//! GFNI on 512-bit registers: a multiplication is one instruction, `gf2p8affineqb`, by the bit
//! matrix of the coefficient, and `vpternlogq` adds two products at once.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::passes::{ROWS_MAX, in_bounds, pack, passes};
use crate::codec::FRAGMENTS_MAX;
use crate::field::AFFINE;

/// Bytes of a vector.
const LANE: usize = 64;

/// Overwrites `outputs`.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn apply(rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
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
            3 => pass::<3, 4>(matrices, sources, outputs, bytes),
            4 => pass::<4, 4>(matrices, sources, outputs, bytes),
            5 => pass::<5, 2>(matrices, sources, outputs, bytes),
            _ => pass::<6, 2>(matrices, sources, outputs, bytes),
        }
    }
}

/// Makes `R` outputs, `U` vectors at a time.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn pass<const R: usize, const U: usize>(
    matrices: &[u64],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    bytes: Range<usize>,
) {
    assert!(in_bounds(sources, outputs, &bytes) && outputs.len() == R);
    let matrices = &matrices.as_chunks::<R>().0[..sources.len()];
    let mut at = bytes.start;
    while bytes.end - at >= LANE * U {
        // SAFETY: the vectors end within `bytes`, which lies in every slice.
        unsafe { vectors::<R, U>(matrices, sources, outputs, at, !0) };
        at += LANE * U;
    }
    while bytes.end - at >= LANE {
        // SAFETY: as above.
        unsafe { vectors::<R, 1>(matrices, sources, outputs, at, !0) };
        at += LANE;
    }
    if at < bytes.end {
        let mask = !0 >> (LANE - (bytes.end - at));
        // SAFETY: the mask covers the bytes up to the end, and no more are touched.
        unsafe { vectors::<R, 1>(matrices, sources, outputs, at, mask) };
    }
}

/// Makes the `U` vectors at `at` of each of `R` outputs. `mask` has a bit for each byte to touch,
/// and is full when `U` is not 1.
///
/// # Safety
/// Every source and output has the bytes to touch, there are `R` outputs, and there are as many
/// matrices as sources.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
unsafe fn vectors<const R: usize, const U: usize>(
    matrices: &[[u64; R]],
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
    at: usize,
    mask: __mmask64,
) {
    let mut sums = [[_mm512_setzero_si512(); U]; R];
    let mut j = 0;
    while j + 2 <= sources.len() {
        // SAFETY: `j` and `j + 1` are below the number of sources, and so of matrices.
        let (x, y, by_x, by_y) = unsafe {
            (
                load::<U>(sources.get_unchecked(j), at, mask),
                load::<U>(sources.get_unchecked(j + 1), at, mask),
                matrices.get_unchecked(j),
                matrices.get_unchecked(j + 1),
            )
        };
        for r in 0..R {
            let by_x = _mm512_set1_epi64(by_x[r] as i64);
            let by_y = _mm512_set1_epi64(by_y[r] as i64);
            for u in 0..U {
                let x = _mm512_gf2p8affine_epi64_epi8::<0>(x[u], by_x);
                let y = _mm512_gf2p8affine_epi64_epi8::<0>(y[u], by_y);
                sums[r][u] = _mm512_ternarylogic_epi64::<0x96>(sums[r][u], x, y);
            }
        }
        j += 2;
    }
    if j < sources.len() {
        // SAFETY: as above.
        let (x, by) =
            unsafe { (load::<U>(sources.get_unchecked(j), at, mask), matrices.get_unchecked(j)) };
        for r in 0..R {
            let by = _mm512_set1_epi64(by[r] as i64);
            for u in 0..U {
                let x = _mm512_gf2p8affine_epi64_epi8::<0>(x[u], by);
                sums[r][u] = _mm512_xor_si512(sums[r][u], x);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        // SAFETY: there are `R` outputs, and each has the bytes to touch.
        unsafe {
            let to = outputs.get_unchecked_mut(r).as_mut_ptr().add(at);
            for (u, sum) in sums.iter().enumerate() {
                if mask == !0 {
                    _mm512_storeu_si512(to.add(LANE * u).cast(), *sum);
                } else {
                    _mm512_mask_storeu_epi8(to.cast(), mask, *sum);
                }
            }
        }
    }
}

/// # Safety
/// The source has the bytes to touch.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn load<const U: usize>(source: &[u8], at: usize, mask: __mmask64) -> [__m512i; U] {
    let mut vectors = [_mm512_setzero_si512(); U];
    for (u, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the caller vouches for the bytes under the mask.
        unsafe {
            let from = source.as_ptr().add(at + LANE * u);
            *vector = if mask == !0 {
                _mm512_loadu_si512(from.cast())
            } else {
                _mm512_maskz_loadu_epi8(mask, from.cast())
            };
        }
    }
    vectors
}
