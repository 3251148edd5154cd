//! What other metadata nodes ask of this one.

use super::{Services, refuse};
use crate::{
    partition::Partition,
    raft::{Raft, TypeConfig},
    standing::{seen_from, seen_to},
    witness::{Boot, Claim},
};
use bytes::Bytes;
use model::{Error, PartitionId};
use openraft::{
    Snapshot, Vote,
    error::{Fatal, RaftError},
    raft::{AppendEntriesRequest, SnapshotResponse, VoteRequest},
};
use proto::v1;
use serde::{Serialize, de::DeserializeOwned};
use state::{ContainerCounters, ContainerState};
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming};

/// The largest message between peers: a batch of log entries and its framing.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// The largest part of a snapshot: more than ours have.
const MAX_PART_BYTES: u64 = 1024 * 1024;

/// How long the sender of a snapshot may take for a part.
const PART_PATIENCE: Duration = Duration::from_secs(30);

/// The next part of a snapshot; the room that one took whose sender is gone is given back.
async fn next_part(
    parts: &mut Streaming<v1::SnapshotPart>,
) -> Result<Option<v1::SnapshotPart>, Status> {
    tokio::time::timeout(PART_PATIENCE, parts.message()).await.unwrap_or_else(|_| {
        Err(refuse(Error::unavailable("the sender of the snapshot says nothing any more")))
    })
}

impl Services {
    /// Who asks must mean this node and be of its cluster.
    fn check_meant(&self, message: &v1::AdmitRequest) -> Result<(), Error> {
        let id = self.0.id();
        if message.target != 0 && message.target != id.0 {
            return Err(Error::invalid(format!(
                "the message is for node {}, this is node {id}",
                message.target
            )));
        }
        let ours = self.0.0.identity.lock().cluster;
        let theirs = model::ClusterId::try_from(&message.cluster[..]).ok();
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(Error::invalid(format!(
                "node {id} is of cluster {ours}, and node {} of cluster {theirs}",
                message.id
            ))),
            _ => Ok(()),
        }
    }

    fn replica(&self, partition: u32, target: u64) -> Result<&Partition, Error> {
        if !self.0.0.standing.admitted() {
            return Err(Error::unavailable(format!(
                "node {} waits for its peers to admit it",
                self.0.id()
            )));
        }
        let partition = self.0.partition(PartitionId(partition))?;
        if !partition.is_on(target) {
            return Err(Error::invalid(format!(
                "the message is for node {target}, this is node {}",
                self.0.id()
            )));
        }
        Ok(partition)
    }

    /// Decodes a message of the library, has the replica answer it, and encodes the answer.
    async fn raft_call<Q: DeserializeOwned, A: Serialize>(
        &self,
        message: v1::RaftMessage,
        call: impl AsyncFnOnce(Raft, Q) -> Result<A, RaftError<u64>>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        let replica = self.replica(message.partition, message.target).map_err(refuse)?;
        let standing = &self.0.0.standing;
        standing.heard(message.sender.as_ref()).map_err(refuse)?;
        let request = postcard::from_bytes(&message.payload).map_err(|_| {
            refuse(Error::invalid("the message is not one of this version's consensus"))
        })?;
        let answer = call(replica.raft().clone(), request).await;
        let (payload, sender) = (encode(&answer)?, Some(standing.sender()));
        Ok(Response::new(v1::RaftMessage { payload, sender, ..message }))
    }
}

fn encode(answer: &impl Serialize) -> Result<Bytes, Status> {
    let encoded = postcard::to_stdvec(answer);
    encoded.map(Bytes::from).map_err(|e| refuse(Error::internal(e.to_string())))
}

