//! Connections to the other metadata nodes, one per address.

use model::Error;
use parking_lot::Mutex;
use proto::v1::{peer_client::PeerClient, volumes_client::VolumesClient};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tonic::service::interceptor::InterceptedService;
use transport::{AccessKey, Authenticated, Channel, Connect};

/// A connection that shows the cluster's key.
pub type PeerConnection = InterceptedService<Channel, Authenticated>;
/// A client of the `Peer` service.
pub type PeerChannel = PeerClient<PeerConnection>;

/// How long a call may take that sets no deadline of its own.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a chunk server may work on a call: longer than any deadline that goes with one.
const CHUNK_DEADLINE: Duration = Duration::from_secs(5 * 60);

/// The largest message between peers: a batch of log entries and its framing.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Connections by address. Shared by all partitions.
pub struct Peers {
    connector: Arc<dyn Connect>,
    key: AccessKey,
    /// By address, and by how long a call may take.
    channels: Mutex<BTreeMap<(String, Duration), PeerConnection>>,
}

impl Peers {
    /// No connection yet.
    pub fn new(connector: Arc<dyn Connect>, key: AccessKey) -> Self {
        Self { connector, key, channels: Mutex::default() }
    }

    fn connection(&self, address: &str, deadline: Duration) -> Result<PeerConnection, Error> {
        let key = (address.to_owned(), deadline);
        if let Some(channel) = self.channels.lock().get(&key) {
            return Ok(channel.clone());
        }
        let channel = transport::channel(self.connector.clone(), address, &self.key, deadline)?;
        self.channels.lock().insert(key, channel.clone());
        Ok(channel)
    }

    /// The peer at an address.
    pub fn get(&self, address: &str) -> Result<PeerChannel, Error> {
        Ok(PeerClient::new(self.connection(address, DEADLINE)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// The control service of the chunk server at an address. Reading a chunk from a busy disk
    /// takes its time.
    pub fn volumes(&self, address: &str) -> Result<VolumesClient<PeerConnection>, Error> {
        Ok(VolumesClient::new(self.connection(address, CHUNK_DEADLINE)?))
    }
}
