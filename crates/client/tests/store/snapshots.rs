//! Snapshots of containers.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};
use cairn_client::{
    AccountName, Client, ContainerName, Error, ListedName, Object, ObjectEntry, Versioning,
};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(4);

async fn versions(client: &Client, a: &AccountName, c: &ContainerName) -> Vec<ObjectEntry> {
    let page = client.list_objects(a, c).versions(true).properties(true).await.unwrap();
    let entry = |item| match item {
        ListedName::Entry(entry) => entry,
        ListedName::Prefix(prefix) => panic!("{prefix}"),
    };
    page.items.into_iter().map(entry).collect()
}

/// A container with versions, a marker, appended, empty, linked and drained objects.
async fn fill(client: &Client, acme: &AccountName, stones: &ContainerName) {
    let create = client.create_container(acme, stones).property("of", "stones");
    create.versioning(Versioning::Unlimited).await.unwrap();
    for n in 0..100 {
        let put = client.put_object(acme, stones, &object(&format!("o{n:02}")), content(100 + n));
        let policy = if n % 2 == 0 { "EC" } else { "COPIES" };
        put.policy(policy.parse().unwrap()).property("n", n.to_string()).await.unwrap();
    }
    for n in 0..3 {
        client.put_object(acme, stones, &object("o07"), content(10 * n)).await.unwrap();
    }
    client.append_object(acme, stones, &object("o08"), content(300_000)).await.unwrap();
    client.delete_object(acme, stones, &object("o09")).await.unwrap();
    client.drain_object(acme, stones, &object("o10")).await.unwrap();
    let link = client.link_object(acme, stones, &object("o08"));
    link.to(acme, stones, &object("link")).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_is_what_its_source_was() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    fill(client, &acme, &stones).await;
    let (other, snap) = (account("other"), container("snap"));
    let snapshot = client.snapshot_container(&acme, &stones, &other, &snap).await.unwrap();
    let source = client.show_container(&acme, &stones).await.unwrap();
    assert_eq!((snapshot.objects, snapshot.bytes), (source.objects, source.bytes));

    assert_eq!(versions(client, &other, &snap).await, versions(client, &acme, &stones).await);
    let shown = client.show_container(&other, &snap).await.unwrap();
    assert_eq!(shown.snapshot_of, Some(source.id));
    assert_eq!(shown.properties, source.properties);
    let told = client.show_account(&other).await.unwrap();
    assert_eq!((told.containers, told.objects), (1, source.objects));
    for name in ["o00", "o01", "o07", "o08", "link"].map(object) {
        let bytes = read(client, &acme, &stones, &name).await.unwrap();
        assert!(read(client, &other, &snap, &name).await.unwrap() == bytes, "{name}");
        let chunks = |object: &Object| -> Vec<_> {
            object.extents().iter().flat_map(|e| e.chunks().collect::<Vec<_>>()).collect()
        };
        let old = client.locate_object(&acme, &stones, &name).await.unwrap().object;
        let new = client.locate_object(&other, &snap, &name).await.unwrap().object;
        let same = chunks(&old).iter().zip(chunks(&new)).filter(|(a, b)| a.1 == b.1).count();
        assert_eq!(same, 0, "{name}");
    }
    // It stays as it is, and its source goes on.
    let refused = client.put_object(&other, &snap, &object("o"), "x").await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    client.put_object(&acme, &stones, &object("o00"), "changed").await.unwrap();
    assert!(read(client, &other, &snap, &object("o00")).await.unwrap() == content(100));

    let existing = client.snapshot_container(&acme, &stones, &other, &snap).await;
    assert!(matches!(existing, Err(Error::AlreadyExists(_))), "{existing:?}");
    let itself = client.snapshot_container(&acme, &stones, &acme, &stones).await;
    assert!(matches!(itself, Err(Error::Invalid(_))), "{itself:?}");
    let missing = client.snapshot_container(&acme, &container("none"), &other, &snap).await;
    assert!(matches!(missing, Err(Error::NoSuchContainer(_))), "{missing:?}");
    // A snapshot of a snapshot.
    let again = container("again");
    let copy = client.snapshot_container(&other, &snap, &acme, &again).await.unwrap();
    assert_eq!(copy.objects, snapshot.objects);
    client.put_object(&acme, &stones, &object("o00"), "and again").await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_was_broken_off_is_taken_up_again() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    fill(client, &acme, &stones).await;
    let snap = container("snap");
    let take = || client.snapshot_container(&acme, &stones, &acme, &snap).lease(LEASE);
    let files = cluster.files();
    let job = tokio::spawn(take().into_future());
    wait_for("nothing is copied", || cluster.files() > files + 60).await;
    job.abort();
    assert!(job.await.unwrap_err().is_cancelled(), "it was to be broken off before its end");

    // What is half is not seen, and the source is frozen until the lease is over.
    let hidden = client.show_container(&acme, &snap).await;
    assert!(matches!(hidden, Err(Error::NoSuchContainer(_))), "{hidden:?}");
    let taken = client.create_container(&acme, &snap).await;
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let busy = client.put_object(&acme, &stones, &object("o00"), "changed").await;
    assert!(matches!(busy, Err(Error::Unavailable(_))), "{busy:?}");
    let mut waited = Duration::ZERO;
    while client.put_object(&acme, &stones, &object("o00"), "changed").await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += Duration::from_millis(50);
        assert!(waited < Duration::from_secs(60), "the lease never ends");
    }
    client.delete_object(&acme, &stones, &object("o01")).await.unwrap();
    let marker = client.list_objects(&acme, &stones).versions(true).prefix("o01").await.unwrap();
    assert_eq!(marker.items.len(), 2);

    let snapshot = take().await.unwrap();
    let expected = versions(client, &acme, &stones).await;
    assert_eq!(versions(client, &acme, &snap).await, expected);
    assert!((snapshot.imported as usize) < expected.len(), "{snapshot:?} goes on");
    assert_eq!(read(client, &acme, &snap, &object("o00")).await.unwrap(), "changed");
    cluster.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_nobody_finishes_can_be_discarded() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    fill(client, &acme, &stones).await;
    let (snap, files) = (container("snap"), cluster.files());
    let none = client.discard_snapshot(&acme, &snap).await;
    assert!(matches!(none, Err(Error::NoSuchContainer(_))), "{none:?}");
    let take = client.snapshot_container(&acme, &stones, &acme, &snap).lease(LEASE);
    let job = tokio::spawn(take.into_future());
    wait_for("nothing is copied", || cluster.files() > files + 60).await;
    job.abort();
    assert!(job.await.unwrap_err().is_cancelled(), "it was to be broken off before its end");
    client.discard_snapshot(&acme, &snap).await.unwrap();
    client.thaw_container(&acme, &stones).await.unwrap();
    client.put_object(&acme, &snap, &object("o"), "x").await.unwrap();
    cluster.stop().await;
}
