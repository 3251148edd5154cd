//! Leave that leaders give to read and write chunks, as chunk servers ask for it.

use crate::VolumeRef;
use http::HeaderValue;
use model::{BlobId, VolumeId};
use proto::v1;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::time::Instant;
use transport::{ANY_VOLUME, Capability};

/// What one answer of a leader lets its reader do: capabilities by blob and volume. Cheap to
/// clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Leave {
    capabilities: Arc<BTreeMap<(BlobId, VolumeId), Capability>>,
    /// From when on it is asked for anew; nothing where it lasts.
    stale: Option<Instant>,
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leave({})", self.capabilities.len())
    }
}

impl Leave {
    /// What came in an answer to what was asked at `asked`, good for so many seconds from then.
    pub(crate) fn new(given: Vec<v1::Capability>, seconds: u32, asked: Instant) -> Self {
        let capability = |m: v1::Capability| {
            let blob = BlobId::try_from(&m.blob[..]).ok()?;
            Some(((blob, VolumeId(m.volume)), Capability::from_bytes(&m.proof)?))
        };
        let lifetime = Duration::from_secs(seconds.into());
        Self {
            // What cannot be read is of no use, and is missed where it is needed.
            capabilities: Arc::new(given.into_iter().filter_map(capability).collect()),
            stale: (seconds > 0).then(|| asked + lifetime / 2),
        }
    }

    /// Whether it is time to ask for it anew. From then on it is good for as long again.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.is_some_and(|stale| Instant::now() >= stale)
    }

    /// What is shown for the chunks of a blob on a volume.
    pub(crate) fn header(&self, blob: &BlobId, volume: VolumeId) -> Option<HeaderValue> {
        let of = |volume| self.capabilities.get(&(*blob, volume));
        let capability = of(volume).or_else(|| of(ANY_VOLUME))?;
        let mut header = HeaderValue::from_str(&capability.to_text()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// The volumes of an answer, with the leave that came with them.
pub(crate) fn volumes_with_leave(
    volumes: Vec<v1::VolumeRef>,
    given: Vec<v1::Capability>,
    seconds: u32,
    asked: Instant,
) -> Vec<VolumeRef> {
    let leave = Leave::new(given, seconds, asked);
    volumes.into_iter().map(|m| VolumeRef { leave: leave.clone(), ..m.into() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use transport::{Secret, Verbs};

    #[tokio::test(start_paused = true)]
    async fn leave_is_for_a_blob_on_a_volume_and_grows_stale() {
        let (blob, volume) = (BlobId([1; 16]), VolumeId(2));
        let key = Secret::new([1; 32]).keys().capabilities;
        let proof = key.mint(&blob, volume, Verbs::GET, 100);
        let given = |proof: &[u8]| {
            vec![v1::Capability { blob: blob.0.to_vec(), volume: volume.0, proof: proof.to_vec() }]
        };
        let leave = Leave::new(given(proof.as_bytes()), 10, Instant::now());
        assert_eq!(leave.header(&blob, volume).unwrap(), proof.to_text().as_str());
        assert!(leave.header(&blob, volume).unwrap().is_sensitive());
        assert_eq!(leave.header(&blob, VolumeId(3)), None);
        assert_eq!(leave.header(&BlobId([2; 16]), volume), None);
        assert!(!leave.is_stale());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(leave.is_stale());
        assert!(!Leave::default().is_stale());
        let nonsense = Leave::new(given(b"nonsense"), 10, Instant::now());
        assert_eq!(nonsense.header(&blob, volume), None);
        assert!(!format!("{leave:?}").contains(&proof.to_text()));
    }
}
