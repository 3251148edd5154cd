//! The cluster map.

use crate::{
    Failure, Fatal,
    kv::{self, Record, cluster, key::Key, volume},
};
use model::{ClusterMap, Node, Partition, PartitionTable, VolumeId};
use store::Read;

/// The cluster map, once there is a cluster. Scores are not part of the state: every volume's
/// is 100 here.
pub fn cluster_map(view: &dyn Read) -> Result<Option<ClusterMap>, Failure> {
    let Some(record) = kv::get::<cluster::Cluster>(view, cluster::key().as_bytes())? else {
        return Ok(None);
    };
    let nodes: Vec<cluster::NodeRecord> = all(view, &cluster::nodes())?;
    let volumes: Vec<volume::VolumeRecord> = all(view, &volume::all())?;
    let policies: Vec<cluster::PolicyRecord> = all(view, &cluster::policies())?;
    let members: Vec<cluster::Members> = all(view, &cluster::all_members())?;
    let key = cluster::slots_key();
    let slots: Option<cluster::Slots> = kv::get(view, key.as_bytes())?;
    let ranges = slots.ok_or_else(|| kv::unreadable(key.as_bytes(), "it is missing".into()))?.0;
    Ok(Some(ClusterMap {
        epoch: record.epoch,
        cluster: record.id,
        nodes: nodes.into_iter().map(|n| Node { id: n.id, address: n.address }).collect(),
        volumes: volumes.into_iter().map(Into::into).collect(),
        policies: policies.into_iter().map(Into::into).collect(),
        default_policy: record.default_policy,
        partitions: members.into_iter().map(|m| Partition { id: m.id, members: m.nodes }).collect(),
        slots: PartitionTable::from_ranges(ranges)
            .map_err(|e| kv::unreadable(key.as_bytes(), e.message))?,
    }))
}

/// The number of the volume with an identity, if one is registered.
pub fn volume_by_identity(view: &dyn Read, identity: &str) -> Result<Option<VolumeId>, Failure> {
    let number: Option<volume::Number> = kv::get(view, volume::identity_key(identity).as_bytes())?;
    Ok(number.map(|n| n.0))
}

fn all<R: Record>(view: &dyn Read, prefix: &Key) -> Result<Vec<R>, Fatal> {
    let decode = |pair: Result<store::Pair, store::Error>| {
        let (key, value) = pair?;
        kv::decode(&key, &value)
    };
    kv::scan(view, prefix).map(decode).collect()
}
