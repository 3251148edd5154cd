//! What an operator decides about a metadata node.

use model::{Policy, PolicyName};
use std::{path::PathBuf, time::Duration};

/// Settings of a metadata node.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where log, state and snapshots are kept.
    pub data_dir: PathBuf,
    /// The address under which clients and peers reach this node, `host:port`.
    pub address: String,
    /// The addresses of all metadata nodes of the cluster, this one among them. They are asked
    /// for only until the cluster exists.
    pub peers: Vec<String>,
    /// Data partitions of a new cluster.
    pub partitions: u32,
    /// Policies of a new cluster beside the built-in ones; one with the name of a built-in one
    /// replaces it.
    pub policies: Vec<Policy>,
    /// The policy of containers that name none, in a new cluster.
    pub default_policy: PolicyName,
    /// How long deleted chunks stay for readers that are still at them.
    pub delete_grace: Duration,
    /// How long a volume may be silent before it counts as down.
    pub volume_silence: Duration,
    /// How long a volume may be down before its chunks count as lost and are made anew elsewhere.
    pub volume_grace: Duration,
    /// Metachunks that the partitions led by this node repair at once.
    pub repairs_at_once: usize,
    /// Memory for the state stores' caches, in bytes.
    pub cache_bytes: u64,
    /// Log written since a partition's last snapshot that calls for the next one, in bytes.
    pub snapshot_log_bytes: u64,
    /// Bytes that a segment of the log is preallocated to; 1 KiB to 1 GiB.
    pub log_segment_bytes: u64,
    /// How long a token is good, and with it a user who was deleted or whose key was changed.
    pub token_lifetime: Duration,
    /// How long a capability for chunks is good.
    pub capability_lifetime: Duration,
    /// Free bytes of the data directory's file system below which only deletes are taken.
    pub reserve_bytes: u64,
}

impl Config {
    /// The number of partitions of a new cluster, unless the operator says otherwise: enough
    /// to spread over the nodes of a middling cluster, few enough to cost a laptop nothing.
    pub const DEFAULT_PARTITIONS: u32 = 16;

    /// Defaults for a node with this data directory, reached at `address`, alone.
    pub fn new(data_dir: PathBuf, address: String, default_policy: PolicyName) -> Self {
        Self {
            data_dir,
            peers: vec![address.clone()],
            address,
            partitions: Self::DEFAULT_PARTITIONS,
            policies: Vec::new(),
            default_policy,
            delete_grace: Duration::from_secs(15 * 60),
            volume_silence: Duration::from_secs(5),
            // Longer than a machine takes to start again, and short beside what a second loss costs.
            volume_grace: Duration::from_secs(15 * 60),
            repairs_at_once: 8,
            cache_bytes: 32 * 1024 * 1024,
            snapshot_log_bytes: 64 * 1024 * 1024,
            log_segment_bytes: 64 * 1024 * 1024,
            token_lifetime: Duration::from_secs(15 * 60),
            capability_lifetime: Duration::from_secs(60 * 60),
            reserve_bytes: 256 * 1024 * 1024,
        }
    }

    /// The policies of a new cluster: the built-in ones and the operator's.
    pub(crate) fn all_policies(&self) -> Vec<Policy> {
        let replaced = |p: &Policy| self.policies.iter().any(|own| own.name == p.name);
        let mut all: Vec<_> = Policy::built_in().into_iter().filter(|p| !replaced(p)).collect();
        all.extend(self.policies.iter().cloned());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
