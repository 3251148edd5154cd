//! Chunk tables that are too long for their commit.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};

/// Metachunks of `TINY`.
const METACHUNK: usize = 64 * 1024;

#[tokio::test]
async fn a_long_table_is_staged_and_serves_every_operation() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, link) = (object("cairn"), object("link"));
    // More than a page, and more than the next 256.
    let body = content(300 * METACHUNK + 5);
    let put = client.put_object(&acme, &stones, &name, body.clone());
    let stored = put.policy("TINY".parse().unwrap()).await.unwrap();
    assert_eq!(stored.total, body.len() as u64);
    assert_eq!(cluster.files(), 301);
    let more = content(40 * METACHUNK);
    client.append_object(&acme, &stones, &name, more.clone()).await.unwrap();
    let whole = [&body[..], &more[..]].concat();
    assert!(read(client, &acme, &stones, &name).await.unwrap() == whole);

    client.link_object(&acme, &stones, &name).to(&acme, &stones, &link).await.unwrap();
    client.delete_object(&acme, &stones, &name).await.unwrap();
    wait_for("chunks of the source", || cluster.files() == 341).await;
    assert!(read(client, &acme, &stones, &link).await.unwrap() == whole);
    let cut = 270 * METACHUNK + 17;
    client.truncate_object(&acme, &stones, &link, cut as u64).await.unwrap();
    wait_for("chunks behind the cut", || cluster.files() == 271).await;
    assert!(read(client, &acme, &stones, &link).await.unwrap() == whole[..cut]);
    client.truncate_object(&acme, &stones, &link, 3).await.unwrap();
    assert!(read(client, &acme, &stones, &link).await.unwrap() == whole[..3]);
    client.delete_object(&acme, &stones, &link).await.unwrap();
    wait_for("chunks of deleted objects", || cluster.files() == 0).await;
    cluster.stop().await;
}
