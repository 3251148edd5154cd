//! The arithmetic of the `reed-solomon-erasure` crate, for processors no other kernel is for.

use reed_solomon_erasure::galois_8::{mul_slice, mul_slice_xor};

/// Bytes of each fragment finished before going on, so that outputs are added to in cache.
const BLOCK: usize = 4 * 1024;

/// Overwrites `outputs`, which are not empty.
pub(super) fn apply(rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let len = outputs[0].len();
    for start in (0..len).step_by(BLOCK) {
        let bytes = start..len.min(start + BLOCK);
        for (row, output) in rows.chunks_exact(sources.len()).zip(outputs.iter_mut()) {
            let output = &mut output[bytes.clone()];
            for (j, (coefficient, source)) in row.iter().zip(sources).enumerate() {
                let multiply = if j == 0 { mul_slice } else { mul_slice_xor };
                multiply(*coefficient, &source[bytes.clone()], output);
            }
        }
    }
}
