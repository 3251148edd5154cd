//! What the tests of this crate share.
#![allow(dead_code, missing_docs)]

pub mod disk;
pub mod model;

use self::disk::FaultDisk;
use bytes::Bytes;
use std::sync::Arc;
use wal::{Config, Entry, Error, Wal};

/// SplitMix64: a seed tells the whole test.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One in `of`.
    pub fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn bytes(&mut self, limit: u64) -> Bytes {
        let length = if self.chance(8) { self.below(limit) } else { self.below(limit / 8) };
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Small segments, so that little writing makes many.
pub fn small() -> Config {
    Config { segment_bytes: 2048, cache_bytes: 512, salt: 0xfeed, ..Config::default() }
}

pub async fn open(disk: &FaultDisk, config: Config) -> Result<Wal, Error> {
    Wal::open(Arc::new(disk.clone()), "/log".into(), config).await
}

pub fn entries(from: u64, count: u64, bytes: usize) -> Vec<Entry> {
    let entry = |index: u64| Entry { index, payload: vec![index as u8; bytes].into() };
    (from..from + count).map(entry).collect()
}

/// Runs something on a runtime of its own that then ends, as if the process had been killed.
pub fn killed<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    };
    std::thread::spawn(run).join().unwrap()
}
