//! What a node comes back with.

use super::harness::{
    Cluster, close_all, copy, count, create, cut, data, leader, left_behind, snapshot, wait_for,
};
use model::PartitionId;
use state::read;
use std::path::Path;

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
