//! What metadata nodes say of their replicas.

use super::{cluster::names, scene::Scene};
use client::{Client, ContainerId, PartitionId, ReplicaStatus};
use std::collections::BTreeMap;

/// What each node that answers says of its replicas, by its address.
fn replicas(scene: &Scene, client: &Client) -> BTreeMap<String, Vec<ReplicaStatus>> {
    let reports = scene.run(async { client.cluster().status().await }).unwrap();
    let answered = reports.into_iter().filter_map(|r| Some((r.node.address, r.status.ok()?)));
    answered.map(|(address, status)| (address, status.replicas)).collect()
}

/// The address of the node that leads a container's partition.
pub fn leader_of(scene: &Scene, client: &Client, container: &str) -> Option<String> {
    let map = scene.run(async { client.cluster().cached_map().await }).unwrap();
    let (account, container, _) = names(container, "any");
    let partition = map.slots.partition_of(ContainerId::of(&account, &container).slot());
    let leads = |r: &ReplicaStatus| r.partition == partition && r.state == "leader";
    let all = replicas(scene, client);
    all.into_iter().find(|(_, replicas)| replicas.iter().any(leads)).map(|(address, _)| address)
}

/// Whether a node has applied all that the leaders have, in every partition.
pub fn caught_up(scene: &Scene, client: &Client, address: &str) -> Option<()> {
    let all = replicas(scene, client);
    let mut leaders = BTreeMap::<PartitionId, &ReplicaStatus>::new();
    for replica in all.values().flatten().filter(|r| r.state == "leader") {
        leaders.insert(replica.partition, replica);
    }
    let mine = all.get(address)?;
    let level = |r: &ReplicaStatus| {
        let works = r.state == "follower" || r.state == "leader";
        works
            && leaders.get(&r.partition).is_some_and(|l| (l.term, l.applied) == (r.term, r.applied))
    };
    // Four partitions and the directory.
    (mine.len() == 5 && leaders.len() == 5 && mine.iter().all(level)).then_some(())
}
