//! The cluster map and what it consists of.

use super::{missing, narrow};
use crate::v1;
use model::{
    Administrative, ClusterId, ClusterMap, Error, Liveness, Node, NodeId, Partition, PartitionId,
    PartitionTable, Policy, Slot, SmallObjects, Volume, VolumeId,
};

impl TryFrom<v1::Administrative> for Administrative {
    type Error = Error;
    fn try_from(m: v1::Administrative) -> Result<Self, Error> {
        Ok(match m {
            v1::Administrative::Unspecified => return Err(missing("administrative state")),
            v1::Administrative::In => Self::In,
            v1::Administrative::Locked => Self::Locked,
            v1::Administrative::Draining => Self::Draining,
            v1::Administrative::Out => Self::Out,
        })
    }
}

impl From<Administrative> for v1::Administrative {
    fn from(a: Administrative) -> Self {
        match a {
            Administrative::In => Self::In,
            Administrative::Locked => Self::Locked,
            Administrative::Draining => Self::Draining,
            Administrative::Out => Self::Out,
        }
    }
}

impl TryFrom<v1::Volume> for Volume {
    type Error = Error;
    fn try_from(m: v1::Volume) -> Result<Self, Error> {
        Ok(Self {
            id: VolumeId(m.id),
            administrative: m.administrative().try_into()?,
            identity: m.identity,
            address: m.address,
            location: m.location.parse()?,
            capacity: m.capacity,
            free: m.free,
            score: narrow(m.score.min(100), "score")?,
            liveness: if m.up { Liveness::Up } else { Liveness::Down },
        })
    }
}

impl From<Volume> for v1::Volume {
    fn from(v: Volume) -> Self {
        Self {
            id: v.id.0,
            identity: v.identity,
            address: v.address,
            location: v.location.to_string(),
            capacity: v.capacity,
            free: v.free,
            score: v.score.into(),
            up: v.liveness == Liveness::Up,
            administrative: v1::Administrative::from(v.administrative).into(),
        }
    }
}

impl TryFrom<v1::Policy> for Policy {
    type Error = Error;
    fn try_from(m: v1::Policy) -> Result<Self, Error> {
        let small = match (m.small_bytes, m.small_policy) {
            (Some(bytes), Some(policy)) => Some(SmallObjects { bytes, policy: policy.parse()? }),
            (None, None) => None,
            _ => return Err(missing("small_bytes or small_policy: they go together")),
        };
        Self {
            name: m.name.parse()?,
            method: m.chunk_method.parse()?,
            chunk_blocks: m.chunk_blocks,
            small,
        }
        .checked()
    }
}

impl From<Policy> for v1::Policy {
    fn from(p: Policy) -> Self {
        let (small_bytes, small_policy) = p.small.map(|s| (s.bytes, s.policy.to_string())).unzip();
        Self {
            name: p.name.to_string(),
            chunk_method: p.method.to_string(),
            chunk_blocks: p.chunk_blocks,
            small_bytes,
            small_policy,
        }
    }
}

impl TryFrom<v1::ClusterMap> for ClusterMap {
    type Error = Error;
    fn try_from(m: v1::ClusterMap) -> Result<Self, Error> {
        let slot =
            |r: v1::SlotRange| Ok((Slot(narrow(r.first, "slot")?), PartitionId(r.partition)));
        Ok(Self {
            epoch: m.epoch,
            cluster: ClusterId::try_from(&m.cluster[..])?,
            nodes: m
                .nodes
                .into_iter()
                .map(|n| Node { id: NodeId(n.id), address: n.address })
                .collect(),
            volumes: m.volumes.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            policies: m.policies.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            default_policy: m.default_policy.parse()?,
            partitions: m
                .partitions
                .into_iter()
                .map(|p| Partition {
                    id: PartitionId(p.id),
                    members: p.members.into_iter().map(NodeId).collect(),
                })
                .collect(),
            slots: PartitionTable::from_ranges(
                m.slots.into_iter().map(slot).collect::<Result<_, Error>>()?,
            )?,
        })
    }
}

impl From<ClusterMap> for v1::ClusterMap {
    fn from(map: ClusterMap) -> Self {
        Self {
            epoch: map.epoch,
            cluster: map.cluster.0.to_vec(),
            nodes: map
                .nodes
                .into_iter()
                .map(|n| v1::Node { id: n.id.0, address: n.address })
                .collect(),
            volumes: map.volumes.into_iter().map(Into::into).collect(),
            policies: map.policies.into_iter().map(Into::into).collect(),
            default_policy: map.default_policy.to_string(),
            partitions: map
                .partitions
                .into_iter()
                .map(|p| v1::Partition {
                    id: p.id.0,
                    members: p.members.into_iter().map(|n| n.0).collect(),
                })
                .collect(),
            slots: map
                .slots
                .ranges()
                .iter()
                .map(|(first, partition)| v1::SlotRange {
                    first: first.0.into(),
                    partition: partition.0,
                })
                .collect(),
        }
    }
}
