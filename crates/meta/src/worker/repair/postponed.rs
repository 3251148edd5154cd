//! Repairs that are not tried for a while.

use super::entry::{Place, Verdict};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// After the first failure, and at most; each doubles the last.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Most that are remembered. Beyond it the ones whose time comes first are tried again earlier.
const MOST: usize = 65_536;

#[derive(Debug, Clone, Copy)]
struct Pause {
    /// The positions that were tried, as bits.
    positions: u32,
    delay: Duration,
    /// `None` until a volume comes.
    until: Option<Instant>,
}

/// Metachunks that wait, each for its time or for a volume.
#[derive(Debug, Default)]
pub struct Postponed {
    pauses: BTreeMap<Place, Pause>,
    /// How often the volumes changed.
    changes: u64,
}

/// What a try sets out from.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The positions to repair, as bits.
    positions: u32,
    changes: u64,
}

impl Postponed {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.pauses.len()
    }

    /// A try begins, of positions as bits.
    pub fn start(&self, positions: u32) -> Start {
        Start { positions, changes: self.changes }
    }

    /// Whether a metachunk is to be left alone now: not if positions were lost that the last try
    /// did not know of.
    pub fn waits(&self, place: &Place, positions: u32) -> bool {
        let Some(pause) = self.pauses.get(place) else { return false };
        positions & !pause.positions == 0 && pause.until.is_none_or(|until| Instant::now() < until)
    }

    /// A try ended.
    pub fn note(&mut self, place: Place, start: Start, verdict: Verdict) {
        let before = self.pauses.remove(&place);
        let until = match verdict {
            Verdict::Done => return,
            // A disk that could not be read may be read again, and one that was full has room.
            Verdict::Failed | Verdict::NoTarget | Verdict::TooFewLeft => true,
            // The volume may have come during the try, which did not see it.
            _ if start.changes != self.changes => true,
            Verdict::WaitsForVolume => false,
        };
        let delay = before.map_or(FIRST, |pause| (pause.delay * 2).min(LONGEST));
        if self.pauses.len() >= MOST {
            self.pauses.retain(|_, pause| pause.until.is_none_or(|until| Instant::now() < until));
            if self.pauses.len() >= MOST {
                self.pauses.pop_first();
            }
        }
        let until = until.then(|| Instant::now() + delay);
        self.pauses.insert(place, Pause { positions: start.positions, delay, until });
    }

    /// Forgets those that wait for nothing any more.
    pub fn retain(&mut self, queued: &BTreeSet<Place>) {
        self.pauses.retain(|place, _| queued.contains(place));
    }

    /// A volume came, or was given up.
    pub fn volumes_changed(&mut self) {
        self.changes += 1;
        for pause in self.pauses.values_mut() {
            pause.delay = FIRST;
            pause.until = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::BlobId;

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_and_longer_and_hopeless_ones_for_a_volume() {
        let mut postponed = Postponed::default();
        let place = |n| Place { blob: BlobId([n; 16]), metachunk: 0 };
        let mut delay = FIRST;
        for _ in 0..12 {
            postponed.note(place(1), postponed.start(1), Verdict::Failed);
            assert!(postponed.waits(&place(1), 1));
            tokio::time::advance(delay).await;
            assert!(!postponed.waits(&place(1), 1));
            delay = (delay * 2).min(LONGEST);
        }
        assert_eq!(delay, LONGEST);
        postponed.note(place(2), postponed.start(6), Verdict::WaitsForVolume);
        tokio::time::advance(LONGEST * 2).await;
        assert!(postponed.waits(&place(2), 6));
        assert!(postponed.waits(&place(2), 2) && !postponed.waits(&place(2), 7));
        postponed.volumes_changed();
        assert!(!postponed.waits(&place(2), 6));
        // A volume that comes during a try was not seen by it.
        let start = postponed.start(6);
        postponed.volumes_changed();
        postponed.note(place(2), start, Verdict::WaitsForVolume);
        tokio::time::advance(LONGEST).await;
        assert!(!postponed.waits(&place(2), 6));
        for n in [1, 2] {
            postponed.note(place(n), postponed.start(6), Verdict::Done);
        }
        assert_eq!(postponed.len(), 0);
    }
}
