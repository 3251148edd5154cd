//! AVX2: eight streams in a register.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::Job;
use super::steps::K;

/// Streams in a register.
const LANES: usize = 8;

/// Compresses the first `blocks` blocks of each job, in `G` registers of eight streams.
#[target_feature(enable = "avx2")]
pub(super) fn compress_lanes<const G: usize>(jobs: &mut [Job<'_>], blocks: usize) {
    assert!(!jobs.is_empty() && jobs.len() <= LANES * G);
    assert!(jobs.iter().all(|job| job.blocks.len() >= blocks));
    // A lane without a job computes what the first does, and is not looked at.
    let job =
        |g: usize, lane: usize| if g * LANES + lane < jobs.len() { g * LANES + lane } else { 0 };
    let ones = _mm256_set1_epi32(-1);
    let mut from = [[std::ptr::null::<u8>(); LANES]; G];
    let mut sums = [[_mm256_setzero_si256(); 4]; G];
    for g in 0..G {
        from[g] = std::array::from_fn(|lane| jobs[job(g, lane)].blocks.as_ptr().cast());
        for (x, sum) in sums[g].iter_mut().enumerate() {
            let words: [u32; LANES] = std::array::from_fn(|lane| jobs[job(g, lane)].state[x]);
            // SAFETY: there are as many words as a register has.
            *sum = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
        }
    }
    for block in 0..blocks {
        let mut words = [[[_mm256_setzero_si256(); 8]; 2]; G];
        for g in 0..G {
            for (half, words) in words[g].iter_mut().enumerate() {
                for (lane, word) in words.iter_mut().enumerate() {
                    // SAFETY: each job has `blocks` blocks, and this is half of one of them.
                    *word = unsafe {
                        _mm256_loadu_si256(from[g][lane].add(block * 64 + half * 32).cast())
                    };
                }
                transpose(words);
            }
        }
        let mut s = sums;
        macro_rules! with {
            (F, $t:expr, $b:expr, $c:expr, $d:expr) => {
                _mm256_add_epi32(
                    settled!(ymm_reg, $t),
                    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256($c, $d), $b), $d),
                )
            };
            (G, $t:expr, $b:expr, $c:expr, $d:expr) => {
                _mm256_add_epi32(
                    settled!(ymm_reg, _mm256_add_epi32($t, _mm256_andnot_si256($d, $c))),
                    _mm256_and_si256($d, $b),
                )
            };
            (H, $t:expr, $b:expr, $c:expr, $d:expr) => {
                _mm256_add_epi32(
                    settled!(ymm_reg, $t),
                    _mm256_xor_si256(_mm256_xor_si256($c, $d), $b),
                )
            };
            (I, $t:expr, $b:expr, $c:expr, $d:expr) => {
                _mm256_add_epi32(
                    settled!(ymm_reg, $t),
                    _mm256_xor_si256(_mm256_or_si256(_mm256_xor_si256($d, ones), $b), $c),
                )
            };
        }
        macro_rules! step {
            ($f:ident, $a:tt, $b:tt, $c:tt, $d:tt, $word:tt, $bits:tt, $i:expr) => {
                for g in 0..G {
                    let word = words[g][$word / 8][$word % 8];
                    let known = _mm256_add_epi32(word, _mm256_set1_epi32(K[$i] as i32));
                    let known = _mm256_add_epi32(s[g][$a], known);
                    let sum = with!($f, known, s[g][$b], s[g][$c], s[g][$d]);
                    let turned = _mm256_or_si256(
                        _mm256_slli_epi32::<$bits>(sum),
                        _mm256_srli_epi32::<{ 32 - $bits }>(sum),
                    );
                    s[g][$a] = _mm256_add_epi32(turned, s[g][$b]);
                }
            };
        }
        steps!(step);
        for g in 0..G {
            for x in 0..4 {
                sums[g][x] = _mm256_add_epi32(sums[g][x], s[g][x]);
            }
        }
    }
    for (g, jobs) in jobs.chunks_mut(LANES).enumerate() {
        for (x, sum) in sums[g].into_iter().enumerate() {
            let mut words = [0u32; LANES];
            // SAFETY: there are as many words as a register has.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), sum) };
            for (job, word) in jobs.iter_mut().zip(words) {
                job.state[x] = word;
            }
        }
    }
}

/// Turns half a block of eight lanes into eight vectors, each of one word of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: &mut [__m256i; 8]) {
    let mut t = [_mm256_setzero_si256(); 8];
    for i in 0..4 {
        t[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    // Then rows[4 * i + c] has, in each 128 bits n, word 4 * n + c of lanes 4 * i to 4 * i + 3.
    for i in 0..2 {
        rows[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        rows[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        rows[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        rows[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for c in 0..4 {
        t[c] = _mm256_permute2x128_si256::<0x20>(rows[c], rows[4 + c]);
        t[4 + c] = _mm256_permute2x128_si256::<0x31>(rows[c], rows[4 + c]);
    }
    *rows = t;
}
