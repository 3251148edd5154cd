//! Nodes of this process that talk to each other.

use crate::{Config, FjallStores, Node, Seams, Services, partition::Partition};
use model::{AccountName, PartitionId, Properties};
use state::{Command, read};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use transport::{App, Keys, Secret, TcpConnector};

/// Nothing here takes longer on a working machine, however busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn keys() -> Keys {
    Secret::new([7; 32]).keys()
}

pub(super) fn clock() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}

pub(super) fn seams() -> Seams {
    Seams {
        disk: Arc::new(disk::OsDisk),
        connector: Arc::new(TcpConnector),
        clock: Arc::new(clock),
        random: Arc::new(|buf| rand::fill(buf)),
        stores: Arc::new(FjallStores { cache_bytes: 1 << 20 }),
    }
}

pub(super) struct Cluster {
    pub(super) dir: tempfile::TempDir,
    pub(super) addresses: Vec<String>,
    /// How far the clock of each node is ahead, in microseconds.
    pub(super) ahead: Vec<Arc<AtomicI64>>,
}

/// A node that serves its peers; dropping what stops it cuts its connections.
pub(super) struct Served {
    pub(super) node: Node,
    pub(super) stop: tokio::sync::oneshot::Sender<()>,
    pub(super) serving: tokio::task::JoinHandle<()>,
    pub(super) asking: tokio::task::JoinHandle<()>,
}

impl Served {
    pub(super) async fn close(self) {
        // One that waits for its peers must not go on beside the next one in its directory.
        self.asking.abort();
        let _ = self.asking.await;
        self.node.close().await;
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

impl std::ops::Deref for Served {
    type Target = Node;
    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Cluster {
    pub(super) fn new(nodes: usize) -> Self {
        // Held together, so that they differ; given back before the nodes bind them. Nobody else
        // takes them meanwhile on an address of their own.
        let [a, b, c] = std::array::from_fn(|_| rand::random_range(1..255));
        let own = std::net::Ipv4Addr::new(127, a, b, c);
        let held: Vec<_> =
            (0..nodes).map(|_| std::net::TcpListener::bind((own, 0)).unwrap()).collect();
        let addresses = held.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
        let ahead = (0..nodes).map(|_| Arc::default()).collect();
        Self { dir: tempfile::tempdir().unwrap(), addresses, ahead }
    }

    pub(super) fn path(&self, n: usize) -> std::path::PathBuf {
        self.dir.path().join(n.to_string())
    }

    pub(super) async fn open(&self, n: usize) -> Served {
        let address = self.addresses[n].clone();
        let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
        let mut config = Config::new(self.path(n), address, "EC42".parse().unwrap());
        config.peers = self.addresses.clone();
        config.partitions = 1;
        let ahead = self.ahead[n].clone();
        let clock = move || clock().saturating_add_signed(ahead.load(Ordering::Relaxed));
        let seams = Seams { clock: Arc::new(clock), ..seams() };
        let (node, _) = Node::open(config, seams, keys()).await.unwrap();
        let routes = Services::routes(node.clone());
        let app = App::new(keys().daemon, routes, None, Arc::new(|| Ok(())), None);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or(()) };
        let serving = tokio::spawn(transport::serve(listener, app, shutdown, Duration::ZERO));
        // Its peers may be opened after it. A refusal is seen by who calls `found`.
        let asks = node.clone();
        let asking = tokio::spawn(async move { drop(asks.ask_to_take_part().await) });
        Served { node, stop, serving, asking }
    }

    pub(super) async fn start(&self) -> Vec<Served> {
        let mut nodes = Vec::new();
        for n in 0..self.addresses.len() {
            nodes.push(self.open(n).await);
        }
        let founding = nodes.iter().map(|n| n.node.found());
        let founded = timeout(PATIENCE, futures::future::join_all(founding)).await.unwrap();
        founded.into_iter().for_each(|f| f.unwrap());
        nodes
    }
}

pub(super) fn data(node: &Node) -> Partition {
    node.partition(PartitionId(1)).unwrap().clone()
}

pub(super) async fn leader<'a>(nodes: impl IntoIterator<Item = &'a Served> + Clone) -> Node {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(served) = nodes.clone().into_iter().find(|n| data(n).leads()) {
                return served.node.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.expect("no node leads")
}

pub(super) async fn create(node: &Node, accounts: std::ops::Range<u32>) {
    let creating = accounts.map(|n| async move {
        let account: AccountName = format!("account-{n:05}").parse().unwrap();
        let properties = Properties::from([("filler".into(), "x".repeat(500))]);
        let command = Command::CreateAccount { account, properties };
        data(node).propose(node.now(), None, command).await.unwrap();
    });
    futures::future::join_all(creating).await;
}

pub(super) fn count(node: &Node) -> usize {
    let view = data(node).local();
    read::list_accounts(&*view, "", 10_000).unwrap().0.len()
}

pub(super) async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// Takes a snapshot of the data partition and waits for it.
pub(super) async fn snapshot(node: &Node) {
    let partition = data(node);
    let upto = partition.metrics().last_applied;
    partition.raft().trigger().snapshot().await.unwrap();
    wait_for("a snapshot", || partition.metrics().snapshot >= upto).await;
}

/// Cuts the log behind the snapshots, as the keeper does.
pub(super) async fn cut(node: &Node) {
    let partition = data(node);
    let upto = node.0.snapshots[&partition.id()].cut().unwrap().expect("two snapshots");
    partition.raft().trigger().purge_log(upto).await.unwrap();
    let purged = || node.0.wal.purged(partition.id().0).map(|(index, _)| index);
    wait_for("a cut", || purged() == Some(upto)).await;
}

pub(super) async fn close_all(nodes: impl IntoIterator<Item = Served>) {
    for node in nodes {
        node.close().await;
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A follower of three that is away while the others go on and cut their logs: the cluster, the
/// nodes that go on, and which one is away.
pub(super) async fn left_behind() -> (Cluster, Vec<Served>, usize) {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start().await;
    let first = leader(&nodes).await;
    create(&first, 0..20).await;
    let away = nodes.iter().position(|n| n.id() != first.id()).unwrap();
    drop(first);
    nodes.remove(away).close().await;
    let leading = leader(&nodes).await;
    for round in 1..4 {
        create(&leading, round * 100..(round + 1) * 100).await;
        snapshot(&leading).await;
    }
    cut(&leading).await;
    (cluster, nodes, away)
}
