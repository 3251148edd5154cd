//! The cluster map: what exists, where, and in which state.

use crate::{
    ClusterId, Error, ErrorKind, Location, NodeId, PartitionId, Policy, PolicyName, Slot, Subject,
    VolumeId,
};
use serde::{Deserialize, Serialize};

/// Whether a volume answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// Its server sends heartbeats and the volume works.
    Up,
    /// Nothing was heard for the grace period, or the volume failed.
    Down,
}

/// What the operator wants of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Administrative {
    /// It takes new chunks.
    In,
    /// It takes no new chunks and keeps what it has.
    Locked,
    /// Its chunks move elsewhere.
    Draining,
    /// It holds nothing any more; its chunks count as lost.
    Out,
}

/// A volume of a chunk server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its number.
    pub id: VolumeId,
    /// The identity written on it when it was formatted, in hexadecimal.
    pub identity: String,
    /// Its chunk server's address, `host:port`.
    pub address: String,
    /// Where it is.
    pub location: Location,
    /// Bytes it can hold.
    pub capacity: u64,
    /// Bytes free, as last reported.
    pub free: u64,
    /// 0 (takes nothing) to 100, from free space, load and recent errors.
    pub score: u8,
    /// Whether it answers.
    pub liveness: Liveness,
    /// What the operator wants of it.
    pub administrative: Administrative,
}

impl Volume {
    /// Whether new chunks may go to it.
    pub fn takes_chunks(&self) -> bool {
        self.liveness == Liveness::Up && self.administrative == Administrative::In && self.score > 0
    }
}

/// What a chunk server says of one volume in a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeReport {
    /// Its number.
    pub id: VolumeId,
    /// Bytes it can hold.
    pub capacity: u64,
    /// Bytes free.
    pub free: u64,
    /// 0 to 100.
    pub score: u8,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// A metadata node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Where it listens, `host:port`.
    pub address: String,
}

/// A partition and the nodes that keep a replica of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its number.
    pub id: PartitionId,
    /// Its replicas.
    pub members: Vec<NodeId>,
}

/// Which partition owns which slot: ranges in order, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTable(Vec<(Slot, PartitionId)>);

impl PartitionTable {
    /// The 65,536 slots in `count` equal ranges for the partitions 1 to `count`.
    pub fn even(count: u32) -> Self {
        let first = |n: u32| Slot((u64::from(n) * 65_536 / u64::from(count.max(1))) as u16);
        Self((0..count.max(1)).map(|n| (first(n), PartitionId(n + 1))).collect())
    }

    /// The ranges: each one's first slot and its partition.
    pub fn ranges(&self) -> &[(Slot, PartitionId)] {
        &self.0
    }

    /// From ranges as [`PartitionTable::ranges`] gives them.
    pub fn from_ranges(ranges: Vec<(Slot, PartitionId)>) -> Result<Self, Error> {
        let ordered = ranges.windows(2).all(|w| w[0].0 < w[1].0);
        if !ordered || ranges.first().is_none_or(|(slot, _)| *slot != Slot(0)) {
            return Err(Error::internal("the partition table does not cover every slot once"));
        }
        Ok(Self(ranges))
    }

    /// The partition that owns a slot.
    pub fn partition_of(&self, slot: Slot) -> PartitionId {
        let after = self.0.partition_point(|(first, _)| *first <= slot);
        after.checked_sub(1).and_then(|at| self.0.get(at)).map_or(PartitionId(1), |(_, id)| *id)
    }
}

/// The cluster as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMap {
    /// Grows with every logged change.
    pub epoch: u64,
    /// The cluster.
    pub cluster: ClusterId,
    /// Metadata nodes.
    pub nodes: Vec<Node>,
    /// Volumes, in the order of their numbers.
    pub volumes: Vec<Volume>,
    /// Policies, in the order of their names.
    pub policies: Vec<Policy>,
    /// The policy of containers that name none.
    pub default_policy: PolicyName,
    /// The data partitions (the directory has the same members as its nodes).
    pub partitions: Vec<Partition>,
    /// Who owns which slot.
    pub slots: PartitionTable,
}

impl ClusterMap {
    /// The volume with a number.
    pub fn volume(&self, id: VolumeId) -> Option<&Volume> {
        self.volumes.binary_search_by_key(&id, |v| v.id).ok().and_then(|at| self.volumes.get(at))
    }

    /// The metadata node with an id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|n| n.id == id)
    }

    /// The policy of a name, or an error that lists the names there are.
    pub fn policy(&self, name: &PolicyName) -> Result<&Policy, Error> {
        self.policies.iter().find(|p| p.name == *name).ok_or_else(|| {
            let known: Vec<_> = self.policies.iter().map(|p| p.name.as_str()).collect();
            Error::new(
                ErrorKind::Invalid,
                Subject::Policy,
                format!("there is no policy {name}; this cluster has {}", known.join(", ")),
            )
        })
    }

    /// The policy for an object: the one asked for, or the container's, or the default; and
    /// the one it hands small objects to, if the size is known and small.
    pub fn choose_policy(
        &self,
        asked: Option<&PolicyName>,
        container: Option<&PolicyName>,
        size: Option<u64>,
    ) -> Result<&Policy, Error> {
        let policy = self.policy(asked.or(container).unwrap_or(&self.default_policy))?;
        match (&policy.small, size) {
            (Some(small), Some(size)) if size <= small.bytes => self.policy(&small.policy),
            _ => Ok(policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_partition_in_fair_ranges() {
        for count in [1, 3, 16, 65_536] {
            let table = PartitionTable::even(count);
            let mut counts = std::collections::BTreeMap::<u32, u32>::new();
            for slot in 0..=u16::MAX {
                *counts.entry(table.partition_of(Slot(slot)).0).or_default() += 1;
            }
            assert_eq!(counts.len() as u32, count);
            let (low, high) = (counts.values().min().unwrap(), counts.values().max().unwrap());
            assert!(high - low <= 1, "{low} {high}");
            assert_eq!(PartitionTable::from_ranges(table.ranges().to_vec()).unwrap(), table);
        }
        assert!(PartitionTable::from_ranges(vec![(Slot(1), PartitionId(1))]).is_err());
    }
}
