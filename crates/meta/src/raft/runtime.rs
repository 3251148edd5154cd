//! The runtime that consensus runs on: tokio, with randomness from outside.
//!
//! The library draws each replica's election time-out from its runtime's generator, once, when
//! the replica is opened. It comes from [`crate::Seams`] like all randomness of a node, so that
//! a simulation can repeat it.

use openraft::{AsyncRuntime, OptionalSend, TokioRuntime};
use rand_core::{RngCore, impls};
use std::{future::Future, time::Duration};

tokio::task_local! {
    static SEED: u64;
}

/// Runs `opening` with a generator of this seed.
pub async fn with_seed<T>(seed: u64, opening: impl Future<Output = T>) -> T {
    SEED.scope(seed, opening).await
}

/// Tokio, but for its generator.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Runtime;

type Tokio = TokioRuntime;

impl AsyncRuntime for Runtime {
    type JoinError = <Tokio as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Tokio as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Tokio as AsyncRuntime>::Sleep;
    type Instant = <Tokio as AsyncRuntime>::Instant;
    type TimeoutError = <Tokio as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Tokio as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = Generator;
    type OneshotSender<T: OptionalSend> = <Tokio as AsyncRuntime>::OneshotSender<T>;
    type OneshotReceiver<T: OptionalSend> = <Tokio as AsyncRuntime>::OneshotReceiver<T>;
    type OneshotReceiverError = <Tokio as AsyncRuntime>::OneshotReceiverError;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Tokio::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Tokio::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Tokio::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        Tokio::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        Tokio::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Tokio::is_panic(join_error)
    }

    /// The library asks for it in [`with_seed`] only; elsewhere it would get the same numbers
    /// again, which spreads elections less and harms nothing.
    fn thread_rng() -> Generator {
        Generator(SEED.try_with(|seed| *seed).unwrap_or_default())
    }

    fn oneshot<T>() -> (Self::OneshotSender<T>, Self::OneshotReceiver<T>)
    where
        T: OptionalSend,
    {
        Tokio::oneshot()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few numbers of a seed.
pub struct Generator(u64);

impl RngCore for Generator {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn election_time_outs_are_those_of_the_seed() {
        let config = openraft::Config::default();
        let mut drawn = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let draw = || with_seed(seed, async { config.new_rand_election_timeout::<Runtime>() });
            let first = draw().await;
            assert_eq!(first, draw().await);
            drawn.insert(first);
        }
        assert!(drawn.len() > 30, "they are spread: {drawn:?}");
    }
}
