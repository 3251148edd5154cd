//! Processes that go without notice while writers are at work.

use crate::harness::{Cluster, Load, Role, Scene, eventually, names};
use client::{Client, ContainerId, PartitionId, ReplicaStatus, Source};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// How long a call of a writer is tried.
const DEADLINE: Duration = Duration::from_secs(8);

/// What each node that answers says of its replicas, by its address.
fn replicas(scene: &Scene, client: &Client) -> BTreeMap<String, Vec<ReplicaStatus>> {
    let reports = scene.run(async { client.cluster().status().await }).unwrap();
    let answered = reports.into_iter().filter_map(|r| Some((r.node.address, r.status.ok()?)));
    answered.map(|(address, status)| (address, status.replicas)).collect()
}

/// The address of the node that leads a container's partition.
fn leader_of(scene: &Scene, client: &Client, container: &str) -> Option<String> {
    let map = scene.run(async { client.cluster().cached_map().await }).unwrap();
    let (account, container, _) = names(container, "any");
    let partition = map.slots.partition_of(ContainerId::of(&account, &container).slot());
    let leads = |r: &ReplicaStatus| r.partition == partition && r.state == "leader";
    let all = replicas(scene, client);
    all.into_iter().find(|(_, replicas)| replicas.iter().any(leads)).map(|(address, _)| address)
}

/// Whether a node has applied all that the leaders have, in every partition.
fn caught_up(scene: &Scene, client: &Client, address: &str) -> Option<()> {
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

#[test]
fn the_loss_of_a_leader_loses_nothing_and_writes_go_on() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[3]);
    let client = cluster.store.client(DEADLINE);
    let started = Instant::now();
    let load = Load::start(&scene, &client, 4, "THREECOPIES", 1);
    eventually("writes are acknowledged", PATIENCE, || {
        (load.fewest_acknowledged(started) >= 5).then_some(())
    });
    let address = eventually("there is a leader", PATIENCE, || leader_of(&scene, &client, "load0"));
    let leader = cluster.meta_at(&address);
    cluster.kill(Role::Meta(leader));
    let killed = Instant::now();
    eventually("writes go on in every container", PATIENCE, || {
        (load.fewest_acknowledged(killed) >= 5).then_some(())
    });
    let next = eventually("there is another", PATIENCE, || leader_of(&scene, &client, "load0"));
    assert_ne!(next, address);

    // It comes back in the middle of the writes.
    cluster.restart(&[Role::Meta(leader)]);
    let back = Instant::now();
    eventually("writes go on", PATIENCE, || (load.fewest_acknowledged(back) >= 3).then_some(()));
    let done = load.finish(&scene);
    eventually("the node catches up", PATIENCE, || caught_up(&scene, &client, &address));
    done.check(&scene, &client);

    // Without another one it is needed: what it has must be all there is.
    let other = (0..3).find(|&meta| meta != leader).unwrap();
    cluster.kill(Role::Meta(other));
    let fresh = cluster.store.client(Duration::from_secs(30));
    done.check(&scene, &fresh);
    let (account, container, object) = names("load0", "after");
    scene.run(async {
        let put = fresh.put_object(&account, &container, &object, Source::from("after"));
        put.policy("THREECOPIES".parse().unwrap()).await.unwrap();
        let download = fresh.get_object(&account, &container, &object).await.unwrap();
        assert_eq!(download.bytes().await.unwrap(), "after");
    });
    let (acknowledged, failed) = done.counts();
    assert!(acknowledged >= 4 * 13, "{acknowledged} acknowledged, {failed} failed");
}

#[test]
fn when_every_process_is_killed_at_once_what_was_acknowledged_is_there() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[2, 2, 2]);
    let mut rounds = Vec::new();
    for round in 1..=2 {
        let client = cluster.store.client(DEADLINE);
        let started = Instant::now();
        let load = Load::start(&scene, &client, 4, "EC42", round);
        eventually("writes are acknowledged", PATIENCE, || {
            (load.fewest_acknowledged(started) >= 6).then_some(())
        });
        let roles = cluster.roles();
        for &role in &roles {
            cluster.kill(role);
        }
        rounds.push(load.finish(&scene));
        cluster.restart(&roles);
        cluster.store.wait_until_healthy();
        let client = cluster.store.client(Duration::from_secs(30));
        for done in &rounds {
            done.check(&scene, &client);
        }
    }
    for done in &rounds {
        let (acknowledged, failed) = done.counts();
        assert!(acknowledged >= 4 * 6 && failed >= 1, "{acknowledged} {failed}");
    }
}
