//! What does not come about in time leaves nothing behind.

use crate::cluster::{Cluster, account, container, content, object, wait_for};
use cairn_client::{Error, Source};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn an_expired_deadline_leaves_no_object() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.create_container(&acme, &stones).await.unwrap();

    // Before it began, while it was read ahead, and in the middle of its bytes.
    let past = Instant::now();
    let put = client.put_object(&acme, &stones, &name, content(10)).deadline(past).await;
    assert!(matches!(put, Err(Error::DeadlineReached { .. })), "{put:?}");
    let put = client.until(past).put_object(&acme, &stones, &name, content(10)).await;
    assert!(matches!(put, Err(Error::DeadlineReached { .. })), "{put:?}");
    let (silent, _held) = tokio::io::duplex(64);
    let endless = Source::reader(std::io::Cursor::new(content(700_000)).chain(silent));
    let soon = Instant::now() + Duration::from_millis(300);
    let put = client.put_object(&acme, &stones, &name, endless).deadline(soon).await;
    assert!(matches!(put, Err(Error::DeadlineReached { .. })), "{put:?}");

    let shown = client.show_object(&acme, &stones, &name).await;
    assert!(matches!(shown, Err(Error::NoSuchObject(_))), "{shown:?}");
    wait_for("chunks of what was given up", || cluster.files() == 0).await;

    let late = Instant::now() + Duration::from_secs(60);
    client.put_object(&acme, &stones, &name, content(700_000)).deadline(late).await.unwrap();
    let shown = client.until(past).show_object(&acme, &stones, &name).await;
    assert!(matches!(shown, Err(Error::Unavailable(_))), "{shown:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_container_is_made_only_if_it_may_be() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    let put = client.put_object(&acme, &stones, &name, "bytes").autocreate(false).await;
    assert!(matches!(put, Err(Error::NoSuchContainer(_))), "{put:?}");
    let shown = client.show_container(&acme, &stones).await;
    assert!(matches!(shown, Err(Error::NoSuchContainer(_))), "{shown:?}");
    assert_eq!(cluster.files(), 0);
    client.put_object(&acme, &stones, &name, "bytes").await.unwrap();
    cluster.stop().await;
}
