//! The loops that compress blocks, one module for each instruction set, and the choice between
//! them.
//!
//! MD5 is one chain of dependent steps: a processor spends most of a block waiting for the last
//! one. A single stream can only have shorter steps; several streams, one in each lane of a
//! vector, take little longer than one.

mod portable;

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod steps;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod bmi;

#[cfg(test)]
mod tests;

use std::fmt;

/// What MD5 consumes at a time.
pub(crate) type Block = [u8; 64];

/// What is carried from block to block.
pub(crate) type State = [u32; 4];

/// Blocks of one stream that are to be compressed.
pub(crate) struct Job<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) blocks: &'a [Block],
}

/// An implementation of MD5. All of them give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Up to 32 streams in 512-bit registers, one in general registers: `avx512f`, `bmi1`, `bmi2`.
    Avx512,
    /// Up to 16 streams in 256-bit registers, one in general registers: `avx2`, `bmi1`, `bmi2`.
    Avx2,
    /// The `md-5` crate, stream after stream, on any processor.
    Portable,
}

impl Kernel {
    /// Every kernel, fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let bmi = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
            match self {
                Self::Avx512 => bmi && is_x86_feature_detected!("avx512f"),
                Self::Avx2 => bmi && is_x86_feature_detected!("avx2"),
                Self::Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        matches!(self, Self::Portable)
    }

    /// Streams that it compresses together.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 32,
            Self::Avx2 => 16,
            Self::Portable => 1,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Avx512 => "avx512",
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

    /// Compresses blocks of one stream.
    #[allow(unsafe_code)]
    pub(crate) fn compress(self, state: &mut State, blocks: &[Block]) {
        match self.0 {
            // SAFETY: an `Engine` of this kernel exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 | Kernel::Avx2 => unsafe { bmi::compress(state, blocks) },
            _ => portable::compress(state, blocks),
        }
    }

    /// Compresses all blocks of all jobs, as many of them at a time as there are lanes. The lane
    /// of a job that is done goes to one that waits.
    pub(crate) fn compress_together(self, jobs: &mut [Job<'_>]) {
        let mut left = jobs.len();
        loop {
            // Those that have blocks left come first.
            let mut at = 0;
            while at < left {
                if jobs[at].blocks.is_empty() {
                    left -= 1;
                    jobs.swap(at, left);
                } else {
                    at += 1;
                }
            }
            let running = left.min(self.0.lanes());
            let running = &mut jobs[..running];
            let Some(blocks) = running.iter().map(|job| job.blocks.len()).min() else { return };
            self.step(running, blocks);
            for job in running {
                job.blocks = &job.blocks[blocks..];
            }
        }
    }

    /// Compresses the first `blocks` blocks of each of the jobs, of which there are no more than
    /// lanes.
    #[allow(unsafe_code)]
    fn step(self, jobs: &mut [Job<'_>], blocks: usize) {
        match (self.0, jobs) {
            (_, [job]) => self.compress(job.state, &job.blocks[..blocks]),
            // SAFETY: an `Engine` of this kernel exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx512, jobs) if jobs.len() <= 16 => unsafe {
                avx512::compress_lanes::<1>(jobs, blocks)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx512, jobs) => unsafe { avx512::compress_lanes::<2>(jobs, blocks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx2, jobs) if jobs.len() <= 8 => unsafe {
                avx2::compress_lanes::<1>(jobs, blocks)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx2, jobs) => unsafe { avx2::compress_lanes::<2>(jobs, blocks) },
            (_, jobs) => {
                for job in jobs {
                    self.compress(job.state, &job.blocks[..blocks]);
                }
            }
        }
    }
}
