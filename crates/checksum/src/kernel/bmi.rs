//! One stream, in general registers: BMI has `andn`, and `rorx`, which rotates without a move.
//!
//! Steps are chains of four (G and H) and five (F and I) instructions. In a vector register, with
//! `vpternlogd` and `vprold`, all would be of four; where it was measured (Zen 4) that was a tenth
//! slower.
#![allow(unsafe_code)]

use super::steps::K;
use super::{Block, State};

/// Compresses blocks of one stream.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn compress(state: &mut State, blocks: &[Block]) {
    for block in blocks {
        let words = block.as_chunks::<4>().0;
        let mut s = *state;
        // `b` is what the step before gave, so it should take part as late as it can. The two
        // halves of G have no bit in common: added one after the other, instead of or-ed, the
        // half without `b` need not wait.
        macro_rules! with {
            (F, $t:expr, $b:expr, $c:expr, $d:expr) => {
                settled!(reg, $t).wrapping_add((($c ^ $d) & $b) ^ $d)
            };
            (G, $t:expr, $b:expr, $c:expr, $d:expr) => {
                settled!(reg, $t.wrapping_add(!$d & $c)).wrapping_add($d & $b)
            };
            (H, $t:expr, $b:expr, $c:expr, $d:expr) => {
                settled!(reg, $t).wrapping_add(($c ^ $d) ^ $b)
            };
            (I, $t:expr, $b:expr, $c:expr, $d:expr) => {
                settled!(reg, $t).wrapping_add((!$d | $b) ^ $c)
            };
        }
        macro_rules! step {
            ($f:ident, $a:tt, $b:tt, $c:tt, $d:tt, $word:tt, $bits:tt, $i:expr) => {
                let known =
                    s[$a].wrapping_add(u32::from_le_bytes(words[$word])).wrapping_add(K[$i]);
                let sum = with!($f, known, s[$b], s[$c], s[$d]);
                s[$a] = sum.rotate_left($bits).wrapping_add(s[$b]);
            };
        }
        steps!(step);
        for (sum, s) in state.iter_mut().zip(s) {
            *sum = sum.wrapping_add(s);
        }
    }
}
