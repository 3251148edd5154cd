//! Scans of the partition's chunk tables for the chunks of a volume.

use super::{Key, Kind, Record};
use crate::ScanCursor;
use model::VolumeId;
use serde::{Deserialize, Serialize};

/// A scan of a partition's chunk tables for the chunks of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeScan {
    /// The volume.
    pub volume: VolumeId,
    /// Where it goes on; none at the first row, and once it is finished.
    pub cursor: Option<ScanCursor>,
    /// Versions looked at.
    pub versions: u64,
    /// Chunks found and queued for repair.
    pub found: u64,
    /// Log time of its start, in microseconds.
    pub started: u64,
    /// Log time of its end, in microseconds.
    pub finished: Option<u64>,
}

impl Record for VolumeScan {}

pub(crate) fn all() -> Key {
    Key::new(Kind::VolumeScan)
}

pub(crate) fn key(volume: VolumeId) -> Key {
    all().u32(volume.0)
}
