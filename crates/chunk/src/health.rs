//! How a volume is: whether it failed, how busy it is, and the score that comes of it.

use crate::{VolumeError, engine::READ_BYTES};
use disk::Space;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

/// Bytes in buffers, all requests of a server together, before they get smaller.
const BUFFERS_BYTES: usize = 16 << 20;

/// The smallest buffer of a request; smaller ones cost more in calls than they save.
const MIN_BUFFER_BYTES: usize = 64 * 1024;

/// Most bytes written at once. Larger than a read, as a write has a hop to another thread and
/// back to itself: at 256 KiB a fifth of the time went into threads waking each other.
const WRITE_BYTES: usize = 1 << 20;

/// What is known of a volume's health, shared by all who work on it.
#[derive(Debug)]
pub struct Health {
    path: PathBuf,
    reserve_bytes: Option<u64>,
    failed: OnceLock<String>,
    read_errors: AtomicU32,
    under_way: AtomicUsize,
    /// Requests under way on all volumes of the server, which share its memory.
    of_server: Arc<AtomicUsize>,
}

/// Requests a volume takes at once. Clients wait for all positions of a stripe, so requests
/// must not queue for each other here; beyond this many the server's memory is at stake.
const MAX_UNDER_WAY: usize = 1024;

impl Health {
    /// Of a volume that works; `reserve_bytes` as in [`Config`](crate::Config), `of_server` counts
    /// the requests of all volumes of a server.
    pub fn new(path: &Path, reserve_bytes: Option<u64>, of_server: Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            reserve_bytes,
            failed: OnceLock::new(),
            read_errors: AtomicU32::new(0),
            under_way: AtomicUsize::new(0),
            of_server,
        })
    }

    /// Takes the volume out of service because its server ends.
    pub fn stop(&self) {
        self.refuse("the server is stopping".into());
    }

    /// From now on refuses work for this reason, or another one there was before; whether it is
    /// this one.
    fn refuse(&self, reason: String) -> bool {
        let mut first = false;
        self.failed.get_or_init(|| {
            first = true;
            reason
        });
        first
    }

    /// Takes the volume out of service until it is opened again. The first reason stays.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.refuse(reason.clone()) {
            tracing::error!(volume = %self.path.display(), reason, "the volume failed");
            metrics::counter!("cairn_volume_failures_total").increment(1);
        }
    }

    /// Takes the volume out of service because its server ends, which is no failure.
    pub fn close(&self) {
        let _ = self.failed.set("the server is stopping".to_owned());
    }

    /// Why it failed, if it did.
    pub fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Refuses work on a failed volume.
    pub fn check(&self) -> Result<(), VolumeError> {
        match self.failed() {
            None => Ok(()),
            Some(reason) => {
                Err(VolumeError::Failed { path: self.path.clone(), reason: reason.into() })
            }
        }
    }

    /// Bytes of a file system of `total` bytes that stay free: deletes and the file system need
    /// room to work, and a full one is slow long before it is full.
    pub fn reserve(&self, total: u64) -> u64 {
        self.reserve_bytes.unwrap_or((total / 100).clamp(64 << 20, 4 << 30))
    }

    /// Counts a chunk that could not be read.
    pub fn note_read_error(&self) {
        self.read_errors.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("cairn_chunk_read_errors_total").increment(1);
    }

    /// Read errors since this was last asked.
    pub(crate) fn take_read_errors(&self) -> u32 {
        self.read_errors.swap(0, Ordering::Relaxed)
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Bytes that one request may read at once. It has two such buffers; all of all requests
    /// together stay within a bound wherever [`MIN_BUFFER_BYTES`] allow it, so that memory does
    /// not grow with the load.
    pub(crate) fn buffer_bytes(&self) -> usize {
        (self.share() / 2).clamp(MIN_BUFFER_BYTES, READ_BYTES)
    }

    /// Bytes that one request may gather before it writes them, within the same bound.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.share().clamp(MIN_BUFFER_BYTES, WRITE_BYTES)
    }

    fn share(&self) -> usize {
        BUFFERS_BYTES / self.of_server.load(Ordering::Relaxed).max(1)
    }

    /// Admits a request, which is under way until the guard is dropped.
    pub fn admit(self: &Arc<Self>) -> Result<UnderWay, VolumeError> {
        self.check()?;
        let guard = UnderWay(self.clone());
        self.of_server.fetch_add(1, Ordering::Relaxed);
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= MAX_UNDER_WAY {
            return Err(VolumeError::Crowded { path: self.path.clone(), limit: MAX_UNDER_WAY });
        }
        Ok(guard)
    }
}

/// A request under way.
#[derive(Debug)]
pub struct UnderWay(Arc<Health>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.of_server.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a score is made of.
#[derive(Debug, Clone, Copy)]
pub struct Measures {
    /// Space of the volume.
    pub space: Space,
    /// Bytes of it that stay free.
    pub reserve: u64,
    /// Requests under way.
    pub under_way: usize,
    /// Read errors since the last time.
    pub read_errors: u32,
    /// Whether the volume failed.
    pub failed: bool,
}

/// A volume's score over time, one beat a second: it falls at once and rises slowly.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    score: Option<u8>,
    /// Recent errors; one is forgiven every [`FORGIVEN_EVERY_BEATS`].
    errors: u32,
    beats: u32,
}

