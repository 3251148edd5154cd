//! What the repair of a partition did, for operators.

use parking_lot::Mutex;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The rate is that of the last so long.
const WINDOW: Duration = Duration::from_secs(60);

/// Most events of the window that are kept one by one.
const MAX_EVENTS: usize = 4096;

/// Counts since this node leads the partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chunks made anew and named.
    pub repaired: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Bytes of the chunks made.
    pub bytes: u64,
    /// Metachunks at work.
    pub active: u64,
    /// Entries that wait for another try.
    pub postponed: u64,
    /// Why nothing is rebuilt.
    pub paused: Option<String>,
    /// Why the last try failed.
    pub trouble: Option<String>,
}

/// Progress, shared with whoever reports it.
#[derive(Debug, Default)]
pub struct Progress {
    counts: Mutex<Counts>,
    recent: Mutex<VecDeque<(Instant, u64)>>,
}

impl Progress {
    /// Changes the counts.
    pub fn edit(&self, edit: impl FnOnce(&mut Counts)) {
        edit(&mut self.counts.lock());
    }

    /// A chunk of `bytes` was made and named.
    pub fn repaired(&self, bytes: u64) {
        self.edit(|counts| {
            counts.repaired += 1;
            counts.bytes += bytes;
        });
        let mut recent = self.recent.lock();
        if recent.len() >= MAX_EVENTS {
            recent.pop_front();
        }
        recent.push_back((Instant::now(), bytes));
    }

    /// The counts, and bytes a second lately.
    pub fn now(&self) -> (Counts, u64) {
        let mut recent = self.recent.lock();
        while recent.front().is_some_and(|(at, _)| at.elapsed() > WINDOW) {
            recent.pop_front();
        }
        let bytes: u64 = recent.iter().map(|(_, bytes)| bytes).sum();
        let since = recent.front().map_or(Duration::ZERO, |(at, _)| at.elapsed());
        let seconds = since.as_secs_f64().max(1.0);
        (self.counts.lock().clone(), (bytes as f64 / seconds) as u64)
    }
}
