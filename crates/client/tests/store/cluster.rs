//! A whole store in this process: a metadata node and a chunk server on a loopback socket.

use async_trait::async_trait;
use cairn_client::{
    AccountName, Client, Connect, ContainerName, LocalConnector, ObjectName, TcpConnector, VolumeId,
};
use chunk::{
    Beat, ChunkServer, DirectoryApi, Registered, Registration, VolumeConfig,
    files::Paths,
    identity::{Identity, VOLUME_FORMAT},
};
use meta::{Node, OpenStores, PartitionStores, Services};
use model::{ChunkName, ClusterId, Error, Policy, SmallObjects};
use parking_lot::Mutex;
use proto::v1::{self, directory_client::DirectoryClient};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{MemoryStore, Store};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use transport::{App, Secret};

/// Volumes of the store: enough for 4+2 with one to spare.
pub const VOLUMES: u32 = 7;

/// Partitions that containers and accounts are spread over.
const PARTITIONS: u32 = 4;

/// A store with a client to it.
pub struct Cluster {
    pub client: Client,
    dir: tempfile::TempDir,
    node: Node,
    server: ChunkServer,
    stop: CancellationToken,
    work: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// A store with the built-in policies and some with small metachunks: `EC` (4+2) and `COPIES`
    /// (3) of 256 KiB, `TINY` (1) of 64 KiB, and `BY_SIZE`, which keeps up to 100 KiB as `COPIES`
    /// and more as `EC`. Deleted chunks stay.
    pub async fn start() -> Self {
        Self::start_with(Duration::from_secs(3600)).await
    }

    /// The same, but deleted chunks go at once.
    pub async fn start_forgetful() -> Self {
        Self::start_with(Duration::ZERO).await
    }

    async fn start_with(delete_grace: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Secret::new([7; 32]).keys();
        let key = keys.daemon.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connector = Arc::new(LocalConnector::new(Arc::new(TcpConnector)));

        let mut config =
            meta::Config::new(dir.path().join("meta"), address.clone(), "EC".parse().unwrap());
        config.partitions = PARTITIONS;
        config.delete_grace = delete_grace;
        let by_size = Policy {
            small: Some(SmallObjects { bytes: 100 << 10, policy: "COPIES".parse().unwrap() }),
            ..policy("BY_SIZE", "ec/algo=rs_vand,k=4,m=2", 1)
        };
        config.policies = vec![
            policy("EC", "ec/algo=rs_vand,k=4,m=2", 1),
            policy("COPIES", "plain/nb_copy=3", 4),
            policy("TINY", "plain/nb_copy=1", 1),
            by_size,
        ];
        let seams = meta::Seams {
            disk: Arc::new(disk::OsDisk),
            connector: connector.clone(),
            clock: Arc::new(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64),
            random: Arc::new(|bytes| rand::fill(bytes)),
            stores: Arc::new(InMemory),
        };
        let (node, _) = Node::open(config, seams, keys.clone()).await.unwrap();
        let server = open_volumes(dir.path(), &address).await;

        let pool = transport::HttpPool::new(connector.clone(), &key);
        let routes = Services::routes(node.clone()).add_service(server.grpc_service(pool));
        let handler = Arc::new(server.http_handler(keys.capabilities));
        let app = App::new(key.clone(), routes, Some(handler), Arc::new(|| Ok(())), None);
        connector.add(address.clone(), app.clone());
        let stop = CancellationToken::new();
        let ended = || stop.clone().cancelled_owned();
        let serving = transport::serve(listener, app, ended(), Duration::ZERO);
        let mut work = vec![tokio::spawn(serving)];
        let (running, until) = (node.clone(), ended());
        work.push(tokio::spawn(async move { running.run(until).await }));
        node.found().await.unwrap();
        wait_for("partitions without a leader", || node.ready().is_ok()).await;

        let channel = {
            let shared: Arc<dyn Connect> = connector.clone();
            transport::channel(shared, &address, &key, Duration::from_secs(5)).unwrap()
        };
        let directory = Arc::new(Directory(DirectoryClient::new(channel)));
        let heart = server.run_heartbeats(directory, ended());
        work.push(tokio::spawn(async move { drop(heart.await) }));
        let client = Client::builder()
            .seed(&address)
            .access_key(key.clone())
            .connector(connector)
            .connect()
            .await
            .unwrap();
        let cluster = Self { client, dir, node, server, stop, work };
        cluster.wait_for_volumes().await;
        cluster
    }

