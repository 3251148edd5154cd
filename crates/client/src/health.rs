//! What a client has seen of the volumes it reads from, and how often it may hedge.

use model::VolumeId;
use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How long a volume that failed is asked last.
const SHUNNED: Duration = Duration::from_secs(10);

/// Hedges per request, and hedges that may come in a row.
const HEDGES_PER_REQUEST: f64 = 0.05;
const HEDGES_AT_MOST: f64 = 10.0;

/// A first byte later than this many times the usual is late, within these bounds.
const LATE_TIMES: u32 = 8;
const LATE_AT_LEAST: Duration = Duration::from_millis(150);
const LATE_AT_MOST: Duration = Duration::from_secs(2);

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Exponentially weighted time to the first byte.
    latency: Option<Duration>,
    failed: Option<Instant>,
}

/// Recent latencies and failures of volumes, and the token bucket of hedges.
pub(crate) struct VolumeHealth {
    seen: Mutex<BTreeMap<VolumeId, Seen>>,
    hedges: Mutex<f64>,
}

impl Default for VolumeHealth {
    fn default() -> Self {
        Self { seen: Mutex::default(), hedges: Mutex::new(HEDGES_AT_MOST) }
    }
}

impl VolumeHealth {
    /// A request was answered.
    pub(crate) fn answered(&self, volume: VolumeId, took: Duration) {
        let mut seen = self.seen.lock();
        let entry = seen.entry(volume).or_default();
        entry.latency = Some(entry.latency.map_or(took, |old| (old * 7 + took) / 8));
        entry.failed = None;
    }

    /// A request was not answered, or late.
    pub(crate) fn failed(&self, volume: VolumeId) {
        self.seen.lock().entry(volume).or_default().failed = Some(Instant::now());
    }

    /// Whether the volume failed a moment ago.
    pub(crate) fn is_shunned(&self, volume: VolumeId) -> bool {
        let seen = self.seen.lock();
        seen.get(&volume).and_then(|s| s.failed).is_some_and(|at| at.elapsed() < SHUNNED)
    }

    /// How long its first byte usually takes; zero if it was never asked.
    pub(crate) fn latency(&self, volume: VolumeId) -> Duration {
        self.seen.lock().get(&volume).and_then(|s| s.latency).unwrap_or_default()
    }

    /// From when on a read of these volumes is late.
    pub(crate) fn late_after(&self, volumes: impl Iterator<Item = VolumeId>) -> Duration {
        let usual = volumes.map(|volume| self.latency(volume)).max().unwrap_or_default();
        (usual * LATE_TIMES).clamp(LATE_AT_LEAST, LATE_AT_MOST)
    }

    /// A request is made: it earns a share of a hedge.
    pub(crate) fn earn_hedge(&self) {
        let mut tokens = self.hedges.lock();
        *tokens = (*tokens + HEDGES_PER_REQUEST).min(HEDGES_AT_MOST);
    }

    /// Whether a hedge may be made now.
    pub(crate) fn take_hedge(&self) -> bool {
        let mut tokens = self.hedges.lock();
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_forgotten_and_hedges_are_one_in_twenty() {
        let health = VolumeHealth::default();
        let volume = VolumeId(1);
        health.failed(volume);
        assert!(health.is_shunned(volume));
        tokio::time::advance(SHUNNED).await;
        assert!(!health.is_shunned(volume));

        assert_eq!((0..100).filter(|_| health.take_hedge()).count(), HEDGES_AT_MOST as usize);
        for _ in 0..41 {
            health.earn_hedge();
        }
        assert_eq!((0..100).filter(|_| health.take_hedge()).count(), 2);
    }
}
