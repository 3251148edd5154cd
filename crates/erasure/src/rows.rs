//! The coefficients that make one fragment from any `k` others.
//!
//! A Vandermonde matrix made systematic is polynomial evaluation: the `k` bytes at one offset of
//! the data fragments are the values at 0..k of a polynomial of degree below `k`, and fragment `f`,
//! data or parity, holds its value at `f`. Any `k` fragments therefore fix the polynomial, and
//! Lagrange's formula gives any other directly:
//!
//! ```text
//! fragment w = sum over s of  product over t != s of (w - t) / (s - t)  x fragment s
//! ```
//!
//! with `s` and `t` running over the sources, and subtraction being exclusive or. No matrix is
//! inverted and nothing can be singular, since the points are distinct. With logarithms the rows
//! of a loss pattern take from 50 ns (4+2, one lost) to 200 ns (12+4, four lost; the bench prints
//! what the shortest calls cost). So they are computed on every call and not cached: the lock of
//! a cache that threads share would cost about as much as it saves.

use crate::field::{EXP, LOG, ORDER};

/// Writes the row of each wanted fragment, one coefficient for each source in the order of
/// `sources`, to `rows`, which is `wanted.len() * sources.len()` long, row after row.
///
/// Fragment numbers are below [`FRAGMENTS_MAX`](crate::FRAGMENTS_MAX), sources are distinct, and
/// no wanted fragment is a source.
pub(crate) fn coefficients(sources: &[u8], wanted: &[u8], rows: &mut [u8]) {
    debug_assert_eq!(rows.len(), wanted.len() * sources.len());
    debug_assert!(wanted.iter().all(|w| !sources.contains(w)));
    // The denominators depend on the sources alone. They are kept as the exponents of their
    // inverses, so that everything below is addition.
    let mut inverse = [0; crate::FRAGMENTS_MAX];
    for (inverse, s) in inverse.iter_mut().zip(sources) {
        *inverse = ORDER - product(*s, sources) % ORDER;
    }
    for (w, row) in wanted.iter().zip(rows.chunks_exact_mut(sources.len())) {
        // The numerator of each source lacks its own factor, which is taken back out.
        let numerator = product(*w, sources) + ORDER;
        for ((coefficient, s), inverse) in row.iter_mut().zip(sources).zip(inverse) {
            let exponent = numerator - difference(*w, *s) + inverse;
            *coefficient = EXP[(exponent % ORDER) as usize];
        }
    }
}

/// The exponent of the product of `a - s` over all sources but `a` itself, whose logarithm of zero
/// is stored as 0 and so adds nothing.
fn product(a: u8, sources: &[u8]) -> u32 {
    sources.iter().map(|s| difference(a, *s)).sum()
}

/// The exponent of `a - b`, or 0 where they are equal.
fn difference(a: u8, b: u8) -> u32 {
    u32::from(LOG[usize::from(a ^ b)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_copied() {
        let mut rows = [0; 3];
        coefficients(&[2], &[0, 1, 31], &mut rows);
        assert_eq!(rows, [1; 3]);
    }

    #[test]
    fn every_row_sums_to_one() {
        // A stripe whose data fragments are all equal is a constant polynomial, so that every
        // other fragment equals them too.
        let sources: Vec<u8> = (3..19).collect();
        let wanted: Vec<u8> = (0..3).chain(19..32).collect();
        let mut rows = vec![0; 16 * 16];
        coefficients(&sources, &wanted, &mut rows);
        for row in rows.chunks(16) {
            assert_eq!(row.iter().fold(0, |sum, c| sum ^ c), 1);
            assert!(row.iter().all(|c| *c != 0));
        }
    }
}