    async fn wait_for_volumes(&self) {
        // Told to the directory, and the answer told to the server.
        let known = |v: &cairn_client::Volume| self.server.volumes().get(v.id).is_ok();
        let waiting = async {
            let cluster = self.client.cluster();
            let all = VOLUMES as usize;
            while cluster.volumes().await.unwrap().iter().filter(|v| known(v)).count() < all {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("volumes are missing");
    }

    /// Where a chunk is kept.
    pub fn file(&self, volume: VolumeId, chunk: &ChunkName) -> PathBuf {
        let volumes = self.server.volumes();
        let path = volumes.get(volume).unwrap().path().to_owned();
        Paths::new(&path, 1).chunk(chunk)
    }

    /// Files of chunks, and of chunks under way, on all volumes.
    pub fn files(&self) -> usize {
        let count = |dir: PathBuf| std::fs::read_dir(dir).map_or(0, Iterator::count);
        let of_volume = |n| {
            let paths = Paths::new(&volume_path(self.dir.path(), n), 1);
            let fan_outs: usize = (0..paths.fan_outs()).map(|n| count(paths.nth_fan_out(n))).sum();
            fan_outs + count(paths.temporaries())
        };
        (1..=VOLUMES).map(of_volume).sum()
    }

    /// Ends the store in order.
    pub async fn stop(self) {
        self.stop.cancel();
        for work in self.work {
            work.await.unwrap();
        }
        self.server.close().await;
        self.node.close().await;
    }
}

fn policy(name: &str, method: &str, chunk_blocks: u32) -> Policy {
    Policy {
        name: name.parse().unwrap(),
        method: method.parse().unwrap(),
        chunk_blocks,
        small: None,
    }
}

fn volume_path(dir: &Path, n: u32) -> PathBuf {
    dir.join(format!("v{n}"))
}

/// Volumes with few directories: making them is most of the start.
async fn open_volumes(dir: &Path, address: &str) -> ChunkServer {
    let volume = |n| {
        let path = volume_path(dir, n);
        let identity = Identity {
            format: VOLUME_FORMAT,
            identity: format!("{n:032x}"),
            fan_out_digits: 1,
            cluster: None,
            id: None,
        };
        let paths = Paths::new(&path, 1);
        (0..paths.fan_outs()).for_each(|n| std::fs::create_dir_all(paths.nth_fan_out(n)).unwrap());
        std::fs::create_dir_all(paths.temporaries()).unwrap();
        identity.write(&disk::OsDisk, &paths.identity()).unwrap();
        VolumeConfig { path, location: format!("host{n}.disk").parse().unwrap() }
    };
    let config = chunk::Config {
        data_dir: dir.join("chunk"),
        volumes: (1..=VOLUMES).map(volume).collect(),
        address: address.to_owned(),
        cluster: None,
        reserve_bytes: None,
        format: false,
    };
    ChunkServer::open(config, Arc::new(disk::OsDisk)).await.unwrap()
}

/// State stores that live as long as the node.
struct InMemory;

#[derive(Default)]
struct MemoryStores(Mutex<BTreeMap<String, Arc<MemoryStore>>>);

impl OpenStores for InMemory {
    fn open(&self, _: &Path) -> Result<Arc<dyn PartitionStores>, store::Error> {
        Ok(Arc::new(MemoryStores::default()))
    }
}

impl PartitionStores for MemoryStores {
    fn partition(&self, name: &str) -> Result<Arc<dyn Store>, store::Error> {
        Ok(self.0.lock().entry(name.to_owned()).or_default().clone())
    }
}

/// The directory as the chunk server asks it.
struct Directory(
    DirectoryClient<
        tonic::service::interceptor::InterceptedService<
            transport::Channel,
            transport::Authenticated,
        >,
    >,
);

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
        let answer = self.0.clone().register_volume(request).await;
        let answer = answer.map_err(|status| proto::from_status(&status))?.into_inner();
        let cluster = ClusterId::try_from(&answer.cluster[..])?;
        Ok(Registered { id: VolumeId(answer.id), cluster })
    }

    async fn heartbeat(&self, address: &str, beats: Vec<Beat>) -> Result<Vec<VolumeId>, Error> {
        let report = |beat: Beat| v1::heartbeat_request::Report {
            id: beat.report.id.0,
            identity: beat.identity,
            capacity: beat.report.capacity,
            free: beat.report.free,
            score: beat.report.score.into(),
            failed: beat.report.failed.unwrap_or_default(),
        };
        let volumes = beats.into_iter().map(report).collect();
        let request = v1::HeartbeatRequest { address: address.to_owned(), volumes };
        let answer = self.0.clone().heartbeat(request).await;
        let answer = answer.map_err(|status| proto::from_status(&status))?.into_inner();
        Ok(answer.unknown.into_iter().map(VolumeId).collect())
    }
}

/// Waits until something holds.
pub async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    outcome.unwrap_or_else(|_| panic!("never ended: {what}"));
}

/// Names, for short.
pub fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

pub fn container(name: &str) -> ContainerName {
    name.parse().unwrap()
}

pub fn object(name: &str) -> ObjectName {
    name.parse().unwrap()
}

/// Reads a whole object.
pub async fn read(
    client: &Client,
    account: &AccountName,
    container: &ContainerName,
    object: &ObjectName,
) -> Result<bytes::Bytes, cairn_client::Error> {
    client.get_object(account, container, object).await?.bytes().await
}

/// Bytes without a pattern that a misplaced block could hide in.
pub fn content(length: usize) -> bytes::Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut bytes);
    bytes.into()
}
