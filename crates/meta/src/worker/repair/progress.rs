//! What the repair of a partition did, for operators.

use super::entry::{Place, Verdict};
use model::BlobId;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// The rate is that of the last so long.
const WINDOW: Duration = Duration::from_secs(60);

/// Most events of the window that are kept one by one.
const MAX_EVENTS: usize = 4096;

/// Most metachunks that are remembered for being beyond help; counts go no further.
const MAX_STUCK: usize = 65_536;

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
    /// Metachunks that nothing can be done about for now, and why.
    stuck: Mutex<BTreeMap<Place, Stuck>>,
}

/// Why nothing can be done about a metachunk, until a volume comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stuck {
    NoTarget,
    TooFewLeft,
}

impl Progress {
    /// Changes the counts.
    pub fn edit(&self, edit: impl FnOnce(&mut Counts)) {
        edit(&mut self.counts.lock());
    }

    /// A try ended.
    pub fn ended(&self, place: Place, verdict: Verdict) {
        let stuck = match verdict {
            Verdict::NoTarget => Some(Stuck::NoTarget),
            Verdict::TooFewLeft => Some(Stuck::TooFewLeft),
            Verdict::Done | Verdict::WaitsForVolume | Verdict::Failed => None,
        };
        let mut all = self.stuck.lock();
        match stuck {
            Some(why) if all.len() < MAX_STUCK || all.contains_key(&place) => {
                all.insert(place, why);
            }
            Some(_) => {}
            None => {
                all.remove(&place);
            }
        }
    }

    /// Forgets metachunks that are not queued any more.
    pub fn retain(&self, queued: &BTreeSet<Place>) {
        self.stuck.lock().retain(|place, _| queued.contains(place));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.counts.lock() = Counts::default();
        self.stuck.lock().clear();
    }

    /// How many metachunks no volume can take a chunk of, and of how many too few are left.
    pub fn stuck(&self) -> (u64, u64) {
        let all = self.stuck.lock();
        let no_target = all.values().filter(|why| **why == Stuck::NoTarget).count();
        (no_target as u64, (all.len() - no_target) as u64)
    }

    /// Metachunks of a blob that nothing can be done about.
    pub fn stuck_of(&self, blob: &BlobId) -> u64 {
        let place = |metachunk| Place { blob: *blob, metachunk };
        self.stuck.lock().range(place(0)..=place(u32::MAX)).count() as u64
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
