//! The cluster, its metadata nodes, its policies and its partitions (in the directory alone).

use super::{Key, Kind, Record};
use model::{ClusterId, Method, Node, NodeId, PartitionId, PolicyName, Slot, SmallObjects};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    /// Grows with every change of the map.
    pub(crate) epoch: u64,
    pub(crate) default_policy: PolicyName,
    /// The number of the next new volume.
    pub(crate) next_volume: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    pub(crate) id: NodeId,
    pub(crate) address: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) name: PolicyName,
    pub(crate) method: Method,
    pub(crate) chunk_blocks: u32,
    pub(crate) small: Option<SmallObjects>,
}

/// The replicas of a data partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Members {
    pub(crate) id: PartitionId,
    pub(crate) nodes: Vec<NodeId>,
}

/// Which partition owns which slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slots(pub(crate) Vec<(Slot, PartitionId)>);

impl Record for Cluster {}
impl Record for NodeRecord {}
impl Record for PolicyRecord {}
impl Record for Members {}
impl Record for Slots {}

impl From<&Node> for NodeRecord {
    fn from(node: &Node) -> Self {
        Self { id: node.id, address: node.address.clone() }
    }
}

impl From<&model::Policy> for PolicyRecord {
    fn from(policy: &model::Policy) -> Self {
        Self {
            name: policy.name.clone(),
            method: policy.method,
            chunk_blocks: policy.chunk_blocks,
            small: policy.small.clone(),
        }
    }
}

impl From<PolicyRecord> for model::Policy {
    fn from(record: PolicyRecord) -> Self {
        Self {
            name: record.name,
            method: record.method,
            chunk_blocks: record.chunk_blocks,
            small: record.small,
        }
    }
}

pub(crate) fn key() -> Key {
    Key::new(Kind::Cluster)
}

pub(crate) fn nodes() -> Key {
    Key::new(Kind::Node)
}

pub(crate) fn node_key(id: NodeId) -> Key {
    nodes().u64(id.0)
}

pub(crate) fn policies() -> Key {
    Key::new(Kind::Policy)
}

pub(crate) fn policy_key(name: &PolicyName) -> Key {
    policies().name(name.as_str())
}

pub(crate) fn all_members() -> Key {
    Key::new(Kind::Members)
}

pub(crate) fn members_key(id: PartitionId) -> Key {
    all_members().u32(id.0)
}

pub(crate) fn slots_key() -> Key {
    Key::new(Kind::Slots)
}
