//! How a matrix is cut into passes that fit a kernel's registers, and what all kernels share.

use std::ops::Range;

use crate::field::NIBBLES;

/// Outputs of one pass at most: each takes accumulators, and AVX2 has 16 registers.
pub(super) const ROWS_MAX: usize = 6;

/// Bytes of each fragment that all passes finish before any goes on, when there is more than one:
/// the sources of the next pass are then still in the second-level cache.
const BLOCK: usize = 8 * 1024;

/// The passes that cover `rows` outputs of `len` bytes, each as the outputs and the bytes it
/// makes. Groups are as even as they can be: two passes of 4 outputs beat one of 6 and one of 2.
pub(super) fn passes(
    rows: usize,
    len: usize,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let groups = rows.div_ceil(ROWS_MAX);
    let block = if groups > 1 { BLOCK } else { len };
    (0..len).step_by(block.max(1)).flat_map(move |start| {
        let bytes = start..len.min(start + block);
        let edge = move |group: usize| rows * group / groups;
        (0..groups).map(move |group| (edge(group)..edge(group + 1), bytes.clone()))
    })
}

/// The rows of one pass as a kernel reads them: what it needs of each coefficient, source by
/// source, written to `packed`.
pub(super) fn pack<T>(rows: &[u8], sources: usize, entry: impl Fn(u8) -> T, packed: &mut [T]) {
    let outputs = rows.len() / sources;
    for (r, row) in rows.chunks_exact(sources).enumerate() {
        for (j, coefficient) in row.iter().enumerate() {
            packed[j * outputs + r] = entry(*coefficient);
        }
    }
}

/// Whether a pass stays inside its slices, which is all that the vector loops rely on.
pub(super) fn in_bounds(sources: &[&[u8]], outputs: &[&mut [u8]], bytes: &Range<usize>) -> bool {
    sources.iter().all(|s| s.len() >= bytes.end) && outputs.iter().all(|o| o.len() >= bytes.end)
}

/// Fragments shorter than a vector, byte by byte.
pub(super) fn short(rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (row, output) in rows.chunks_exact(sources.len()).zip(outputs) {
        for (i, byte) in output.iter_mut().enumerate() {
            *byte = row.iter().zip(sources).fold(0, |sum, (coefficient, source)| {
                sum ^ NIBBLES[usize::from(*coefficient)].multiply(source[i])
            });
        }
    }
}
