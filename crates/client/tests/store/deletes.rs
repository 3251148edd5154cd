//! Deleting, purging and flushing.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};
use cairn_client::{Error, Versioning};
use std::time::Duration;

#[tokio::test]
async fn a_delete_marker_is_taken_back_by_its_version_alone() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.create_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    client.put_object(&acme, &stones, &name, "bytes").await.unwrap();
    let delete = || client.delete_object(&acme, &stones, &name);
    let (first, second) = (delete().await.unwrap(), delete().await.unwrap());
    assert!(first.marker && second.marker && second.version > first.version);
    assert!(matches!(read(client, &acme, &stones, &name).await, Err(Error::NoSuchObject(_))));
    let gone = delete().version(second.version).await.unwrap();
    assert!(!gone.marker);
    assert!(matches!(read(client, &acme, &stones, &name).await, Err(Error::NoSuchObject(_))));
    delete().version(first.version).await.unwrap();
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), "bytes");
    let unknown = delete().version(first.version).await;
    assert!(matches!(unknown, Err(Error::NoSuchObject(_))), "{unknown:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_purge_keeps_the_newest() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let missing = client.purge_container(&acme, &stones).await;
    assert!(matches!(missing, Err(Error::NoSuchContainer(_))), "{missing:?}");
    client.create_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    let (a, b) = (object("a"), object("b"));
    for n in 0..5 {
        client.put_object(&acme, &stones, &a, format!("a{n}")).await.unwrap();
        client.put_object(&acme, &stones, &b, format!("b{n}")).await.unwrap();
    }
    client.delete_object(&acme, &stones, &b).await.unwrap();
    let purged = client.purge_container(&acme, &stones).await.unwrap();
    assert_eq!((purged.versions, purged.markers), (0, 0), "it keeps all");
    let purged = client.purge_container(&acme, &stones).object(&a).keep(3).await.unwrap();
    assert_eq!(purged.versions, 2);
    client.update_container(&acme, &stones).versioning(Versioning::Keep(2)).await.unwrap();
    let purged = client.purge_container(&acme, &stones).await.unwrap();
    assert_eq!((purged.versions, purged.markers), (4, 0));
    assert_eq!(read(client, &acme, &stones, &a).await.unwrap(), "a4");
    assert!(matches!(read(client, &acme, &stones, &b).await, Err(Error::NoSuchObject(_))));
    assert_eq!(client.show_container(&acme, &stones).await.unwrap().objects, 4);
    let purge = client.purge_container(&acme, &stones).keep(0);
    let purged = purge.markers_older_than(Duration::ZERO).await.unwrap();
    assert_eq!((purged.versions, purged.markers), (3, 1), "b as a whole, and one of a");
    assert_eq!(read(client, &acme, &stones, &a).await.unwrap(), "a4");
    wait_for("chunks of what was purged", || cluster.files() == 6).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_flushed_container_is_empty_and_stays() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    for fast in [false, true] {
        let missing = client.flush_container(&acme, &container("missing")).fast(fast).await;
        assert!(matches!(missing, Err(Error::NoSuchContainer(_))), "{missing:?}");
        client.create_container(&acme, &stones).property("a", "1").await.unwrap();
        for count in [0, 1, 40] {
            for n in 0..count {
                client.put_object(&acme, &stones, &object(&format!("o{n}")), "x").await.unwrap();
            }
            let removed = client.flush_container(&acme, &stones).fast(fast).await.unwrap();
            assert_eq!(removed.versions, count);
            let shown = client.show_container(&acme, &stones).await.unwrap();
            assert_eq!((shown.objects, shown.bytes), (0, 0));
            assert_eq!(shown.properties["a"], "1");
            assert!(client.list_objects(&acme, &stones).await.unwrap().items.is_empty());
        }
    }
    // Where versions are kept, only the fast one drops them.
    client.update_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    for _ in 0..3 {
        client.put_object(&acme, &stones, &object("o"), content(100)).await.unwrap();
    }
    client.flush_container(&acme, &stones).await.unwrap();
    assert!(client.list_objects(&acme, &stones).await.unwrap().items.is_empty());
    let versions = || client.list_objects(&acme, &stones).versions(true);
    assert_eq!(versions().await.unwrap().items.len(), 4);
    let removed = client.flush_container(&acme, &stones).fast(true).await.unwrap();
    assert_eq!((removed.versions, removed.markers), (3, 1));
    assert!(versions().await.unwrap().items.is_empty());
    wait_for("chunks of what was flushed", || cluster.files() == 0).await;
    client.delete_container(&acme, &stones).await.unwrap();
    cluster.stop().await;
}
