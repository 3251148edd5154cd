//! The cluster as a whole: its map, its volumes, its nodes.

use crate::{
    Error,
    metadata::{MAX_MESSAGE_BYTES, Metadata, Route, ask},
};
use futures::{StreamExt, stream};
use model::{Administrative, ClusterMap, Node, NodeId, PartitionId, Policy, Volume, VolumeId};
use proto::v1::{self, directory_client::DirectoryClient};
use serde::Serialize;
use std::sync::Arc;

/// The calls of operators. From [`Client::cluster`](crate::Client::cluster).
#[derive(Clone)]
pub struct Cluster {
    pub(crate) metadata: Arc<Metadata>,
}

/// How the metadata of one node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// The node.
    pub id: NodeId,
    /// The version of its software.
    pub version: String,
    /// The replicas it hosts.
    pub replicas: Vec<ReplicaStatus>,
}

/// How a replica of a partition is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicaStatus {
    /// Its partition.
    pub partition: PartitionId,
    /// `leader`, `follower`, `learner`, `candidate` or `shutdown`.
    pub state: String,
    /// The leader it follows.
    pub leader: Option<NodeId>,
    /// The term it is in.
    pub term: u64,
    /// The last entry of its log.
    pub last_log: u64,
    /// The last entry it applied.
    pub applied: u64,
    /// The last entry its snapshot holds.
    pub snapshot: u64,
    /// Chunks that wait to be deleted.
    pub deletions_queued: u64,
    /// Metachunks that wait to be repaired.
    pub repairs_queued: u64,
    /// Of a leader: what it repaired since it leads.
    pub repairs: Option<RepairStatus>,
    /// The searches for chunks on lost volumes.
    pub searches: Vec<SearchStatus>,
}

/// What the leader of a partition repaired since it leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairStatus {
    /// Chunks made anew.
    pub repaired: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Bytes of the chunks made anew.
    pub bytes: u64,
    /// The same a second, lately.
    pub bytes_per_second: u64,
    /// Metachunks at work.
    pub active: u64,
    /// Metachunks that wait for another try, or for a volume.
    pub postponed: u64,
    /// Why nothing is rebuilt, if nothing is.
    pub paused: Option<String>,
    /// Why the last try failed, if one did.
    pub trouble: Option<String>,
    /// Metachunks that no volume can take a chunk of, until another one comes.
    pub without_target: u64,
    /// Metachunks of which too few chunks are left, unless a volume comes back.
    pub unreadable: u64,
}

/// A partition's search for the chunks of a lost volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchStatus {
    /// The volume.
    pub volume: VolumeId,
    /// Whether it is done.
    pub done: bool,
    /// How far it is, in thousandths.
    pub permille: u32,
    /// Versions of objects looked at.
    pub versions: u64,
    /// Chunks found.
    pub chunks: u64,
}

/// What a node said of itself, or why it did not.
#[derive(Debug)]
pub struct NodeReport {
    /// The node.
    pub node: Node,
    /// Its status.
    pub status: Result<NodeStatus, Error>,
}

const DIRECTORY: Route = Route::Partition(PartitionId::DIRECTORY);

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 16;

impl Cluster {
    /// The map as the directory's leader has it now.
    pub async fn map(&self) -> Result<Arc<ClusterMap>, Error> {
        let request = v1::GetMapRequest { leader: true };
        let answer =
            ask!(self.metadata, DIRECTORY, Read, DirectoryClient::get_map, request).await?;
        self.metadata.remember(answer)
    }

    /// The map as any node last saw it, at most about ten seconds old.
    pub async fn cached_map(&self) -> Result<Arc<ClusterMap>, Error> {
        self.metadata.map().await
    }

    /// The volumes, in the order of their numbers.
    pub async fn volumes(&self) -> Result<Vec<Volume>, Error> {
        Ok(self.map().await?.volumes.clone())
    }

    /// How every metadata node is, as it says itself.
    ///
    /// # Errors
    /// No map can be had, or the caller may not ask.
    pub async fn status(&self) -> Result<Vec<NodeReport>, Error> {
        let nodes = self.metadata.map().await?.nodes.clone();
        let asking = nodes
            .into_iter()
            .map(|node| async move { NodeReport { status: self.status_of(&node).await, node } });
        let mut reports: Vec<NodeReport> =
            stream::iter(asking).buffered(NODES_AT_ONCE).collect().await;
        let denied = |report: &NodeReport| matches!(report.status, Err(Error::Denied(_)));
        match reports.iter().position(denied).map(|at| reports.swap_remove(at).status) {
            Some(Err(error)) => Err(error),
            _ => Ok(reports),
        }
    }

