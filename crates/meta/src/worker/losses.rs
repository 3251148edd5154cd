//! Which volumes count as lost: those that are out, and those that are down for longer than the
//! grace period.

use crate::node::Node;
use model::{Administrative, ClusterMap, Error, Liveness, VolumeId};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::time::Instant;

/// Above this share of volumes that are down nothing is rebuilt: it is rather the network, or a
/// room without power, and what would be made anew elsewhere is not lost.
const MAX_DOWN_PERCENT: usize = 20;

/// What a node knows of volumes that are down, and since when. A node that starts counts from
/// its start: it waits longer rather than shorter.
#[derive(Debug, Default)]
pub struct Losses {
    since: Mutex<BTreeMap<VolumeId, Instant>>,
}

/// The cluster as repair sees it.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The map, with the volumes' latest reports.
    pub map: Arc<ClusterMap>,
    /// Volumes whose chunks are lost.
    pub lost: BTreeSet<VolumeId>,
    /// Why nothing is rebuilt, if nothing is.
    pub paused: Option<String>,
}

impl Losses {
    /// Looks at the volumes. Those in `before` were lost when last looked at, by whichever node,
    /// and are so until they are up.
    pub fn look(&self, node: &Node, before: &[VolumeId]) -> Result<Outlook, Error> {
        let map = node.0.registry.map()?;
        let logged = node.0.registry.logged()?;
        let down = |id| logged.volume(id).is_some_and(|v| v.liveness == Liveness::Down);
        let mut since = self.since.lock();
        since.retain(|id, _| down(*id));
        let grace = node.0.config.volume_grace;
        let mut lost = BTreeSet::new();
        for volume in &logged.volumes {
            let id = volume.id;
            let long = down(id) && {
                let at = *since.entry(id).or_insert_with(Instant::now);
                at.elapsed() >= grace || before.contains(&id)
            };
            if long || volume.administrative == Administrative::Out {
                lost.insert(id);
            }
        }
        let paused = paused(&logged);
        Ok(Outlook { map, lost, paused })
    }
}

/// Why nothing is to be rebuilt. Volumes that are out do not count: an operator who sets them out
/// says that they are lost. One volume alone never pauses, however small the cluster.
fn paused(map: &ClusterMap) -> Option<String> {
    let counted = || map.volumes.iter().filter(|v| v.administrative != Administrative::Out);
    let down = counted().filter(|v| v.liveness == Liveness::Down).count();
    let all = counted().count();
    (down > 1 && down * 100 > all * MAX_DOWN_PERCENT).then(|| {
        format!(
            "{down} of {all} volumes are down: nothing is rebuilt while more than \
             {MAX_DOWN_PERCENT} % are; bring them back, or set those that are lost out with \
             `cairn volume rebuild`"
        )
    })
}
