//! How a cluster comes to be.
//!
//! Every metadata node is given the addresses of all. When each has met all the others and none
//! belongs to a cluster yet, the one with the lowest id founds it: it writes down the members,
//! then makes them the members of every partition. A node whose directory was wiped has a new
//! id and meets nodes that belong to a cluster: it founds nothing.

use crate::{Error, node::Node};
use model::{ClusterId, ClusterMap, NodeId};
use openraft::BasicNode;
use proto::v1;
use std::{collections::BTreeMap, time::Duration};

/// How long between two attempts to meet the others.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a node that cannot go on says why.
const TELL_EVERY: u32 = 50;

impl Node {
    /// Takes part in founding the cluster, if it does not exist, or asks to be let in again;
    /// returns once this node is a member of every partition it should be.
    ///
    /// # Errors
    /// The data directory cannot take part: it is an older copy, of another cluster, or new where
    /// a cluster exists without it.
    pub async fn found(&self) -> Result<(), Error> {
        self.ask_to_take_part().await?;
        if !self.initialized().await? {
            let members = self.meet().await?;
            if let Some(members) = members {
                self.initialize(members).await?;
            }
        }
        self.create_cluster().await?;
        self.check_peers().await
    }

    /// A data directory of another cluster among these peers would answer their clients: no peer
    /// that answers may belong to another cluster.
    async fn check_peers(&self) -> Result<(), Error> {
        let ours = self.0.identity.lock().cluster;
        for address in self.0.config.peers.iter().filter(|a| **a != self.0.config.address) {
            let Ok(mut peer) = self.0.peers.get(address) else { continue };
            let mut request = tonic::Request::new(v1::IdentifyRequest {});
            request.set_timeout(Duration::from_secs(2));
            let Ok(answer) = peer.identify(request).await else { continue };
            let theirs = ClusterId::try_from(&answer.into_inner().cluster[..]).ok();
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && ours != theirs
            {
                return Err(Error::Identity {
                    path: self.0.config.data_dir.clone(),
                    why: format!(
                        "it belongs to cluster {ours}, and its peer {address} to cluster \
                         {theirs}; check the data directory and the peers' addresses"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether any replica here was ever part of a cluster.
    pub(crate) async fn part_of_cluster(&self) -> bool {
        if self.0.identity.lock().cluster.is_some() {
            return true;
        }
        for partition in self.0.partitions.values() {
            if partition.raft().is_initialized().await.unwrap_or(true) {
                return true;
            }
        }
        false
    }

    /// Whether every replica here has a first entry.
    pub(crate) async fn initialized(&self) -> Result<bool, Error> {
        for partition in self.0.partitions.values() {
            let initialized = partition.raft().is_initialized().await;
            let failed = |e: openraft::error::Fatal<u64>| Error::Partition {
                partition: partition.id(),
                why: e.to_string(),
            };
            if !initialized.map_err(failed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until all the others answer. The members, if it is on this node to found.
    async fn meet(&self) -> Result<Option<Vec<(NodeId, String)>>, Error> {
        if let Some(founding) = self.0.identity.lock().founding.clone() {
            return Ok(Some(founding));
        }
        let mut round = 0u32;
        loop {
            // Another node may have founded the cluster meanwhile, with this one as a member.
            if self.initialized().await? {
                return Ok(None);
            }
            match self.identify_all().await {
                Ok(members) if members.first().map(|m| m.0) == Some(self.0.id) => {
                    return Ok(Some(members));
                }
                Ok(_) => {}
                Err(why) if round.is_multiple_of(TELL_EVERY) => {
                    tracing::info!(%why, "waiting for the other metadata nodes");
                }
                Err(_) => {}
            }
            round += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Every node's id and address, lowest id first.
    async fn identify_all(&self) -> Result<Vec<(NodeId, String)>, String> {
        let mut members = BTreeMap::new();
        for address in &self.0.config.peers {
            if *address == self.0.config.address {
                members.insert(self.0.id, address.clone());
                continue;
            }
            let mut peer = self.0.peers.get(address).map_err(|e| e.message)?;
            let mut request = tonic::Request::new(v1::IdentifyRequest {});
            request.set_timeout(Duration::from_secs(2));
            let answer = peer.identify(request).await;
            let failed = |s: tonic::Status| format!("{address}: {}", s.message());
            let answer = answer.map_err(failed)?.into_inner();
            if answer.initialized {
                return Err(format!(
                    "{address} belongs to a cluster already, and has not told this node of it"
                ));
            }
            if !self.0.standing.seen().iter().any(|(id, _)| *id == answer.id) {
                return Err(format!("{address} has not said yet that it takes part"));
            }
            members.insert(NodeId(answer.id), address.clone());
        }
        if members.len() != self.0.config.peers.len() {
            return Err("two of the peers' addresses lead to the same node".to_owned());
        }
        Ok(members.into_iter().collect())
    }

    async fn initialize(&self, members: Vec<(NodeId, String)>) -> Result<(), Error> {
        self.record(|identity| identity.founding = Some(members.clone()))?;
        let nodes: BTreeMap<u64, BasicNode> =
            members.iter().map(|(id, address)| (id.0, BasicNode::new(address))).collect();
        for partition in self.0.partitions.values() {
            let failed = |why: String| Error::Partition { partition: partition.id(), why };
            let raft = partition.raft();
            if !raft.is_initialized().await.map_err(|e| failed(e.to_string()))? {
                raft.initialize(nodes.clone()).await.map_err(|e| failed(e.to_string()))?;
            }
        }
        tracing::info!(members = members.len(), "the cluster's partitions are founded");
        Ok(())
    }

    /// The directory's leader writes the cluster's first record; the others wait for it.
    async fn create_cluster(&self) -> Result<(), Error> {
        loop {
            if let Ok(map) = self.0.registry.logged() {
                self.adopt(map.cluster)?;
                return self.tell_address(&map).await;
            }
            if self.directory().leads() {
                let command = self.first_command();
                if let Err(refusal) = self.directory().propose(self.now(), None, command).await {
                    tracing::warn!(?refusal, "the cluster's record could not be written yet");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A node that is alone may listen elsewhere after a restart: the map must say so, because
    /// clients go by it. Among several, the members' addresses are part of every group.
    async fn tell_address(&self, map: &ClusterMap) -> Result<(), Error> {
        let address = &self.0.config.address;
        let known = map.node(self.0.id).map(|node| node.address.as_str());
        if known == Some(address.as_str()) {
            return Ok(());
        }
        if map.nodes.len() > 1 {
            tracing::warn!(known, address, "the cluster knows this node under another address");
            return Ok(());
        }
        loop {
            if self.directory().leads() {
                let command =
                    state::Command::UpdateNode { id: self.0.id, address: address.clone() };
                match self.directory().propose(self.now(), None, command).await {
                    Ok(_) => return Ok(()),
                    Err(refusal) => tracing::warn!(?refusal, "the node's address is not told yet"),
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn first_command(&self) -> state::Command {
        let membership = self.directory().metrics().membership_config;
        let nodes = membership
            .nodes()
            .map(|(id, node)| model::Node { id: NodeId(*id), address: node.addr.clone() })
            .collect();
        state::Command::InitCluster(state::InitCluster {
            cluster: ClusterId(self.0.seams.bytes()),
            nodes,
            partitions: self.0.config.partitions,
            policies: self.0.config.all_policies(),
            default_policy: self.0.config.default_policy.clone(),
        })
    }

    /// Writes down which cluster this node belongs to, and refuses another one.
    fn adopt(&self, cluster: ClusterId) -> Result<(), Error> {
        let known = self.0.identity.lock().cluster;
        match known {
            Some(known) if known == cluster => Ok(()),
            Some(known) => Err(Error::Identity {
                path: self.0.config.data_dir.clone(),
                why: format!(
                    "it belongs to cluster {known}, and its peers to cluster {cluster}; check \
                     the peers' addresses"
                ),
            }),
            None => self.record(|identity| identity.cluster = Some(cluster)),
        }
    }
}
