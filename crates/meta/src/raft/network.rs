//! Consensus messages to other nodes, over the `Peer` service.

use super::{SnapshotFile, TypeConfig};
use crate::{peers::Peers, standing::Standing};
use bytes::Bytes;
use model::PartitionId;
use openraft::{
    AnyError, BasicNode, OptionalSend, RaftNetwork, RaftNetworkFactory, Snapshot, Vote,
    error::{
        Fatal, NetworkError, RPCError, RaftError, RemoteError, ReplicationClosed, StreamingError,
        Unreachable,
    },
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
    },
};
use proto::v1;
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, sync::Arc, time::Duration};

/// Bytes of a snapshot in one message.
const PART_BYTES: usize = 256 * 1024;

/// Parts of a snapshot read ahead of the network.
const PARTS_AHEAD: usize = 4;

/// How long a whole snapshot may take.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(600);

type Rpc<T> = Result<T, RPCError<u64, BasicNode, RaftError<u64>>>;

/// Makes connections for one partition.
#[derive(Clone)]
pub struct Network {
    partition: PartitionId,
    peers: Arc<Peers>,
    standing: Arc<Standing>,
}

impl Network {
    /// Messages of `partition` go through `peers`, once this node's standing allows it.
    pub fn new(partition: PartitionId, peers: Arc<Peers>, standing: Arc<Standing>) -> Self {
        Self { partition, peers, standing }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        Connection {
            partition: self.partition,
            target,
            address: node.addr.clone(),
            peers: self.peers.clone(),
            standing: self.standing.clone(),
        }
    }
}

/// One partition's way to one other node.
pub struct Connection {
    partition: PartitionId,
    target: u64,
    address: String,
    peers: Arc<Peers>,
    standing: Arc<Standing>,
}

/// What a server answers: the library's own result.
type Answer<T> = Result<T, RaftError<u64>>;

impl Connection {
    fn message(&self, payload: Bytes) -> v1::RaftMessage {
        let sender = Some(self.standing.sender());
        v1::RaftMessage { partition: self.partition.0, target: self.target, payload, sender }
    }

    /// Until its peers have admitted it, a node says nothing to them: neither as a candidate,
    /// nor as the leader that it may have been.
    fn check_admitted(&self) -> Result<(), Unreachable> {
        if self.standing.admitted() {
            return Ok(());
        }
        Err(Unreachable::new(&AnyError::error("this node's peers have not admitted it yet")))
    }

    /// Sends a request in the library's own encoding and decodes the answer.
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        request: &Q,
        option: &RPCOption,
        send: impl AsyncFnOnce(
            crate::peers::PeerChannel,
            tonic::Request<v1::RaftMessage>,
        ) -> Result<tonic::Response<v1::RaftMessage>, tonic::Status>,
    ) -> Rpc<A> {
        self.check_admitted()?;
        let payload = postcard::to_stdvec(request).map_err(|e| NetworkError::new(&e))?;
        let mut message = tonic::Request::new(self.message(payload.into()));
        message.set_timeout(option.hard_ttl());
        let peer = self.peers.get(&self.address).map_err(|e| Unreachable::new(&e))?;
        let sent = send(peer, message).await;
        let response = sent.map_err(|status| Unreachable::new(&AnyError::error(&status)))?;
        let response = response.into_inner();
        self.standing.heard(response.sender.as_ref()).map_err(|e| Unreachable::new(&e))?;
        let answer: Answer<A> =
            postcard::from_bytes(&response.payload).map_err(|e| NetworkError::new(&e))?;
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

/// A failed call makes the library back off before it tries the node again.
fn unreachable<E: From<Unreachable>>(status: &tonic::Status) -> E {
    Unreachable::new(&AnyError::error(status)).into()
}

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<u64>> {
        self.call(&request, &option, async |mut peer, message| peer.append_entries(message).await)
            .await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<u64>> {
        self.call(&request, &option, async |mut peer, message| peer.vote(message).await).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<u64>,
        snapshot: Snapshot<TypeConfig>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<TypeConfig, Fatal<u64>>> {
        self.check_admitted()?;
        let header = postcard::to_stdvec(&(vote, &snapshot.meta))
            .map_err(|e| StreamingError::Network(NetworkError::new(&e)))?;
        let (send, receive) = tokio::sync::mpsc::channel(PARTS_AHEAD);
        let first = v1::SnapshotPart {
            partition: self.partition.0,
            target: self.target,
            header,
            data: Bytes::new(),
            sender: Some(self.standing.sender()),
        };
        let reading = tokio::spawn(send_parts(first, *snapshot.snapshot, send));
        let mut peer = self
            .peers
            .get(&self.address)
            .map_err(|e| StreamingError::Unreachable(Unreachable::new(&e)))?;
        let mut request = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(receive));
        request.set_timeout(SNAPSHOT_DEADLINE);
        let answered = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answered = peer.install_snapshot(request) => answered,
        };
        reading.abort();
        let response = answered.map_err(|s| unreachable::<StreamingError<_, _>>(&s))?.into_inner();
        let known = self.standing.heard(response.sender.as_ref());
        known.map_err(|e| StreamingError::Unreachable(Unreachable::new(&e)))?;
        let answer: Result<SnapshotResponse<u64>, Fatal<u64>> =
            postcard::from_bytes(&response.payload)
                .map_err(|e| StreamingError::Network(NetworkError::new(&e)))?;
        answer.map_err(|fatal| StreamingError::RemoteError(RemoteError::new(self.target, fatal)))
    }
}

/// Reads a snapshot file into messages, behind the first one.
async fn send_parts(
    first: v1::SnapshotPart,
    file: SnapshotFile,
    to: tokio::sync::mpsc::Sender<v1::SnapshotPart>,
) {
    let (partition, target) = (first.partition, first.target);
    let mut part = first;
    let mut offset = 0;
    while to.send(part).await.is_ok() {
        match file.read(offset, PART_BYTES).await {
            Ok(data) if data.is_empty() => return,
            Ok(data) => {
                offset += data.len() as u64;
                part = v1::SnapshotPart { partition, target, data, ..Default::default() };
            }
            Err(error) => {
                // The receiver sees a snapshot that ends early and refuses it.
                tracing::error!(%error, "a snapshot cannot be read");
                return;
            }
        }
    }
}
