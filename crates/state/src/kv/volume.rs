//! Volumes by number, and their numbers by identity (in the directory alone).

use super::{Key, Kind, Record};
use model::{Administrative, Liveness, Location, VolumeId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeRecord {
    pub(crate) id: VolumeId,
    pub(crate) identity: String,
    pub(crate) address: String,
    pub(crate) location: Location,
    pub(crate) capacity: u64,
    pub(crate) free: u64,
    pub(crate) liveness: Liveness,
    pub(crate) administrative: Administrative,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Number(pub(crate) VolumeId);

impl Record for VolumeRecord {}
impl Record for Number {}

impl From<VolumeRecord> for model::Volume {
    fn from(record: VolumeRecord) -> Self {
        Self {
            id: record.id,
            identity: record.identity,
            address: record.address,
            location: record.location,
            capacity: record.capacity,
            free: record.free,
            // Scores are not logged: whoever hears heartbeats lays them over the map.
            score: 100,
            liveness: record.liveness,
            administrative: record.administrative,
        }
    }
}

pub(crate) fn all() -> Key {
    Key::new(Kind::Volume)
}

pub(crate) fn key(id: VolumeId) -> Key {
    all().u32(id.0)
}

pub(crate) fn identity_key(identity: &str) -> Key {
    Key::new(Kind::VolumeIdentity).name(identity)
}
