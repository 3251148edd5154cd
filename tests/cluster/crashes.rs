//! Processes that go without notice while writers are at work.

use crate::harness::{Cluster, Load, Role, Scene, caught_up, eventually, leader_of, names};
use client::Source;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// How long a call of a writer is tried.
const DEADLINE: Duration = Duration::from_secs(8);

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
