//! Replicas that are brought up by snapshots.

use super::harness::{
    Cluster, close_all, count, create, data, leader, left_behind, snapshot, wait_for,
};
use crate::Node;
use model::PartitionId;
use state::read;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_behind_the_cut_log_is_sent_a_snapshot() {
    let (cluster, mut nodes, away) = left_behind().await;
    let leading = leader(&nodes).await;

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
