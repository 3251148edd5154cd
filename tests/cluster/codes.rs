//! Contents of every shape, whole and with as much lost as the policy bears.

use crate::harness::{
    Cluster, Role, Scene, Store, chunk_files, content, empty_volume, names, within,
};
use client::{Client, Source};
use std::{collections::BTreeSet, time::Duration};

/// Data of a stripe of EC63.
const STRIPE: usize = 6 * 65_536;

/// Data of a metachunk of the small policy, whose chunks have four blocks.
const METACHUNK: usize = 4 * STRIPE;

const LARGE: usize = 300_000_000;

const PATIENCE: Duration = Duration::from_secs(120);

async fn put(client: &Client, name: &str, policy: &str, bytes: Vec<u8>) {
    let (account, container, object) = names("shapes", name);
    let size = bytes.len() as u64;
    let put = client.put_object(&account, &container, &object, Source::from(bytes));
    let stored = within(PATIENCE, name, put.policy(policy.parse().unwrap())).await.unwrap();
    assert_eq!((stored.size, stored.dropped), (size, 0), "{name}");
    // What has no chunks loses none.
    assert!(stored.tolerance == 3 || size == 0, "{name}: {}", stored.tolerance);
}

async fn read(client: &Client, name: &str) -> bytes::Bytes {
    let (account, container, object) = names("shapes", name);
    let download = client.get_object(&account, &container, &object);
    within(PATIENCE, name, async { download.await.unwrap().bytes().await.unwrap() }).await
}

/// Every content must be what it was.
fn check(scene: &Scene, client: &Client, shapes: &[(usize, &str)]) {
    for &(size, policy) in shapes {
        let bytes = scene.run(read(client, &format!("{size}")));
        assert!(bytes[..] == content(size as u64, size)[..], "{size} bytes in {policy}");
    }
}

/// The large one, through the command line and its standard input and output.
fn check_large(store: &Store, large: &[u8]) {
    let out = store.cli(&["object", "get", "shapes", "large", "-"]).ok().out;
    assert!(out == large, "{} bytes came of {LARGE}", out.len());
}

#[test]
fn every_length_is_read_whole_and_with_any_three_volumes_lost() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[3, 3, 3]);
    let client = cluster.store.client(Duration::from_secs(30));
    let mut shapes: Vec<(usize, &str)> =
        [0, 1, 1023, 65_535, 65_536, 65_537, STRIPE - 1, STRIPE, STRIPE + 1]
            .map(|size| (size, "EC63"))
            .to_vec();
    for whole in [METACHUNK, 3 * METACHUNK] {
        shapes.extend([whole - 1, whole, whole + 1].map(|size| (size, "EC63S")));
    }
    for &(size, policy) in &shapes {
        let bytes = content(size as u64, size);
        scene.run(put(&client, &format!("{size}"), policy, bytes));
    }
    let large = content(300, LARGE);
    let file = scene.file("large", &large);
    let file = file.to_str().unwrap();
    let arguments = ["object", "put", "shapes", "large", file, "--policy", "EC63", "--json"];
    let stored = cluster.store.cli(&arguments).json();
    assert_eq!((&stored["size"], &stored["dropped"]), (&LARGE.into(), &0.into()));
    std::fs::remove_file(file).unwrap();

    let (account, container, object) = names("shapes", &(3 * METACHUNK + 1).to_string());
    let located = scene.run(client.locate_object(&account, &container, &object));
    let metachunks: BTreeSet<_> =
        located.unwrap().chunks.iter().map(|c| c.name.metachunk).collect();
    assert_eq!(metachunks.len(), 4);

    check(&scene, &client, &shapes);
    check_large(&cluster.store, &large);

    // One volume of each server loses its chunks, the first of a server that goes on.
    for server in 0..3 {
        assert!(empty_volume(&cluster.volumes(server)[server]) > 0);
    }
    check(&scene, &client, &shapes);
    check_large(&cluster.store, &large);

    // What they lost is written again, beside it this time; then a whole server goes.
    let shapes: Vec<_> = shapes.iter().map(|&(size, policy)| (size + 7, policy)).collect();
    for &(size, policy) in &shapes {
        let bytes = content(size as u64, size);
        scene.run(put(&client, &format!("{size}"), policy, bytes));
    }
    assert!(cluster.all_volumes().iter().all(|v| !chunk_files(v).is_empty()));
    cluster.kill(Role::Chunk(1));
    check(&scene, &client, &shapes);
    // A client that has never seen that server finds its way too.
    let client = cluster.store.client(Duration::from_secs(30));
    check(&scene, &client, &shapes);
    cluster.wait_until_down(3);
    check(&scene, &client, &shapes);
    cluster.restart(&[Role::Chunk(1)]);
    cluster.store.wait_until_healthy();
    check(&scene, &client, &shapes);
}