    async fn status_of(&self, node: &Node) -> Result<NodeStatus, Error> {
        let send = |channel| async move {
            DirectoryClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .get_status(v1::GetStatusRequest {})
                .await
        };
        let answer = self.metadata.attempt(&node.address, self.metadata.end_of_call(), &send).await;
        let answer = answer.map_err(|refusal| match refusal.repeat {
            true => Error::unavailable(format!("node {}: {}", node.id, refusal.error)),
            false => refusal.error.into(),
        })?;
        Ok(answer.into())
    }

    /// Sets what is wanted of a volume.
    pub async fn set_volume(
        &self,
        volume: VolumeId,
        administrative: Administrative,
    ) -> Result<(), Error> {
        self.change_volume(volume, administrative, false).await
    }

    /// Says that a volume is lost: its chunks are made anew elsewhere. Refused (conflict) for one
    /// that is up, unless forced.
    pub async fn rebuild_volume(&self, volume: VolumeId, force: bool) -> Result<(), Error> {
        self.change_volume(volume, Administrative::Out, force).await
    }

    async fn change_volume(
        &self,
        volume: VolumeId,
        administrative: Administrative,
        force: bool,
    ) -> Result<(), Error> {
        let request = v1::SetVolumeRequest {
            request_id: self.metadata.request_id(),
            id: volume.0,
            administrative: v1::Administrative::from(administrative).into(),
            force,
        };
        ask!(self.metadata, DIRECTORY, Write, DirectoryClient::set_volume, request).await?;
        Ok(())
    }

    /// Keeps new chunks off a volume.
    pub async fn lock_volume(&self, volume: VolumeId) -> Result<(), Error> {
        self.set_volume(volume, Administrative::Locked).await
    }

    /// Lets a volume take chunks again.
    pub async fn unlock_volume(&self, volume: VolumeId) -> Result<(), Error> {
        self.set_volume(volume, Administrative::In).await
    }

    /// Adds a policy or replaces the one of its name, and makes it the default on request.
    pub async fn set_policy(&self, policy: Policy, make_default: bool) -> Result<(), Error> {
        let request = v1::SetPolicyRequest {
            request_id: self.metadata.request_id(),
            policy: Some(policy.checked()?.into()),
            make_default,
        };
        ask!(self.metadata, DIRECTORY, Write, DirectoryClient::set_policy, request).await?;
        Ok(())
    }
}

impl From<v1::NodeStatus> for NodeStatus {
    fn from(m: v1::NodeStatus) -> Self {
        let replica = |r: v1::node_status::Replica| ReplicaStatus {
            partition: PartitionId(r.partition),
            state: r.state,
            leader: r.leader.map(NodeId),
            term: r.term,
            last_log: r.last_log,
            applied: r.applied,
            snapshot: r.snapshot,
            deletions_queued: r.deletions_queued,
            repairs_queued: r.repairs_queued,
            repairs: r.repairs.map(Into::into),
            searches: r.searches.into_iter().map(Into::into).collect(),
        };
        Self {
            id: NodeId(m.id),
            version: m.version,
            replicas: m.replicas.into_iter().map(replica).collect(),
        }
    }
}

impl From<v1::node_status::Repairs> for RepairStatus {
    fn from(m: v1::node_status::Repairs) -> Self {
        let said = |text: String| (!text.is_empty()).then_some(text);
        Self {
            repaired: m.repaired,
            failed: m.failed,
            bytes: m.bytes,
            bytes_per_second: m.bytes_per_second,
            active: m.active,
            postponed: m.postponed,
            paused: said(m.paused),
            trouble: said(m.trouble),
            without_target: m.without_target,
            unreadable: m.unreadable,
        }
    }
}

impl From<v1::node_status::Search> for SearchStatus {
    fn from(m: v1::node_status::Search) -> Self {
        Self {
            volume: VolumeId(m.volume),
            done: m.done,
            permille: m.permille,
            versions: m.versions,
            chunks: m.chunks,
        }
    }
}
