//! What readers found wrong with chunks.

use model::{ChunkName, Object, VolumeId};
use parking_lot::Mutex;
use recovery::Loss;
use serde::Serialize;
use std::{fmt, sync::Arc};

/// What was wrong with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DamageKind {
    /// Its server says it has no such chunk.
    Missing,
    /// Its bytes are not what they should be.
    Corrupt,
    /// Its bytes did not come.
    Slow,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Slow => "slow",
        })
    }
}

/// A chunk that a reader had to do without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The chunk.
    pub chunk: ChunkName,
    /// Where it should be.
    pub volume: VolumeId,
    /// What was wrong.
    pub kind: DamageKind,
    /// The same for people, with what was seen.
    pub detail: String,
}

/// The damages a download met so far. Cheap to clone; it stays readable when the download is
/// over.
#[derive(Debug, Clone, Default)]
pub struct Damages(Arc<Mutex<Vec<Damage>>>);

impl Damages {
    /// What was met so far.
    pub fn list(&self) -> Vec<Damage> {
        self.0.lock().clone()
    }

    /// Notes a loss, unless it says nothing about the chunk itself or is known already.
    pub(crate) fn note(&self, chunk: ChunkName, volume: VolumeId, loss: &Loss) {
        let kind = match loss {
            Loss::Missing => DamageKind::Missing,
            Loss::Corrupt(_) => DamageKind::Corrupt,
            Loss::Slow => DamageKind::Slow,
            Loss::Unreachable(_) => return,
        };
        let mut damages = self.0.lock();
        if !damages.iter().any(|d| d.chunk == chunk && d.volume == volume) {
            damages.push(Damage { chunk, volume, kind, detail: loss.to_string() });
        }
    }

    /// Those of chunks that the object still names.
    pub(crate) fn confirmed_by(&self, object: &Object) -> Vec<Damage> {
        let named = |damage: &Damage| {
            let mut chunks = object.extents().iter().flat_map(|extent| extent.chunks());
            chunks.any(|chunk| chunk == (damage.volume, damage.chunk))
        };
        self.list().into_iter().filter(named).collect()
    }
}
