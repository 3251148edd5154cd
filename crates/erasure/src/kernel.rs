//! The loops that multiply and add, one module for each instruction set, and the choice between
//! them.
//!
//! Every kernel computes `outputs[r] = sum over j of rows[r][j] * sources[j]`, byte by byte. The
//! vector kernels make one pass over the sources for up to `passes::ROWS_MAX` outputs at a time,
//! so that each source byte is loaded once and each output byte stored once.

mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod gfni256;
#[cfg(target_arch = "x86_64")]
mod gfni512;
#[cfg(target_arch = "x86_64")]
mod passes;

#[cfg(test)]
mod tests;

use std::fmt;

/// An implementation of the code's arithmetic. All of them give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Bit-matrix multiplication of 64 bytes at a time: `avx512f`, `avx512bw` and `gfni`.
    GfniAvx512,
    /// Bit-matrix multiplication of 32 bytes at a time: `avx2` and `gfni`.
    GfniAvx2,
    /// Products of nibbles looked up 32 at a time: `avx2`.
    Avx2,
    /// The arithmetic of the `reed-solomon-erasure` crate, on any processor.
    Portable,
}

impl Kernel {
    /// Every kernel, fastest first.
    pub const ALL: [Self; 4] = [Self::GfniAvx512, Self::GfniAvx2, Self::Avx2, Self::Portable];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::GfniAvx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("gfni")
            }
            Self::GfniAvx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni"),
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Portable => true,
        }
        #[cfg(not(target_arch = "x86_64"))]
        matches!(self, Self::Portable)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GfniAvx512 => "gfni-avx512",
            Self::GfniAvx2 => "gfni-avx2",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

/// A kernel this processor is known to run. That one exists is the proof that makes calling the
/// vector kernels sound, so it is made here only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine(Kernel);

impl Engine {
    /// The fastest kernel of this processor.
    pub(crate) fn best() -> Self {
        Kernel::ALL.into_iter().find_map(Self::of).unwrap_or(Self(Kernel::Portable))
    }

    /// The kernel named, if this processor can run it.
    pub(crate) fn of(kernel: Kernel) -> Option<Self> {
        kernel.is_available().then_some(Self(kernel))
    }

    pub(crate) fn kernel(self) -> Kernel {
        self.0
    }

    /// Overwrites `outputs`. `rows` holds one coefficient for each output and source, row after
    /// row; sources and outputs are all of one length.
    #[allow(unsafe_code)]
    pub(crate) fn apply(self, rows: &[u8], sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
        assert_eq!(rows.len(), sources.len() * outputs.len());
        if outputs.iter().all(|o| o.is_empty()) {
            return;
        }
        match self.0 {
            // SAFETY: an `Engine` of this kernel exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Kernel::GfniAvx512 => unsafe { gfni512::apply(rows, sources, outputs) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::GfniAvx2 => unsafe { gfni256::apply(rows, sources, outputs) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::apply(rows, sources, outputs) },
            _ => portable::apply(rows, sources, outputs),
        }
    }
}
