//! Nodes that are not what they were, and are refused.

use super::harness::{
    Cluster, PATIENCE, close_all, copy, count, create, keys, leader, seams, wait_for,
};
use crate::{Config, Node};
use tokio::time::timeout;

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

/// Why the only node of a cluster does not start.
async fn refused(cluster: &Cluster, partitions: u32) -> String {
    let address = cluster.addresses[0].clone();
    let mut config = Config::new(cluster.path(0), address, "EC42".parse().unwrap());
    config.partitions = partitions;
    let error = Node::open(config, seams(), keys()).await.err().expect("refused");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_the_record_of_whose_it_is_is_refused() {
    let cluster = Cluster::new(1);
    close_all(cluster.start().await).await;
    std::fs::remove_file(cluster.path(0).join("node.json")).unwrap();
    let why = refused(&cluster, 1).await;
    assert!(why.contains("node.json"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_partitions_is_refused() {
    let cluster = Cluster::new(1);
    cluster.open(0).await.close().await;
    let why = refused(&cluster, 2).await;
    assert!(why.contains("1 partitions") && why.contains("set it back"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_its_log_does_not_start() {
    let cluster = Cluster::new(1);
    close_all(cluster.start().await).await;
    std::fs::remove_dir_all(cluster.path(0).join("log")).unwrap();
    let why = refused(&cluster, 1).await;
    assert!(why.contains("its log is gone"), "{why}");
}

/// Has the only node of a cluster write, and put its log back to before, as many starts ago.
async fn with_an_older_log(starts: u32) -> Cluster {
    let cluster = Cluster::new(1);
    let nodes = cluster.start().await;
    create(&leader(&nodes).await, 0..20).await;
    close_all(nodes).await;
    let (log, old) = (cluster.path(0).join("log"), cluster.path(0).join("old"));
    copy(&log, &old);
    for start in 1..=starts {
        let node = cluster.open(0).await;
        create(&leader([&node]).await, start * 20..(start + 1) * 20).await;
        close_all([node]).await;
    }
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(old, log).unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_is_refused_by_a_node_that_nobody_else_can_warn() {
    let cluster = with_an_older_log(1).await;
    let why = refused(&cluster, 1).await;
    assert!(why.contains("has applied entry") && why.contains("older copy"), "{why}");
    // Its record knows as well, once it has started since: no state store is needed for that.
    let cluster = with_an_older_log(2).await;
    std::fs::remove_dir_all(cluster.path(0).join("state")).unwrap();
    let why = refused(&cluster, 1).await;
    assert!(why.contains("ends before where it began"), "{why}");
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
