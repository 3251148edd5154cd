//! Objects: presence, locating, deleting many.

use crate::cluster::{Cluster, account, container, content, object};
use cairn_client::{
    ChunkState, Error, LocatedChunk, ObjectName, Source, Timings, TrustLevel, Versioning,
};
use md5::{Digest, Md5};

const METACHUNK: usize = 256 * 1024;

#[tokio::test]
async fn presence_is_as_sure_as_one_wants() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    for (policy, width, k) in [("EC", 6, 4), ("COPIES", 3, 1)] {
        let name = object(policy);
        let at = |trust| client.head_object(&acme, &stones, &name).trust(trust);
        assert!(!at(TrustLevel::Complete).await.unwrap(), "not even its container need exist");
        let body = content(3 * METACHUNK + 17);
        client
            .put_object(&acme, &stones, &name, body.clone())
            .policy(policy.parse().unwrap())
            .await
            .unwrap();
        assert!(at(TrustLevel::Complete).await.unwrap());

        // The chunks of the last metachunk go one by one.
        let located = client.locate_object(&acme, &stones, &name).await.unwrap();
        let last = &located.chunks[located.chunks.len() - width..];
        for (lost, chunk) in (1..).zip(last) {
            let volume = chunk.volume.as_ref().unwrap().id;
            std::fs::remove_file(cluster.file(volume, &chunk.name)).unwrap();
            assert!(at(TrustLevel::Metadata).await.unwrap());
            assert_eq!(at(TrustLevel::Readable).await.unwrap(), width - lost >= k, "{lost} lost");
            assert!(!at(TrustLevel::Complete).await.unwrap());
        }
        let read = client.get_object(&acme, &stones, &name).await.unwrap().bytes().await;
        assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    }

    // A delete marker is no object.
    client.update_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    let deleted = client.delete_object(&acme, &stones, &object("EC")).await.unwrap();
    assert!(deleted.marker);
    let head = client.head_object(&acme, &stones, &object("EC"));
    assert!(!head.version(deleted.version).await.unwrap());
    assert!(!client.head_object(&acme, &stones, &object("EC")).await.unwrap());
    let empty = object("empty");
    client.put_object(&acme, &stones, &empty, "").await.unwrap();
    let head = client.head_object(&acme, &stones, &empty).trust(TrustLevel::Complete);
    assert!(head.await.unwrap());
    cluster.stop().await;
}

#[tokio::test]
async fn chunk_servers_say_what_they_have() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    client.put_object(&acme, &stones, &name, content(METACHUNK + 5)).await.unwrap();
    let located = client.locate_object(&acme, &stones, &name).ask_servers(true).await.unwrap();
    assert_eq!(located.chunks.len(), 12);
    let footer = |chunk: &LocatedChunk| match &chunk.state {
        Some(ChunkState::Present { bytes, footer: Some(footer) }) => (*bytes, footer.clone()),
        other => panic!("{}: {other:?}", chunk.name),
    };
    for chunk in &located.chunks {
        let (bytes, footer) = footer(chunk);
        let file = cluster.file(chunk.volume.as_ref().unwrap().id, &chunk.name);
        assert_eq!(bytes, file.metadata().unwrap().len());
        assert_eq!(footer.metachunk_length, chunk.metachunk_length);
        assert_eq!(footer.origin, located.object.extents()[0].origin);
        let named = (&footer.account, &footer.container, &footer.object);
        assert_eq!(named, (&acme, &stones, &name));
    }
    let (hash, other) = (footer(&located.chunks[0]).1, footer(&located.chunks[5]).1);
    assert_eq!(hash.metachunk_hash, other.metachunk_hash, "of one metachunk");

    let file = |chunk: &LocatedChunk| cluster.file(chunk.volume.as_ref().unwrap().id, &chunk.name);
    std::fs::remove_file(file(&located.chunks[1])).unwrap();
    std::fs::write(file(&located.chunks[2]), b"something else").unwrap();
    let located = client.locate_object(&acme, &stones, &name).ask_servers(true).await.unwrap();
    assert_eq!(located.chunks[1].state, Some(ChunkState::Missing));
    let damaged = located.chunks[2].state.as_ref().unwrap();
    assert!(matches!(damaged, ChunkState::Damaged { .. }), "{damaged:?}");
    footer(&located.chunks[3]);
    cluster.stop().await;
}

