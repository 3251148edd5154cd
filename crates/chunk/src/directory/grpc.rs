//! The directory over gRPC, as chunk servers need it.

use super::{Beat, DirectoryApi, Registered, Registration};
use async_trait::async_trait;
use futures::future::join_all;
use model::{ClusterId, ClusterMap, Error, VolumeId};
use parking_lot::Mutex;
use proto::v1::{self, directory_client::DirectoryClient};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tonic::service::interceptor::InterceptedService;
use transport::{AccessKey, Authenticated, Channel, Connect};

type Connection = InterceptedService<Channel, Authenticated>;

/// How long one node may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Answers followed to a leader before a call gives up: elections take a few rounds.
const HOPS: usize = 6;

/// The metadata nodes of the cluster. They all are told how the volumes are, so that each can
/// place chunks; registrations go to the directory's leader.
pub struct Directory {
    connector: Arc<dyn Connect>,
    key: AccessKey,
    given: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: BTreeMap<String, Connection>,
    /// Nodes learned from the map.
    learned: BTreeSet<String>,
    /// The epoch of the map they were learned from.
    epoch: u64,
    leader: Option<String>,
}

impl Directory {
    /// Of the cluster whose nodes are at these addresses, or at some of them.
    pub fn new(connector: Arc<dyn Connect>, key: AccessKey, given: Vec<String>) -> Self {
        Self { connector, key, given, state: Mutex::default() }
    }

    fn client(&self, address: &str) -> Result<DirectoryClient<Connection>, Error> {
        let mut state = self.state.lock();
        if let Some(connection) = state.connections.get(address) {
            return Ok(DirectoryClient::new(connection.clone()));
        }
        let connection = transport::channel(self.connector.clone(), address, &self.key, DEADLINE)?;
        state.connections.insert(address.to_owned(), connection.clone());
        Ok(DirectoryClient::new(connection))
    }

    /// Every node known: those the map names, and until it was seen those that were given.
    fn nodes(&self) -> Vec<String> {
        let learned: Vec<_> = self.state.lock().learned.iter().cloned().collect();
        if learned.is_empty() { self.given.clone() } else { learned }
    }

    /// The map as a node that answers last saw it.
    pub async fn map(&self) -> Result<ClusterMap, Error> {
        let mut last = Error::unavailable("no metadata node is known");
        for address in self.given.iter().cloned().chain(self.nodes()) {
            let request = v1::GetMapRequest { leader: false };
            match self.client(&address)?.get_map(request).await {
                Ok(answer) => return answer.into_inner().try_into(),
                Err(status) => last = proto::from_status(&status),
            }
        }
        Err(last)
    }

    /// Learns the nodes anew once the map has changed.
    async fn learn(&self, epoch: u64) {
        if self.state.lock().epoch >= epoch {
            return;
        }
        if let Ok(map) = self.map().await {
            let mut state = self.state.lock();
            state.epoch = map.epoch;
            state.learned = map.nodes.into_iter().map(|n| n.address).collect();
        }
    }

    /// Asks the leader, wherever the last answers say it is.
    async fn register_once(
        &self,
        request: &v1::RegisterVolumeRequest,
    ) -> Result<v1::RegisterVolumeResponse, Error> {
        let mut last = Error::unavailable("no metadata node is known");
        let nodes = self.nodes();
        let mut next = self.state.lock().leader.clone();
        for turn in 0..HOPS.max(nodes.len()) {
            let Some(address) =
                next.take().or_else(|| nodes.get(turn % nodes.len().max(1)).cloned())
            else {
                break;
            };
            match self.client(&address)?.register_volume(request.clone()).await {
                Ok(answer) => {
                    self.state.lock().leader = Some(address);
                    return Ok(answer.into_inner());
                }
                Err(status) => {
                    next = proto::leader_of(&status).filter(|l| *l != address).map(str::to_owned);
                    last = proto::from_status(&status);
                    let again = model::ErrorKind::Unavailable == last.kind
                        || model::ErrorKind::Indeterminate == last.kind;
                    self.state.lock().leader = None;
                    if !again {
                        return Err(last);
                    }
                }
            }
        }
        Err(last)
    }
}

#[async_trait]
impl DirectoryApi for Directory {
    async fn register(&self, registration: Registration) -> Result<Registered, Error> {
        let request = v1::RegisterVolumeRequest {
            request_id: registration.request.0.to_vec(),
            cluster: registration.cluster.map(|c| c.0.to_vec()).unwrap_or_default(),
            identity: registration.identity,
            address: registration.address,
            location: registration.location.to_string(),
            capacity: registration.capacity,
            free: registration.free,
        };
        let answer = self.register_once(&request).await?;
        Ok(Registered {
            id: VolumeId(answer.id),
            cluster: ClusterId::try_from(&answer.cluster[..])?,
        })
    }

    async fn heartbeat(&self, address: &str, beats: Vec<Beat>) -> Result<Vec<VolumeId>, Error> {
        let request = v1::HeartbeatRequest {
            address: address.to_owned(),
            volumes: beats.into_iter().map(report).collect(),
        };
        let tell = |node: String| {
            let (client, request) = (self.client(&node), request.clone());
            async move {
                let answer = client?.heartbeat(request).await;
                answer.map(|a| a.into_inner()).map_err(|status| proto::from_status(&status))
            }
        };
        let answers = join_all(self.nodes().into_iter().map(tell)).await;
        // A node that lags does not know yet who registered: the one that knows most is right.
        let mut newest: Option<v1::HeartbeatResponse> = None;
        let mut last = Error::unavailable("no metadata node is known");
        for answer in answers {
            match answer {
                Ok(answer) if newest.as_ref().is_none_or(|n| n.epoch < answer.epoch) => {
                    newest = Some(answer);
                }
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
        let Some(newest) = newest else {
            // The map may have been read before it said where its only node listens since a
            // restart: whoever was given is asked again.
            let mut state = self.state.lock();
            (state.learned, state.epoch) = Default::default();
            return Err(last);
        };
        self.learn(newest.epoch).await;
        Ok(newest.unknown.into_iter().map(VolumeId).collect())
    }
}

fn report(beat: Beat) -> v1::heartbeat_request::Report {
    v1::heartbeat_request::Report {
        id: beat.report.id.0,
        identity: beat.identity,
        capacity: beat.report.capacity,
        free: beat.report.free,
        score: beat.report.score.into(),
        failed: beat.report.failed.unwrap_or_default(),
    }
}
