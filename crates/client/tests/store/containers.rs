//! Counters that are refreshed, frozen containers, listings with properties, stale uploads.

use crate::cluster::{Cluster, account, container, content, object, wait_for};
use cairn_client::{Error, ListedName, Source};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_refresh_heals_counters_that_a_flush_broke() {
    let cluster = Cluster::start().await;
    let (client, acme) = (&cluster.client, account("acme"));
    let names: Vec<_> = (0..5).map(|n| container(&format!("c{n}"))).collect();
    for name in &names {
        client.put_object(&acme, name, &object("o"), content(1000)).await.unwrap();
    }
    let sums = || async {
        let shown = client.show_account(&acme).await.unwrap();
        (shown.containers, shown.objects, shown.bytes)
    };
    client.refresh_account(&acme).await.unwrap();
    assert_eq!(sums().await, (5, 5, 5000));
    client.flush_account(&acme).await.unwrap();
    assert_eq!(sums().await, (0, 0, 0));
    assert!(client.list_containers(&acme).await.unwrap().items.is_empty());
    // The containers are as they were, and one after the other is listed again.
    assert!(client.head_object(&acme, &names[0], &object("o")).await.unwrap());
    assert!(client.refresh_container(&acme, &names[0]).await.unwrap());
    assert_eq!(sums().await, (1, 1, 1000));
    for name in &names[1..] {
        client.refresh_container(&acme, name).await.unwrap();
    }
    client.refresh_accounts().await.unwrap();
    assert_eq!(sums().await, (5, 5, 5000));

    assert!(!client.refresh_container(&acme, &container("phantom")).await.unwrap());
    assert_eq!(client.list_containers(&acme).await.unwrap().items.len(), 5);
    let before = client.show_container(&acme, &names[0]).await.unwrap().modified;
    client.touch_container(&acme, &names[0]).await.unwrap();
    assert!(client.show_container(&acme, &names[0]).await.unwrap().modified > before);
    let missing = client.refresh_account(&account("nobody")).await;
    assert!(matches!(missing, Err(Error::NoSuchAccount(_))), "{missing:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_frozen_container_takes_no_writes_and_says_so_at_once() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.put_object(&acme, &stones, &name, content(1000)).await.unwrap();
    let files = cluster.files();
    client.freeze_container(&acme, &stones).await.unwrap();
    let started = Instant::now();
    let outcomes = [
        client.put_object(&acme, &stones, &object("o"), content(1000)).await.map(drop),
        client.append_object(&acme, &stones, &name, content(1000)).await.map(drop),
        client.truncate_object(&acme, &stones, &name, 1).await.map(drop),
        client.delete_object(&acme, &stones, &name).await.map(drop),
        client.drain_object(&acme, &stones, &name).await.map(drop),
        client.update_object(&acme, &stones, &name).set("a", "1").await.map(drop),
        client.link_object(&acme, &stones, &name).to(&acme, &stones, &name).await.map(drop),
        client.flush_container(&acme, &stones).fast(true).await.map(drop),
        client.purge_container(&acme, &stones).await.map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "nobody waits for an operator");
    assert_eq!(crate::cluster::read(client, &acme, &stones, &name).await.unwrap(), content(1000));
    wait_for("chunks of what was refused", || cluster.files() == files).await;
    client.thaw_container(&acme, &stones).await.unwrap();
    client.delete_object(&acme, &stones, &name).await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn listings_come_with_properties_if_one_asks() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    client.put_object(&acme, &stones, &object("a"), "").property("k", "v").await.unwrap();
    client.put_object(&acme, &stones, &object("b"), "").await.unwrap();
    for asked in [false, true] {
        let page = client.list_objects(&acme, &stones).properties(asked).await.unwrap();
        let properties: Vec<_> = page
            .items
            .into_iter()
            .map(|item| match item {
                ListedName::Entry(entry) => entry.properties.map(|p| p.len()),
                ListedName::Prefix(prefix) => panic!("{prefix}"),
            })
            .collect();
        assert_eq!(properties, if asked { [Some(1), Some(0)] } else { [None, None] });
    }
    cluster.stop().await;
}

#[tokio::test]
async fn an_upload_does_not_land_in_a_container_that_was_made_meanwhile() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.create_container(&acme, &stones).await.unwrap();
    let (mut bytes, source) = tokio::io::duplex(1 << 20);
    let put = client.put_object(&acme, &stones, &name, Source::reader(source));
    let put = tokio::spawn(put.into_future());
    bytes.write_all(&content(300_000)).await.unwrap();
    wait_for("no chunk is written", || cluster.files() > 0).await;
    client.delete_container(&acme, &stones).await.unwrap();
    client.create_container(&acme, &stones).await.unwrap();
    drop(bytes);
    let outcome = put.await.unwrap();
    assert!(matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
    assert!(client.list_objects(&acme, &stones).await.unwrap().items.is_empty());
    wait_for("chunks of what was refused", || cluster.files() == 0).await;
    cluster.stop().await;
}
