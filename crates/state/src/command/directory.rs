//! Commands of the directory.

use model::{ClusterId, KeyHash, Location, Node, Policy, PolicyName, Role, UserName};
use serde::{Deserialize, Serialize};

/// Makes the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitCluster {
    /// Drawn by the proposer.
    pub cluster: ClusterId,
    /// The metadata nodes.
    pub nodes: Vec<Node>,
    /// How many data partitions there are: 1 to 4096.
    pub partitions: u32,
    /// The policies.
    pub policies: Vec<Policy>,
    /// The policy of containers that name none.
    pub default_policy: PolicyName,
}

/// Makes a volume known, or tells that it moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterVolume {
    /// The identity written on it.
    pub identity: String,
    /// Its server's address, `host:port`.
    pub address: String,
    /// Where it is.
    pub location: Location,
    /// Bytes it can hold.
    pub capacity: u64,
    /// Bytes free.
    pub free: u64,
    /// Whether it may take over from another address at which it is up: the leader says so when
    /// it has not heard of the volume from there lately. Otherwise a second volume with the same
    /// identity, a copied disk, is refused.
    pub take_over: bool,
}

/// Makes a user, or changes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutUser {
    /// Its name.
    pub name: UserName,
    /// What it may do; a change without one keeps the role it has.
    pub role: Option<Role>,
    /// The hash of its key; a change without one keeps the key it has.
    pub key: Option<KeyHash>,
    /// Whether it must be new (and then needs a role and a key), or must exist.
    pub create: bool,
}