#[tonic::async_trait]
impl v1::peer_server::Peer for Services {
    async fn identify(
        &self,
        _: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        let initialized = self.0.part_of_cluster().await;
        let cluster = self.0.0.identity.lock().cluster;
        Ok(Response::new(v1::IdentifyResponse {
            id: self.0.id().0,
            cluster: cluster.map(|c| c.0.to_vec()).unwrap_or_default(),
            initialized,
        }))
    }

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        let message = request.into_inner();
        self.check_meant(&message).map_err(refuse)?;
        let missing = || refuse(Error::invalid("the request names no boot"));
        let claim = Claim {
            node: message.id,
            boot: message.boot.ok_or_else(missing)?.into(),
            previous: message.previous.map(Boot::from),
            found: message.found,
        };
        let standing = &self.0.0.standing;
        let members: Vec<u64> = self.0.members().into_keys().collect();
        if !members.is_empty() && !members.contains(&message.id) {
            return Ok(Response::new(v1::AdmitResponse { members, ..Default::default() }));
        }
        // The claimant is not asked what is to be thought of it.
        let others = message.seen.iter().filter(|seen| seen.node != message.id);
        standing.learn(others.filter_map(seen_from));
        let judged = match message.takes_part {
            true => standing.admit(&claim).await,
            false => Ok(standing.judge(&claim)),
        };
        let judged = judged.map_err(|e| refuse(Error::unavailable(e.to_string())))?;
        if let Err(why) = &judged {
            tracing::error!(node = message.id, %why, "a metadata node is not admitted");
        }
        Ok(Response::new(v1::AdmitResponse {
            refused: judged.err().unwrap_or_default(),
            seen: standing.seen().into_iter().map(seen_to).collect(),
            members,
        }))
    }

    async fn append_entries(
        &self,
        request: Request<v1::RaftMessage>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        self.raft_call(request.into_inner(), async |raft, q: AppendEntriesRequest<TypeConfig>| {
            raft.append_entries(q).await
        })
        .await
    }

    async fn vote(
        &self,
        request: Request<v1::RaftMessage>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        self.raft_call(request.into_inner(), async |raft, q: VoteRequest<u64>| raft.vote(q).await)
            .await
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::SnapshotPart>>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        let mut parts = request.into_inner();
        let missing = || refuse(Error::invalid("the snapshot has no header"));
        let first = next_part(&mut parts).await?.ok_or_else(missing)?;
        let replica = self.replica(first.partition, first.target).map_err(refuse)?;
        self.0.0.standing.heard(first.sender.as_ref()).map_err(refuse)?;
        let (vote, meta): (Vote<u64>, _) =
            postcard::from_bytes(&first.header).map_err(|_| missing())?;
        let failed = |e: std::io::Error| refuse(Error::unavailable(e.to_string()));
        let snapshots = &self.0.0.snapshots[&replica.id()];
        let file = snapshots.receive().map_err(failed)?;
        let mut offset = 0;
        while let Some(part) = next_part(&mut parts).await? {
            self.check_room().map_err(refuse)?;
            let len = part.data.len() as u64;
            if len == 0 || len > MAX_PART_BYTES {
                return Err(refuse(Error::invalid(format!("a part of {len} bytes"))));
            }
            file.write(offset, part.data).await.map_err(failed)?;
            offset += len;
        }
        // Whole, checked and durable before the library hears of it: it cuts the log at once, and
        // takes a snapshot that cannot be installed for the end of the replica.
        let kept = file.keep(snapshots, &meta).await.map_err(failed)?;
        let snapshot = Snapshot { meta, snapshot: Box::new(kept) };
        let installed: Result<SnapshotResponse<u64>, Fatal<u64>> =
            replica.raft().install_full_snapshot(vote, snapshot).await;
        Ok(Response::new(v1::RaftMessage {
            partition: first.partition,
            target: first.target,
            payload: encode(&installed)?,
            sender: Some(self.0.0.standing.sender()),
        }))
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountStatesRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        let message = request.into_inner();
        let partition = self.0.partition(PartitionId(message.partition)).map_err(refuse)?;
        let states = message.states.into_iter().map(state_from).collect::<Result<_, _>>();
        let command = state::Command::ApplyContainerStates {
            source: PartitionId(message.source),
            states: states.map_err(refuse)?,
        };
        partition.propose(self.0.now(), None, command).await.map_err(refuse)?;
        Ok(Response::new(v1::Empty {}))
    }
}

fn state_from(message: v1::update_account_states_request::State) -> Result<ContainerState, Error> {
    Ok(ContainerState {
        index: message.index,
        account: message.account.parse()?,
        container: message.container.parse()?,
        counters: message.counters.map(|c| ContainerCounters {
            objects: c.objects,
            bytes: c.bytes,
            live_objects: c.live_objects,
            live_bytes: c.live_bytes,
            modified: c.modified,
        }),
    })
}
