//! What this node knows of the cluster right now: the map from its replica of the directory,
//! and the latest word of every volume, which is not logged.

use model::{ClusterMap, Error, Liveness, Subject, VolumeId, VolumeReport};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::Store;
use tokio::{sync::watch, time::Instant};

/// The latest word of a volume.
#[derive(Debug, Clone)]
struct Heard {
    at: Instant,
    report: VolumeReport,
}

/// The cluster map and the volumes' latest reports.
pub struct Registry {
    directory: Arc<dyn Store>,
    applied: watch::Receiver<u64>,
    silence: Duration,
    started: Instant,
    cached: Mutex<Option<(u64, Arc<ClusterMap>)>>,
    current: Mutex<Option<Current>>,
    heard: Mutex<BTreeMap<VolumeId, Heard>>,
}

/// A map with the volumes' reports of a moment.
struct Current {
    logged: Arc<ClusterMap>,
    map: Arc<ClusterMap>,
    at: Instant,
}

/// How long a map with the volumes' reports is used again: every upload and every read needs it.
const CURRENT_FOR: Duration = Duration::from_millis(100);

impl Registry {
    /// Reads the map from the directory's replica here; `silence` is how long a volume may say
    /// nothing and still count as up.
    pub fn new(
        directory: Arc<dyn Store>,
        applied: watch::Receiver<u64>,
        silence: Duration,
    ) -> Self {
        Self {
            directory,
            applied,
            silence,
            started: Instant::now(),
            cached: Mutex::default(),
            current: Mutex::default(),
            heard: Mutex::default(),
        }
    }

    /// The map as logged, without the volumes' latest reports.
    pub fn logged(&self) -> Result<Arc<ClusterMap>, Error> {
        let applied = *self.applied.borrow();
        if let Some((at, map)) = &*self.cached.lock()
            && *at == applied
        {
            return Ok(map.clone());
        }
        let view = self.directory.snapshot();
        let map = state::read::cluster_map(&*view)
            .map_err(|e| Error::internal(e.to_string()))?
            .ok_or_else(|| {
                Error::new(
                    model::ErrorKind::Unavailable,
                    Subject::Partition,
                    "the cluster has not been created yet: its metadata nodes have not all met",
                )
            })?;
        let map = Arc::new(map);
        *self.cached.lock() = Some((applied, map.clone()));
        Ok(map)
    }

    /// The map with the volumes' reports of at most a tenth of a second ago: what placement goes
    /// by.
    pub fn map(&self) -> Result<Arc<ClusterMap>, Error> {
        let logged = self.logged()?;
        let mut current = self.current.lock();
        if let Some(current) = &*current
            && Arc::ptr_eq(&current.logged, &logged)
            && current.at.elapsed() < CURRENT_FOR
        {
            return Ok(current.map.clone());
        }
        let map = Arc::new(self.with_reports(ClusterMap::clone(&logged)));
        *current = Some(Current { logged, map: map.clone(), at: Instant::now() });
        Ok(map)
    }

    fn with_reports(&self, mut map: ClusterMap) -> ClusterMap {
        let heard = self.heard.lock();
        for volume in &mut map.volumes {
            let Some(Heard { at, report }) = heard.get(&volume.id) else {
                // A node that has just started waits for reports before it calls anyone silent.
                if self.started.elapsed() > self.silence {
                    volume.liveness = Liveness::Down;
                }
                continue;
            };
            volume.capacity = report.capacity;
            volume.free = report.free;
            volume.score = report.score;
            if at.elapsed() > self.silence || report.failed.is_some() {
                volume.liveness = Liveness::Down;
            }
        }
        map
    }

    /// Takes in what a volume says of itself.
    pub fn hear(&self, report: VolumeReport) {
        let (id, failed) = (report.id, report.failed.clone());
        let before = self.heard.lock().insert(id, Heard { at: Instant::now(), report });
        let expected = before.is_some_and(|before| {
            before.report.failed == failed && before.at.elapsed() <= self.silence
        });
        if !expected {
            self.current.lock().take();
        }
    }

    /// Whether this node heard of a volume lately. One that has just started has heard of none,
    /// whatever is logged of them.
    pub fn hears(&self, id: VolumeId) -> bool {
        self.heard.lock().get(&id).is_some_and(|heard| heard.at.elapsed() <= self.silence)
    }

    /// Volumes whose logged liveness is not what this node hears, with what it should be.
    pub fn disagreements(
        &self,
        leading_since: Instant,
    ) -> Result<Vec<(VolumeId, Liveness)>, Error> {
        let map = self.logged()?;
        let heard = self.heard.lock();
        let state_of = |id| match heard.get(&id) {
            Some(Heard { report, .. }) if report.failed.is_some() => Some(Liveness::Down),
            Some(Heard { at, .. }) if at.elapsed() <= self.silence => Some(Liveness::Up),
            // A new leader of the directory gives every volume the time to speak.
            _ if leading_since.elapsed() > self.silence => Some(Liveness::Down),
            _ => None,
        };
        let differs = |v: &model::Volume| {
            state_of(v.id).filter(|state| *state != v.liveness).map(|state| (v.id, state))
        };
        Ok(map.volumes.iter().filter_map(differs).collect())
    }
}
