//! Repairs that are not tried for a while.

use super::entry::{Place, Verdict};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// After the first failure, and at most; each doubles the last.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Most that are remembered. Beyond it the ones whose time comes first are tried again earlier.
const MOST: usize = 16_384;

#[derive(Debug, Clone, Copy)]
struct Pause {
    delay: Duration,
    /// `None` until a volume comes.
    until: Option<Instant>,
}

/// Metachunks that wait, each for its time or for a volume.
#[derive(Debug, Default)]
pub struct Postponed(BTreeMap<Place, Pause>);

impl Postponed {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a metachunk is to be left alone now.
    pub fn waits(&self, place: &Place) -> bool {
        let Some(pause) = self.0.get(place) else { return false };
        pause.until.is_none_or(|until| Instant::now() < until)
    }

    /// A try ended.
    pub fn note(&mut self, place: Place, verdict: Verdict) {
        let before = self.0.remove(&place);
        let until = match verdict {
            Verdict::Done => return,
            Verdict::Failed => true,
            Verdict::WaitsForVolume => false,
        };
        let delay = before.map_or(FIRST, |pause| (pause.delay * 2).min(LONGEST));
        if self.0.len() >= MOST {
            self.0.retain(|_, pause| pause.until.is_none_or(|until| Instant::now() < until));
            if self.0.len() >= MOST {
                self.0.pop_first();
            }
        }
        let until = until.then(|| Instant::now() + delay);
        self.0.insert(place, Pause { delay, until });
    }

    /// A volume came, or was given up.
    pub fn volumes_changed(&mut self) {
        for pause in self.0.values_mut().filter(|pause| pause.until.is_none()) {
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
            postponed.note(place(1), Verdict::Failed);
            assert!(postponed.waits(&place(1)));
            tokio::time::advance(delay).await;
            assert!(!postponed.waits(&place(1)));
            delay = (delay * 2).min(LONGEST);
        }
        assert_eq!(delay, LONGEST);
        postponed.note(place(2), Verdict::WaitsForVolume);
        tokio::time::advance(LONGEST * 2).await;
        assert!(postponed.waits(&place(2)));
        postponed.volumes_changed();
        assert!(!postponed.waits(&place(2)));
        postponed.note(place(2), Verdict::Done);
        postponed.note(place(1), Verdict::Done);
        assert_eq!(postponed.len(), 0);
    }
}
