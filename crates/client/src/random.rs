//! Randomness as an argument, so that a simulation can give its own.

use std::{sync::Arc, time::Duration};

/// Fills a buffer with random bytes.
pub type FillRandom = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) Arc<FillRandom>);

impl Random {
    /// The generator of the thread, seeded by the system.
    pub(crate) fn of_the_system() -> Self {
        Self(Arc::new(|buffer| rand::Rng::fill_bytes(&mut rand::rng(), buffer)))
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A number from 0 to `bound` - 1; 0 if the bound is 0. The bias is far below what matters
    /// for spreading load.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()).checked_rem(bound).unwrap_or(0)
    }

    /// A duration between a half and the whole of `most`, so that callers that failed together
    /// do not come back together.
    pub(crate) fn jitter(&self, most: Duration) -> Duration {
        let half = most / 2;
        half + Duration::from_nanos(self.below(half.as_nanos() as u64 + 1))
    }
}
