//! The client and how it is built.

use crate::{
    Error,
    cluster::Cluster,
    counters::Counters,
    memory::Memory,
    metadata::Metadata,
    random::{FillRandom, Random},
    resolve::Names,
    servers::ChunkServers,
    session::{Identity, Session},
};
use checksum::Hashers;
use model::{UserKey, UserName};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use transport::{AccessKey, Connect, HttpPool, TcpConnector};

/// How long an operation on metadata is tried, unless the builder says otherwise.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Access to a cluster. Cheap to clone; connections are shared between clones.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) servers: Arc<ChunkServers>,
    pub(crate) memory: Memory,
    hashers: Option<Hashers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) names: Arc<Names>,
}

impl Inner {
    /// What computes MD5. Its threads start with the first that is wanted.
    pub(crate) fn hashers(&self) -> Hashers {
        self.hashers.clone().unwrap_or_else(Hashers::of_the_process)
    }
}

impl Client {
    /// Starts building a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            seeds: Vec::new(),
            identity: None,
            connector: Arc::new(TcpConnector),
            random: Random::of_the_system(),
            deadline: DEFAULT_DEADLINE,
            memory: None,
            hashers: None,
        }
    }

    /// What operators ask of the cluster as a whole: its map, its volumes, its nodes.
    pub fn cluster(&self) -> Cluster {
        Cluster { metadata: self.inner.metadata.clone() }
    }

    /// The same client, whose operations end by `deadline`: what is not done by then fails with
    /// [`Error::Unavailable`] or [`Error::DeadlineReached`] if it certainly did not happen, and
    /// with [`Error::Indeterminate`] if it may have. How long the bytes of a download flow is
    /// not bounded by it.
    pub fn until(&self, deadline: impl Into<Instant>) -> Client {
        let inner = &self.inner;
        Client {
            inner: Arc::new(Inner {
                metadata: Arc::new(inner.metadata.until(deadline.into())),
                servers: inner.servers.clone(),
                memory: inner.memory.clone(),
                hashers: inner.hashers.clone(),
                counters: inner.counters.clone(),
                names: inner.names.clone(),
            }),
        }
    }

    /// What this client did so far.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }
}

/// Builds a [`Client`].
pub struct ClientBuilder {
    seeds: Vec<String>,
    identity: Option<Identity>,
    connector: Arc<dyn Connect>,
    random: Random,
    deadline: Duration,
    memory: Option<u64>,
    hashers: Option<Hashers>,
}

impl ClientBuilder {
    /// Adds the address (`host:port`) of a metadata node. One that answers is enough; the
    /// others are learned from it.
    pub fn seed(mut self, address: impl Into<String>) -> Self {
        self.seeds.push(address.into());
        self
    }

    /// Adds addresses of metadata nodes.
    pub fn seeds<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.seeds.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// The user who asks, and its key. The client logs in when it is first used, and again when
    /// its token is about to expire.
    pub fn user(mut self, user: UserName, key: UserKey) -> Self {
        self.identity = Some(Identity::User(user, key));
        self
    }

    /// Asks as a daemon of the cluster, which may do everything. For who holds the cluster's
    /// secret: applications have users.
    pub fn access_key(mut self, key: AccessKey) -> Self {
        self.identity = Some(Identity::Daemon(key));
        self
    }

    /// What makes connections; TCP otherwise.
    pub fn connector(mut self, connector: Arc<dyn Connect>) -> Self {
        self.connector = connector;
        self
    }

    /// Where random bytes come from; the system otherwise.
    pub fn random(mut self, fill: Arc<FillRandom>) -> Self {
        self.random = Random(fill);
        self
    }

    /// How long an operation on metadata is tried before it fails; 30 seconds otherwise. It
    /// does not bound how long the bytes of a content may flow.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Bytes that the uploads and downloads of this client may have in flight together beside
    /// the first stripe or two of each, in place of the 256 MiB that all clients of a process
    /// share.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// What computes the MD5 of uploads; threads that all clients of a process share otherwise.
    pub fn hashers(mut self, hashers: Hashers) -> Self {
        self.hashers = Some(hashers);
        self
    }

    /// The client; it connects when it is first used.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a seed or without a user.
    pub fn build(self) -> Result<Client, Error> {
        let lacks = |what| Error::Invalid(model::Error::invalid(format!("a client needs {what}")));
        if self.seeds.is_empty() {
            return Err(lacks("the address of a metadata node"));
        }
        let identity = self.identity.ok_or_else(|| lacks("a user and its key"))?;
        let counters = Arc::new(Counters::default());
        let session = Session::new(identity);
        let pool = HttpPool::new(self.connector.clone(), session.shown_to_chunk_servers());
        let servers = Arc::new(ChunkServers::new(pool));
        let metadata = Metadata::new(
            self.connector,
            Arc::new(session),
            self.seeds,
            self.deadline,
            self.random,
        );
        let memory = self.memory.map_or_else(Memory::of_the_process, Memory::new);
        let metadata = Arc::new(metadata);
        let names = Arc::default();
        let hashers = self.hashers;
        let inner = Inner { metadata, servers, memory, hashers, counters, names };
        Ok(Client { inner: Arc::new(inner) })
    }

    /// The client, after a metadata node has answered.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`]; [`Error::Unavailable`] if no node answers before the
    /// deadline, [`Error::Denied`] if the user or the key is wrong.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.build()?;
        client.inner.metadata.map().await?;
        Ok(client)
    }
}