#[tokio::test]
async fn many_objects_are_deleted_by_one_call() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let missing = client.delete_objects(&acme, &stones, [object("o")]).await;
    assert!(matches!(missing, Err(Error::NoSuchContainer(_))), "{missing:?}");

    let names: Vec<ObjectName> = (0..8).map(|n| object(&format!("o{n}"))).collect();
    for name in &names {
        client.put_object(&acme, &stones, name, "bytes").await.unwrap();
    }
    let asked = names.iter().cloned().chain([object("absent"), names[0].clone()]);
    let outcomes = client.delete_objects(&acme, &stones, asked.clone()).await.unwrap();
    let told: Vec<_> = outcomes.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(told, asked.collect::<Vec<_>>());
    assert!(outcomes[..8].iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
    for (_, outcome) in &outcomes[8..] {
        assert!(matches!(outcome, Err(Error::NoSuchObject(_))), "{outcome:?}");
    }
    assert!(client.list_objects(&acme, &stones).await.unwrap().items.is_empty());

    // More than fit in a call, and markers where versions are kept.
    client.update_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    client.put_object(&acme, &stones, &names[0], "bytes").await.unwrap();
    let many = (0..1500).map(|n| object(&format!("absent{n}"))).chain([names[0].clone()]);
    let outcomes = client.delete_objects(&acme, &stones, many).await.unwrap();
    assert_eq!(outcomes.len(), 1501);
    assert!(outcomes.last().unwrap().1.as_ref().unwrap().marker);
    cluster.stop().await;
}

#[tokio::test]
async fn stages_are_measured() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, up, down) = (object("cairn"), Timings::default(), Timings::default());
    client.put_object(&acme, &stones, &name, content(METACHUNK)).timings(&up).await.unwrap();
    let put = up.stages();
    assert!([put.resolve, put.prepare, put.upload, put.commit].iter().all(Option::is_some));
    assert_eq!((put.ttfb, put.ttlb), (None, None));

    let download = client.get_object(&acme, &stones, &name).timings(&down).await.unwrap();
    assert!(down.stages().resolve.is_some() && down.stages().ttlb.is_none());
    download.bytes().await.unwrap();
    let get = down.stages();
    assert!(get.resolve <= get.ttfb && get.ttfb <= get.ttlb, "{get:?}");

    // What failed tells how far it came.
    let failed = Timings::default();
    let short = Source::reader(tokio::io::empty()).sized(1);
    client.put_object(&acme, &stones, &name, short).timings(&failed).await.unwrap_err();
    assert!(failed.stages().prepare.is_some() && failed.stages().commit.is_none());
    cluster.stop().await;
}

#[tokio::test]
async fn any_list_of_ranges_comes_in_its_order() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, body) = (object("cairn"), content(12 * METACHUNK));
    let size = body.len() as u64;
    client.put_object(&acme, &stones, &name, body.clone()).await.unwrap();
    let m = METACHUNK as u64;
    let lists: [&[(u64, u64)]; 6] = [
        &[(0, 9)],
        &[(size - 5, size + 1000)],
        &[(m, m + 6)],
        &[(2 * m - 6, 2 * m - 1)],
        &[(3 * m - 100, 4 * m + 100)],
        &[(8 * m, 9 * m + 3), (5, 3 * m), (5, 7), (8 * m + 1, 8 * m + 1), (size - 1, size - 1)],
    ];
    for ranges in lists {
        let download = client.get_object(&acme, &stones, &name).ranges(ranges.iter().copied());
        let clipped = |(first, last): &(u64, u64)| *first as usize..=(*last).min(size - 1) as usize;
        let expected: Vec<u8> = ranges.iter().flat_map(|r| body[clipped(r)].to_vec()).collect();
        let bytes = download.await.unwrap().bytes().await.unwrap();
        assert!(bytes == expected, "{ranges:?}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_at_once_have_each_its_own_md5() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    client.create_container(&acme, &stones).await.unwrap();
    let all = content(2 * METACHUNK + 40 * 999);
    let put = |n: usize| {
        // Some are so short that they are hashed where they are.
        let data = all.slice(n * 999..[1, 1000, METACHUNK, all.len()][n % 4].max(n * 999));
        let policy = ["EC", "COPIES"][n % 2].parse().unwrap();
        let (client, acme, stones) = (client.clone(), acme.clone(), stones.clone());
        async move {
            let (name, md5) = (object(&format!("o{n}")), hex::encode(Md5::digest(&data)));
            let put = client.put_object(&acme, &stones, &name, data.clone()).policy(policy);
            let stored = put.expect_etag(&md5).await.unwrap();
            assert_eq!((stored.etag(), stored.size), (md5.clone(), data.len() as u64));
            let shown = client.show_object(&acme, &stones, &name).await.unwrap();
            assert_eq!(shown.entry.md5.map(hex::encode), Some(md5));
        }
    };
    futures::future::join_all((0..40).map(|n| tokio::spawn(put(n))))
        .await
        .into_iter()
        .for_each(|put| put.unwrap());

    let wrong = client.put_object(&acme, &stones, &object("wrong"), all.clone());
    let error = wrong.expect_etag(hex::encode(Md5::digest(b"another"))).await.unwrap_err();
    assert!(matches!(error, Error::EtagMismatch { algorithm: "MD5", .. }), "{error:?}");
    assert!(!client.head_object(&acme, &stones, &object("wrong")).await.unwrap());
    cluster.stop().await;
}
