//! Nodes of this process: founding, restarts, snapshots, catching up.

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
const PATIENCE: Duration = Duration::from_secs(60);

fn keys() -> Keys {
    Secret::new([7; 32]).keys()
}

fn clock() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}

fn seams() -> Seams {
    Seams {
        disk: Arc::new(disk::OsDisk),
        connector: Arc::new(TcpConnector),
        clock: Arc::new(clock),
        random: Arc::new(|buf| rand::fill(buf)),
        stores: Arc::new(FjallStores { cache_bytes: 1 << 20 }),
    }
}

struct Cluster {
    dir: tempfile::TempDir,
    addresses: Vec<String>,
    /// How far the clock of each node is ahead, in microseconds.
    ahead: Vec<Arc<AtomicI64>>,
}

/// A node that serves its peers; dropping what stops it cuts its connections.
struct Served {
    node: Node,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    asking: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn close(self) {
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
    fn new(nodes: usize) -> Self {
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

    fn path(&self, n: usize) -> std::path::PathBuf {
        self.dir.path().join(n.to_string())
    }

    async fn open(&self, n: usize) -> Served {
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

    async fn start(&self) -> Vec<Served> {
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

fn data(node: &Node) -> Partition {
    node.partition(PartitionId(1)).unwrap().clone()
}

async fn leader<'a>(nodes: impl IntoIterator<Item = &'a Served> + Clone) -> Node {
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

async fn create(node: &Node, accounts: std::ops::Range<u32>) {
    let creating = accounts.map(|n| async move {
        let account: AccountName = format!("account-{n:05}").parse().unwrap();
        let properties = Properties::from([("filler".into(), "x".repeat(500))]);
        let command = Command::CreateAccount { account, properties };
        data(node).propose(node.now(), None, command).await.unwrap();
    });
    futures::future::join_all(creating).await;
}

fn count(node: &Node) -> usize {
    let view = data(node).local();
    read::list_accounts(&*view, "", 10_000).unwrap().0.len()
}

async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// Takes a snapshot of the data partition and waits for it.
async fn snapshot(node: &Node) {
    let partition = data(node);
    let upto = partition.metrics().last_applied;
    partition.raft().trigger().snapshot().await.unwrap();
    wait_for("a snapshot", || partition.metrics().snapshot >= upto).await;
}

/// Cuts the log behind the snapshots, as the keeper does.
async fn cut(node: &Node) {
    let partition = data(node);
    let upto = node.0.snapshots[&partition.id()].cut().unwrap().expect("two snapshots");
    partition.raft().trigger().purge_log(upto).await.unwrap();
    let purged = || node.0.wal.purged(partition.id().0).map(|(index, _)| index);
    wait_for("a cut", || purged() == Some(upto)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_keeps_everything_across_restarts() {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    create(&leader(&nodes).await, 0..200).await;
    close_all(nodes).await;

    let node = cluster.open(0).await;
    node.found().await.unwrap();
    leader([&node]).await;
    let view = data(&node).read().await.map_err(|e| format!("{e:?}")).unwrap();
    assert_eq!(read::list_accounts(&*view, "", 10_000).unwrap().0.len(), 200);
    let (kept, fresh) = (read::state_hash(&*view), read::compute_state_hash(&*view));
    assert_eq!(kept.unwrap(), fresh.unwrap());
}

async fn close_all(nodes: impl IntoIterator<Item = Served>) {
    for node in nodes {
        node.close().await;
    }
}

/// Loses the state store of a node whose log was cut: two snapshots and the log bring it back.
async fn comes_back_after(lose: impl Fn(&Path)) {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    let node = leader(&nodes).await;
    for round in 0..3 {
        create(&node, round * 50..(round + 1) * 50).await;
        snapshot(&node).await;
    }
    cut(&node).await;
    create(&node, 150..170).await;
    drop(node);
    close_all(nodes).await;

    lose(&cluster.path(0));
    let node = cluster.open(0).await;
    leader([&node]).await;
    drop(data(&node).read().await.map_err(|e| format!("{e:?}")).unwrap());
    assert_eq!(count(&node), 170);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_store_is_rebuilt() {
    comes_back_after(|dir| std::fs::remove_dir_all(dir.join("state")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_store_is_rebuilt_from_the_older_snapshot_if_the_newer_is_damaged() {
    comes_back_after(|dir| {
        std::fs::remove_dir_all(dir.join("state")).unwrap();
        let snapshots = std::fs::read_dir(dir.join("snapshots/p1")).unwrap();
        let mut snapshots: Vec<_> = snapshots.map(|e| e.unwrap().path()).collect();
        snapshots.sort();
        assert_eq!(snapshots.len(), 2);
        let mut bytes = std::fs::read(&snapshots[1]).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&snapshots[1], bytes).unwrap();
    })
    .await;
}

fn copy(from: &Path, to: &Path) {
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

/// Loses the state store's last batches, as a loss of power does, while the snapshot of them
/// and the log stay.
async fn catches_up_with_its_snapshot(lose: impl Fn(&Path, &Path)) {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    create(&leader(&nodes).await, 0..50).await;
    close_all(nodes).await;
    let (state, old) = (cluster.path(0).join("state"), cluster.path(0).join("old"));
    copy(&state, &old);

    let node = cluster.open(0).await;
    create(&leader([&node]).await, 50..80).await;
    snapshot(&node).await;
    close_all([node]).await;
    std::fs::remove_dir_all(&state).unwrap();
    lose(&old, &state);

    let node = cluster.open(0).await;
    leader([&node]).await;
    let view = data(&node).read().await.map_err(|e| format!("{e:?}")).unwrap();
    assert_eq!(count(&node), 80);
    let (kept, fresh) = (read::state_hash(&*view), read::compute_state_hash(&*view));
    assert_eq!(kept.unwrap(), fresh.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_store_behind_its_own_snapshot_is_brought_up_from_the_log() {
    catches_up_with_its_snapshot(|old, state| std::fs::rename(old, state).unwrap()).await;
    catches_up_with_its_snapshot(|_, _| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_behind_the_cut_log_is_sent_a_snapshot() {
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

    let back = cluster.open(away).await;
    wait_for("the replica catches up", || count(&back) == 320).await;
    let hash = |node: &Node| read::state_hash(&*data(node).local()).unwrap();
    wait_for("the same state", || hash(&back) == hash(&leading)).await;
    let computed = read::compute_state_hash(&*data(&back).local()).unwrap();
    assert_eq!(computed, hash(&back));
    let received = back.0.wal.purged(1).map(|(index, _)| index);
    assert!(received.is_some(), "it came by a snapshot, not by the log");
    nodes.push(back);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_does_not_found_a_second_cluster() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start().await;
    let founded = nodes[0].0.registry.logged().unwrap().cluster;
    let gone = nodes.pop().unwrap();
    let id = gone.id();
    gone.close().await;
    std::fs::remove_dir_all(cluster.path(2)).unwrap();

    let wiped = cluster.open(2).await;
    assert_ne!(wiped.id(), id, "a wiped directory is a new node");
    let refused = timeout(PATIENCE, wiped.found()).await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("no member"), "{refused}");
    assert!(!wiped.initialized().await.unwrap());
    create(&leader(&nodes).await, 0..5).await;
    assert_eq!(nodes[0].0.registry.logged().unwrap().cluster, founded);
}

/// When a copy of a node's directory is taken that is put back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Before the cluster is founded.
    First,
    /// While the node is down.
    Down,
    /// While it waits for its peers to admit it.
    Waiting,
    /// While it runs.
    Running,
}

/// What a node answers that starts with its directory put back to an older state, to peers that
/// were restarted meanwhile or not.
async fn put_back(taken: Taken, peers_restart: bool) -> String {
    let cluster = Cluster::new(3);
    let aside = cluster.dir.path().join("aside");
    let keep = || copy(&cluster.path(2), &aside);
    if taken == Taken::First {
        let first = cluster.open(2).await;
        keep();
        first.close().await;
    }
    let mut nodes = cluster.start().await;
    create(&leader(&nodes).await, 0..5).await;
    match taken {
        Taken::First => {}
        Taken::Running => keep(),
        Taken::Down | Taken::Waiting => {
            close_all(nodes.drain(..)).await;
            if taken == Taken::Waiting {
                let waits = cluster.open(2).await;
                assert!(!waits.0.standing.admitted());
                keep();
                waits.close().await;
            } else {
                keep();
            }
            nodes = cluster.start().await;
        }
    }
    create(&leader(&nodes).await, 5..20).await;
    wait_for("it has all", || count(&nodes[2]) == 20).await;
    nodes.pop().unwrap().close().await;
    std::fs::remove_dir_all(cluster.path(2)).unwrap();
    std::fs::rename(&aside, cluster.path(2)).unwrap();
    if peers_restart {
        for node in &nodes {
            // As the keeper does.
            node.0.standing.write_down().await.unwrap();
        }
        close_all(nodes.drain(..)).await;
        nodes = vec![cluster.open(0).await, cluster.open(1).await];
    }

    let back = cluster.open(2).await;
    let refused = timeout(PATIENCE, back.found()).await.unwrap().unwrap_err();
    assert!(back.ready().is_err() && !back.0.standing.admitted());
    back.close().await;
    let config = Config::new(cluster.path(2), "any:1".into(), "EC42".parse().unwrap());
    let again = Node::open(Config { partitions: 1, ..config }, seams(), keys()).await;
    let again = again.err().unwrap_or_else(|| panic!("it starts again, after: {refused:#?}"));
    assert_eq!(again.to_string(), refused.to_string());
    create(&leader(&nodes).await, 20..25).await;
    close_all(nodes).await;
    refused.to_string()
}

async fn is_quarantined(taken: Taken, says: &str) {
    for peers_restart in [false, true] {
        let why = put_back(taken, peers_restart).await;
        assert!(why.contains("quarantined") && why.contains(says), "{taken:?}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_put_back_to_how_it_was_while_it_was_down_is_quarantined() {
    is_quarantined(Taken::Down, "was seen here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_put_back_to_how_it_was_while_it_ran_is_quarantined() {
    is_quarantined(Taken::Running, "had synced its log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_put_back_to_how_it_was_while_it_waited_for_its_peers_is_quarantined() {
    is_quarantined(Taken::Waiting, "was seen here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_put_back_to_how_it_was_before_the_cluster_is_quarantined() {
    is_quarantined(Taken::First, "was seen here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_all_went_at_once_admit_each_other_and_miss_one_that_is_lost() {
    let cluster = Cluster::new(3);
    let nodes = cluster.start().await;
    create(&leader(&nodes).await, 0..5).await;
    close_all(nodes).await;
    for (round, up) in [vec![0, 1, 2], vec![2, 0]].into_iter().enumerate() {
        let mut nodes = Vec::new();
        for n in up {
            nodes.push(cluster.open(n).await);
        }
        let founding = nodes.iter().map(|n| n.node.found());
        let founded = timeout(PATIENCE, futures::future::join_all(founding)).await.unwrap();
        founded.into_iter().for_each(|f| f.unwrap());
        let from = 5 + round as u32 * 5;
        create(&leader(&nodes).await, from..from + 5).await;
        close_all(nodes).await;
    }
    let back = cluster.open(1).await;
    assert!(back.ready().unwrap_err().contains("admitted"), "alone it takes no part");
    back.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_the_record_of_whose_it_is_is_refused() {
    let cluster = Cluster::new(1);
    close_all(cluster.start().await).await;
    std::fs::remove_file(cluster.path(0).join("node.json")).unwrap();
    let config = Config::new(cluster.path(0), "any:1".into(), "EC42".parse().unwrap());
    let refused = Node::open(Config { partitions: 1, ..config }, seams(), keys()).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("node.json"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_is_refused() {
    let cluster = Cluster::new(1);
    cluster.open(0).await.close().await;
    let address = cluster.addresses[0].clone();
    let mut config = Config::new(cluster.path(0), address, "EC42".parse().unwrap());
    config.partitions = 2;
    let opened = Node::open(config, seams(), keys()).await;
    let error = opened.err().expect("refused").to_string();
    assert!(error.contains("1 partitions") && error.contains("set it back"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_its_log_does_not_start() {
    let cluster = Cluster::new(1);
    close_all(cluster.start().await).await;
    std::fs::remove_dir_all(cluster.path(0).join("log")).unwrap();
    let address = cluster.addresses[0].clone();
    let mut config = Config::new(cluster.path(0), address, "EC42".parse().unwrap());
    config.partitions = 1;
    let error = Node::open(config, seams(), keys()).await.err().expect("refused").to_string();
    assert!(error.contains("its log is gone"), "{error}");
}

/// A follower of three that is away while the others go on and cut their logs: the cluster, the
/// nodes that go on, and which one is away.
async fn left_behind() -> (Cluster, Vec<Served>, usize) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_snapshots_are_damaged_makes_a_new_one_for_a_replica_that_needs_it() {
    let (cluster, mut nodes, away) = left_behind().await;
    let leading = leader(&nodes).await;
    let place = nodes.iter().position(|n| n.id() == leading.id()).unwrap();
    let n = (0..3).filter(|n| *n != away).nth(place).unwrap();
    let names = || std::fs::read_dir(cluster.path(n).join("snapshots/p1")).unwrap();
    for entry in names() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let back = cluster.open(away).await;
    wait_for("the replica catches up", || count(&back) == 320).await;
    assert!(back.0.wal.purged(1).is_some(), "it came by a snapshot");
    assert_eq!(leading.0.snapshots[&PartitionId(1)].cut().unwrap(), None, "one is whole");
    let aside = names().filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "damaged");
    assert_eq!(aside.count(), 2);
    create(&leading, 400..410).await;
    nodes.push(back);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_clock_is_off_gives_no_times_and_others_lead() {
    let cluster = Cluster::new(3);
    let nodes = cluster.start().await;
    let off = leader(&nodes).await;
    create(&off, 0..5).await;
    let place = nodes.iter().position(|n| n.id() == off.id()).unwrap();
    let set = |seconds: i64| cluster.ahead[place].store(seconds * 1_000_000, Ordering::Relaxed);
    off.look_at_clock();
    set(4);
    off.ready().unwrap();
    set(3600);
    let propose = async || {
        let account = "late".parse().unwrap();
        let command = Command::CreateAccount { account, properties: Properties::new() };
        let refusal = data(&off).propose(off.now(), None, command).await;
        format!("{:?}", refusal.expect_err("its clock is off"))
    };
    let refusal = propose().await;
    assert!(refusal.contains("3600.0 s ahead of those of 2 other"), "{refusal}");
    off.mint_time(0).unwrap_err();
    assert!(off.ready().unwrap_err().contains("its clock"));
    drop(data(&off).read().await.map_err(|e| format!("{e:?}")).expect("reads go on"));

    off.look_at_clock();
    assert!(propose().await.contains("NotLeader"));
    let others = nodes.iter().filter(|n| n.id() != off.id());
    let next = leader(others).await;
    create(&next, 5..10).await;
    let log_time = read::status(&*data(&next).local()).unwrap().log_time;
    assert!(log_time < clock() + 60_000_000, "{log_time}");

    set(0);
    off.look_at_clock();
    off.ready().unwrap();
    wait_for("it follows", || count(&off) == 10).await;
    drop((off, next));
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_received_before_a_crash_and_not_installed_is_installed_at_the_start() {
    let (cluster, mut nodes, away) = left_behind().await;
    let leading = leader(&nodes).await;
    let (_, newest) = leading.0.snapshots[&PartitionId(1)].newest().unwrap().unwrap();
    let to = cluster.path(away).join("snapshots/p1").join(newest.path().file_name().unwrap());
    std::fs::copy(newest.path(), to).unwrap();

    let back = cluster.open(away).await;
    wait_for("the replica catches up", || count(&back) == 320).await;
    create(&leading, 400..410).await;
    wait_for("it goes on with the log", || count(&back) == 330).await;
    nodes.push(back);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_end_early_are_refused_and_leave_nothing() {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    let node = leader(&nodes).await;
    create(&node, 0..20).await;
    snapshot(&node).await;
    let snapshots = &node.0.snapshots[&PartitionId(1)];
    let (meta, file) = snapshots.newest().unwrap().unwrap();
    let metrics = data(&node).metrics();
    let bytes = std::fs::read(file.path()).unwrap();
    let sender = node.0.standing.sender();
    let part = |header, data| proto::v1::SnapshotPart {
        partition: 1,
        target: metrics.id,
        header,
        data,
        sender: Some(sender),
    };
    let header = postcard::to_stdvec(&(metrics.vote, &meta)).unwrap();
    let half = || bytes::Bytes::from(bytes[..bytes.len() / 2].to_vec());
    let large = bytes::Bytes::from(vec![0; 2 << 20]);
    let mut peer = node.0.peers.get(&cluster.addresses[0]).unwrap();
    let mut refused = async |data, why: &str| {
        let stream =
            tokio_stream::iter([part(header.clone(), Default::default()), part(vec![], data)]);
        let status = peer.install_snapshot(stream).await.expect_err("it is not whole");
        assert!(status.message().contains(why), "{status}");
    };
    refused(half(), "has not admitted").await;
    let boot = sender.boot.unwrap().into();
    let claim = crate::witness::Claim { node: sender.node, boot, previous: None, found: 0 };
    node.0.standing.admit(&claim).await.unwrap().unwrap();
    refused(half(), "damaged").await;
    refused(large, "a part of 2097152 bytes").await;
    refused(Default::default(), "a part of 0 bytes").await;
    node.0.low.store(true, Ordering::Relaxed);
    refused(half(), "nearly full").await;
    node.0.low.store(false, Ordering::Relaxed);

    create(&node, 20..30).await;
    assert_eq!(count(&node), 30, "the replica goes on");
    let names = std::fs::read_dir(cluster.path(0).join("snapshots/p1")).unwrap();
    assert_eq!(names.count(), 1, "nothing is left of it");
    drop(node);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_snapshots_are_received_at_once() {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    let node = leader(&nodes).await;
    create(&node, 0..20).await;
    snapshot(&node).await;
    let snapshots = &node.0.snapshots[&PartitionId(1)];
    let (meta, file) = snapshots.newest().unwrap().unwrap();
    let bytes: bytes::Bytes = std::fs::read(file.path()).unwrap().into();
    let (one, other) = (snapshots.receive().unwrap(), snapshots.receive().unwrap());
    snapshots.receive().expect_err("not a third");
    one.write(0, bytes.clone()).await.unwrap();
    other.write(0, bytes.slice(..10)).await.unwrap();
    one.keep(snapshots, &meta).await.unwrap();
    other.keep(snapshots, &meta).await.expect_err("it is not whole");
    assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
    drop(node);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_reads_without_a_quorum_end_in_time_and_go_on_with_it() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start().await;
    let alone = leader(&nodes).await;
    let place = nodes.iter().position(|n| n.id() == alone.id()).unwrap();
    let kept = nodes.remove(place);
    close_all(nodes).await;
    let partition = data(&alone);
    let propose = |n: u32| {
        let account = format!("alone-{n}").parse().unwrap();
        let command = Command::CreateAccount { account, properties: Properties::new() };
        let (partition, now) = (partition.clone(), alone.now());
        async move { partition.propose(now, None, command).await }
    };
    let many = futures::future::join_all((0..10_000).map(propose));
    let (answers, read) = timeout(PATIENCE, async { tokio::join!(many, partition.read()) })
        .await
        .expect("nothing waits for ever");
    assert!(answers.iter().all(Result::is_err));
    assert!(read.is_err());

    let mut nodes = vec![kept];
    for n in (0..3).filter(|n| *n != place) {
        nodes.push(cluster.open(n).await);
    }
    let leading = leader(&nodes).await;
    timeout(PATIENCE, create(&leading, 0..20)).await.expect("commands are taken again");
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_steps_that_is_repeated_spares_a_container_made_meanwhile() {
    const MARKERS: usize = 1500;
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    let node = leader(&nodes).await;
    let services = Services(node.clone());
    let (account, container) = ("a".to_owned(), "c".to_owned());
    let make = |id: u8| proto::v1::CreateContainerRequest {
        account: account.clone(),
        container: container.clone(),
        versioning: Some(-1),
        request_id: vec![id; 16],
        ..Default::default()
    };
    assert!(services.create_container(make(1)).await.unwrap().created);
    let names = (account.parse().unwrap(), container.parse().unwrap());
    let id = model::ContainerId::of(&names.0, &names.1);
    let partition = data(&node);
    let propose = async |command| partition.propose(node.now(), None, command).await.unwrap();
    let view = partition.read().await.map_err(|e| format!("{e:?}")).unwrap();
    let incarnation = read::show_container(&*view, &id).unwrap().incarnation;
    let covered = (0..MARKERS).map(|n| async move {
        let object: model::ObjectName = n.to_string().parse().unwrap();
        let commit = state::Commit {
            container: id,
            incarnation,
            object: object.clone(),
            mode: state::CommitMode::Create,
            content: None,
            blob: model::BlobId::new(id.slot(), rand::random()),
            extents: Vec::new(),
            size: 0,
            hash: None,
            md5: None,
            mime_type: String::new(),
            policy: "EC42".parse().unwrap(),
            properties: Properties::new(),
            precondition: model::Precondition::None,
            delete_grace: 0,
        };
        let answer = propose(Command::Commit(Box::new(commit))).await;
        let state::Answer::Committed { version, .. } = answer else { panic!("{answer:?}") };
        for version in [None, Some(version)] {
            propose(Command::DeleteObject(state::DeleteObject {
                container: id,
                object: object.clone(),
                version,
                precondition: model::Precondition::None,
                delete_grace: 0,
            }))
            .await;
        }
    });
    futures::future::join_all(covered).await;

    let delete = || proto::v1::DeleteContainerRequest {
        account: account.clone(),
        container: container.clone(),
        request_id: vec![2; 16],
    };
    services.delete_container(delete()).await.unwrap();
    assert!(services.create_container(make(3)).await.unwrap().created);
    services.delete_container(delete()).await.unwrap();
    assert!(!services.create_container(make(4)).await.unwrap().created, "it is still there");
    drop(services);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_does_not_stay_among_these_peers() {
    let ours = Cluster::new(1);
    let ours_nodes = ours.start().await;
    let other = Cluster::new(1);
    close_all(other.start().await).await;

    let mut misled = Cluster::new(1);
    misled.dir = other.dir;
    misled.addresses.push(ours.addresses[0].clone());
    let node = misled.open(0).await;
    let refused = timeout(PATIENCE, node.found()).await.unwrap().expect_err("another cluster");
    assert!(refused.to_string().contains("check the data directory"), "{refused}");
    close_all(ours_nodes).await;
}
