//! What an operator decides, and what is put in from outside.

use crate::index::{OpenIndex, SledIndexes};
use disk::Disk;
use model::{ClusterId, Location};
use std::{path::PathBuf, sync::Arc};

/// A chunk server's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server remembers which volume it saw at which path.
    pub data_dir: PathBuf,
    /// The volumes it serves.
    pub volumes: Vec<VolumeConfig>,
    /// `host:port` under which others reach it.
    pub address: String,
    /// The cluster it belongs to, if that is known before the directory is asked.
    pub cluster: Option<ClusterId>,
    /// Bytes of each volume's file system that stay free, for deletes and for the file system
    /// itself. Otherwise 1 %, within 64 MiB and 4 GiB.
    pub reserve_bytes: Option<u64>,
    /// Whether directories that are missing or empty, and never held a volume, become volumes.
    pub format: bool,
}

/// One volume.
#[derive(Debug, Clone)]
pub struct VolumeConfig {
    /// Its directory, best the mount point of a disk of its own.
    pub path: PathBuf,
    /// Where the disk is.
    pub location: Location,
}

/// What a chunk server does not do by itself: disks, randomness, time, and what keeps its
/// indexes. A simulator puts its own in.
#[derive(Clone)]
pub struct Seams {
    /// The file systems.
    pub disk: Arc<dyn Disk>,
    /// 16 random bytes.
    pub random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    /// Milliseconds since 1970.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Where indexes of volumes are kept.
    pub indexes: Arc<dyn OpenIndex>,
}

impl Seams {
    /// The machine's own randomness, clock and index files, over a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        let now = || {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(0, |d| d.as_millis() as u64)
        };
        Self {
            disk,
            random: Arc::new(rand::random::<[u8; 16]>),
            now: Arc::new(now),
            indexes: Arc::new(SledIndexes),
        }
    }
}