/// Points gained per beat at most: a volume that was in trouble is trusted step by step.
const RISE: u8 = 5;
/// Points an error costs.
const ERROR_COST: u32 = 10;
/// Errors remembered: as many as bring the score to 0.
const MAX_ERRORS: u32 = 10;
const FORGIVEN_EVERY_BEATS: u32 = 6;
/// Requests under way that halve the score: a disk with so many is busy.
const BUSY: u64 = 64;

impl Pulse {
    /// The score of this second.
    pub fn beat(&mut self, measures: &Measures) -> u8 {
        self.beats = self.beats.wrapping_add(1);
        if self.beats.is_multiple_of(FORGIVEN_EVERY_BEATS) {
            self.errors = self.errors.saturating_sub(1);
        }
        self.errors = self.errors.saturating_add(measures.read_errors).min(MAX_ERRORS);
        let target = self.target(measures);
        let score = match self.score {
            Some(last) => target.min(last.saturating_add(RISE)),
            None => target,
        };
        self.score = Some(score);
        score
    }

    fn target(&self, measures: &Measures) -> u8 {
        let Space { total, free } = measures.space;
        let reserve = measures.reserve;
        if measures.failed || free <= reserve {
            return 0;
        }
        let usable = u128::from(total.saturating_sub(reserve).max(1));
        let share = (u128::from(free - reserve) * 100 / usable).min(100) as u64;
        let share = share * BUSY / (BUSY + measures.under_way as u64);
        // A volume with space takes something, however little, unless it makes errors.
        let share = share.clamp(1, 100) as u32;
        share.saturating_sub(self.errors * ERROR_COST) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn measures(free: u64) -> Measures {
        let space = Space { total: 100 * GIB, free };
        Measures { space, reserve: GIB, under_way: 0, read_errors: 0, failed: false }
    }

    #[test]
    fn the_reserve_is_a_share_of_the_disk_unless_the_operator_says() {
        let reserve =
            |said, total| Health::new(Path::new("/v"), said, Arc::default()).reserve(total);
        assert_eq!(reserve(None, 100 * GIB), GIB);
        assert_eq!(reserve(None, GIB), 64 << 20);
        assert_eq!(reserve(None, 4000 * GIB), 4 * GIB);
        assert_eq!(reserve(Some(5), 4000 * GIB), 5);
    }

    #[test]
    fn the_score_falls_at_once_and_rises_slowly() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.beat(&measures(100 * GIB)), 100);
        assert_eq!(pulse.beat(&measures(GIB)), 0, "only the reserve is left");
        let rising: Vec<_> = (0..3).map(|_| pulse.beat(&measures(100 * GIB))).collect();
        assert_eq!(rising, [5, 10, 15]);
        assert_eq!(pulse.beat(&Measures { failed: true, ..measures(100 * GIB) }), 0);
    }

    #[test]
    fn load_and_errors_cost_points_and_errors_are_forgiven() {
        let mut pulse = Pulse::default();
        let busy = Measures { under_way: 64, ..measures(100 * GIB) };
        assert_eq!(pulse.beat(&busy), 50);
        let mut pulse = Pulse::default();
        let bad = Measures { read_errors: 1000, ..measures(100 * GIB) };
        assert_eq!(pulse.beat(&bad), 0);
        let last = (0..200).map(|_| pulse.beat(&measures(100 * GIB))).last();
        assert_eq!(last, Some(100));
        assert_eq!(Pulse::default().beat(&measures(GIB + GIB / 100)), 1, "little is not nothing");
    }

    #[test]
    fn a_failed_volume_refuses_work_and_keeps_its_first_reason() {
        let health = Health::new(Path::new("/v"), None, Arc::default());
        let guard = health.admit().unwrap();
        assert_eq!(health.under_way(), 1);
        drop(guard);
        assert_eq!(health.under_way(), 0);
        health.fail("first");
        health.fail("second");
        assert!(health.admit().unwrap_err().to_string().contains("first"));
    }

    #[test]
    fn requests_of_all_volumes_share_the_memory_of_the_server() {
        let of_server = Arc::default();
        let volume = || Health::new(Path::new("/v"), None, Arc::clone(&of_server));
        let volumes = [volume(), volume()];
        assert_eq!(volumes[0].batch_bytes(), WRITE_BYTES, "one alone has as much as serves it");
        let guards: Vec<_> = (0..64).map(|n| volumes[n % 2].admit().unwrap()).collect();
        for volume in &volumes {
            assert_eq!(volume.batch_bytes() * guards.len(), BUFFERS_BYTES);
            assert_eq!(volume.buffer_bytes() * 2 * guards.len(), BUFFERS_BYTES);
        }
        drop(guards);
        assert_eq!(volumes[1].batch_bytes(), WRITE_BYTES);
    }

    #[test]
    fn a_crowd_is_refused() {
        let health = Health::new(Path::new("/v"), None, Arc::default());
        let guards: Vec<_> = (0..MAX_UNDER_WAY).map(|_| health.admit().unwrap()).collect();
        assert!(matches!(health.admit(), Err(VolumeError::Crowded { .. })));
        assert_eq!(health.under_way(), MAX_UNDER_WAY);
        drop(guards);
        assert!(health.admit().is_ok());
    }
}
