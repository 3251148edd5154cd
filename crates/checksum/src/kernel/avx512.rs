//! AVX-512: sixteen streams in a register. `vpternlogd` is any of F, G, H and I in one
//! instruction, and `vprold` rotates, so a step is a chain of four.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::Job;
use super::steps::K;

/// Streams in a register.
const LANES: usize = 16;

/// The truth tables of the four functions; the index has `b` in bit 2, `c` in bit 1, `d` in bit 0.
macro_rules! table {
    (F) => {
        0xca
    };
    (G) => {
        0xe4
    };
    (H) => {
        0x96
    };
    (I) => {
        0x39
    };
}

/// Compresses the first `blocks` blocks of each job, in `G` registers of sixteen streams.
#[target_feature(enable = "avx512f")]
pub(super) fn compress_lanes<const G: usize>(jobs: &mut [Job<'_>], blocks: usize) {
    assert!(!jobs.is_empty() && jobs.len() <= LANES * G);
    assert!(jobs.iter().all(|job| job.blocks.len() >= blocks));
    // A lane without a job computes what the first does, and is not looked at.
    let job =
        |g: usize, lane: usize| if g * LANES + lane < jobs.len() { g * LANES + lane } else { 0 };
    let mut from = [[std::ptr::null::<u8>(); LANES]; G];
    let mut sums = [[_mm512_setzero_si512(); 4]; G];
    for g in 0..G {
        from[g] = std::array::from_fn(|lane| jobs[job(g, lane)].blocks.as_ptr().cast());
        for (x, sum) in sums[g].iter_mut().enumerate() {
            let words: [u32; LANES] = std::array::from_fn(|lane| jobs[job(g, lane)].state[x]);
            // SAFETY: there are as many words as a register has.
            *sum = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
        }
    }
    for block in 0..blocks {
        let mut words = [[_mm512_setzero_si512(); 16]; G];
        for g in 0..G {
            for (lane, word) in words[g].iter_mut().enumerate() {
                // SAFETY: each job has `blocks` blocks, and this is one of them.
                *word = unsafe { _mm512_loadu_si512(from[g][lane].add(block * 64).cast()) };
            }
            transpose(&mut words[g]);
        }
        let mut s = sums;
        macro_rules! step {
            ($f:ident, $a:tt, $b:tt, $c:tt, $d:tt, $word:tt, $bits:tt, $i:expr) => {
                for g in 0..G {
                    let known = _mm512_add_epi32(words[g][$word], _mm512_set1_epi32(K[$i] as i32));
                    let known = settled!(zmm_reg, _mm512_add_epi32(s[g][$a], known));
                    let f =
                        _mm512_ternarylogic_epi32::<{ table!($f) }>(s[g][$b], s[g][$c], s[g][$d]);
                    let turned = _mm512_rol_epi32::<$bits>(_mm512_add_epi32(known, f));
                    s[g][$a] = _mm512_add_epi32(turned, s[g][$b]);
                }
            };
        }
        steps!(step);
        for g in 0..G {
            for x in 0..4 {
                sums[g][x] = _mm512_add_epi32(sums[g][x], s[g][x]);
            }
        }
    }
    for (g, jobs) in jobs.chunks_mut(LANES).enumerate() {
        for (x, sum) in sums[g].into_iter().enumerate() {
            let mut words = [0u32; LANES];
            // SAFETY: there are as many words as a register has.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), sum) };
            for (job, word) in jobs.iter_mut().zip(words) {
                job.state[x] = word;
            }
        }
    }
}

/// Turns the blocks of sixteen lanes into sixteen vectors, each of one word of all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: &mut [__m512i; 16]) {
    let mut t = [_mm512_setzero_si512(); 16];
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    // Then rows[4 * i + c] has, in each 128 bits n, word 4 * n + c of lanes 4 * i to 4 * i + 3.
    for i in 0..4 {
        rows[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        rows[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        rows[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        rows[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for c in 0..4 {
        let even_ab = _mm512_shuffle_i32x4::<0x88>(rows[c], rows[4 + c]);
        let odd_ab = _mm512_shuffle_i32x4::<0xdd>(rows[c], rows[4 + c]);
        let even_cd = _mm512_shuffle_i32x4::<0x88>(rows[8 + c], rows[12 + c]);
        let odd_cd = _mm512_shuffle_i32x4::<0xdd>(rows[8 + c], rows[12 + c]);
        t[c] = _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd);
        t[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd);
        t[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd);
        t[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd);
    }
    *rows = t;
}
