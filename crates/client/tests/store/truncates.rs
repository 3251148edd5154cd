//! Cutting objects short, and draining them.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};
use cairn_client::{Error, TrustLevel, Versioning};

const METACHUNK: u64 = 256 * 1024;

#[tokio::test]
async fn any_size_up_to_the_present_one_can_be_cut_to() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let body = content(3 * METACHUNK as usize + 1000);
    let size = body.len() as u64;
    for policy in ["EC", "COPIES"] {
        // The second extent begins in the middle of what would be the third metachunk.
        let split = 2 * METACHUNK + 100;
        let mut cuts = vec![0, 1, METACHUNK - 1, METACHUNK, METACHUNK + 1, 2 * METACHUNK];
        cuts.extend([split - 1, split, split + 1, size - 1, size]);
        for cut in cuts {
            let name = object(&format!("{policy}-{cut}"));
            let put = client.put_object(&acme, &stones, &name, body.slice(..split as usize));
            let put = put.policy(policy.parse().unwrap()).await.unwrap();
            let rest = body.slice(split as usize..);
            client.append_object(&acme, &stones, &name, rest).await.unwrap();

            let beyond = client.truncate_object(&acme, &stones, &name, size + 1).await;
            assert!(matches!(beyond, Err(Error::Invalid(_))), "{beyond:?}");
            let done = client.truncate_object(&acme, &stones, &name, cut).await.unwrap();
            assert_eq!((done.version, done.before, done.size), (put.version, size, cut));
            assert!(done.rewritten < METACHUNK, "{done:?}");
            let shown = client.show_object(&acme, &stones, &name).await.unwrap();
            assert_eq!((shown.entry.size, shown.entry.content), (cut, put.content));
            let bytes = read(client, &acme, &stones, &name).await.unwrap();
            assert!(bytes == body.slice(..cut as usize), "{policy} cut to {cut}");
            let head = client.head_object(&acme, &stones, &name).trust(TrustLevel::Complete);
            assert!(head.await.unwrap());

            // What was cut can grow again.
            client.append_object(&acme, &stones, &name, "more").await.unwrap();
            let bytes = read(client, &acme, &stones, &name).await.unwrap();
            assert!(bytes == [&body[..cut as usize], b"more"].concat(), "{policy} cut to {cut}");
        }
    }
    let shown = client.show_container(&acme, &stones).await.unwrap();
    let page = client.list_objects(&acme, &stones).await.unwrap();
    let sizes = page.items.iter().map(|item| match item {
        cairn_client::ListedName::Entry(entry) => entry.size,
        other => panic!("{other:?}"),
    });
    assert_eq!(shown.bytes, sizes.sum::<u64>());

    let missing = client.truncate_object(&acme, &stones, &object("missing"), 0).await;
    assert!(matches!(missing, Err(Error::NoSuchObject(_))), "{missing:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn an_older_version_is_cut_alone() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.create_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    let old = client.put_object(&acme, &stones, &name, "an older one").await.unwrap();
    client.put_object(&acme, &stones, &name, "the newest").await.unwrap();
    client.truncate_object(&acme, &stones, &name, 2).version(old.version).await.unwrap();
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), "the newest");
    let read = client.get_object(&acme, &stones, &name).version(old.version).await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), "an");
    cluster.stop().await;
}

#[tokio::test]
async fn a_cut_that_races_with_appends_loses_neither() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let body = content(600_000);
    for round in 0..4 {
        let name = object(&format!("o{round}"));
        client.put_object(&acme, &stones, &name, body.clone()).await.unwrap();
        let append = |tail: &'static str| {
            let append = client.append_object(&acme, &stones, &name, tail);
            async move { append.await.unwrap() }
        };
        let cut = async { client.truncate_object(&acme, &stones, &name, 300_001).await.unwrap() };
        tokio::join!(append("a"), cut, append("b"), append("c"));
        let bytes = read(client, &acme, &stones, &name).await.unwrap();
        let (kept, tail) = bytes.split_at(300_001);
        assert!(kept == &body[..300_001]);
        // Those that came before the cut went with it; no two of the same are there.
        let mut letters = tail.to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), tail.len(), "{tail:?}");
        assert!(letters.iter().all(|letter| b"abc".contains(letter)), "{tail:?}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_drained_object_keeps_everything_but_its_bytes() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    let put = client.put_object(&acme, &stones, &name, content(600_000));
    let put = put.property("height", "2 m").await.unwrap();
    let missing = client.drain_object(&acme, &stones, &object("missing")).await;
    assert!(matches!(missing, Err(Error::NoSuchObject(_))), "{missing:?}");
    client.drain_object(&acme, &stones, &name).await.unwrap();
    client.drain_object(&acme, &stones, &name).await.unwrap();
    wait_for("chunks of a drained object", || cluster.files() == 0).await;

    let drained = |outcome: Result<(), Error>| matches!(outcome, Err(Error::Drained(_)));
    assert!(drained(read(client, &acme, &stones, &name).await.map(drop)));
    assert!(drained(client.locate_object(&acme, &stones, &name).await.map(drop)));
    assert!(drained(client.append_object(&acme, &stones, &name, "x").await.map(drop)));
    assert!(drained(client.truncate_object(&acme, &stones, &name, 3).await.map(drop)));
    let link = client.link_object(&acme, &stones, &name).to(&acme, &stones, &object("link"));
    assert!(drained(link.await.map(drop)));

    let shown = client.show_object(&acme, &stones, &name).await.unwrap();
    assert!(shown.entry.drained);
    let entry = (shown.entry.size, shown.entry.version, shown.entry.hash);
    assert_eq!(entry, (600_000, put.version, Some(put.hash)));
    assert_eq!(client.show_container(&acme, &stones).await.unwrap().bytes, 600_000);
    let head = |trust| client.head_object(&acme, &stones, &name).trust(trust);
    assert!(head(TrustLevel::Metadata).await.unwrap());
    assert!(!head(TrustLevel::Readable).await.unwrap());
    client.update_object(&acme, &stones, &name).set("height", "3 m").await.unwrap();
    client.touch_object(&acme, &stones, &name).await.unwrap();
    client.put_object(&acme, &stones, &name, "bytes again").await.unwrap();
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), "bytes again");
    client.drain_object(&acme, &stones, &name).await.unwrap();
    client.delete_object(&acme, &stones, &name).await.unwrap();
    assert_eq!(client.show_container(&acme, &stones).await.unwrap().bytes, 0);
    wait_for("chunks of deleted objects", || cluster.files() == 0).await;
    cluster.stop().await;
}
