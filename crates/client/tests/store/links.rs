//! Links: objects of their own whose chunks take no space.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};
use cairn_client::{ContentId, Error, Precondition, Properties, Version, Versioning};

#[tokio::test]
async fn a_link_outlives_its_source() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let body = content(700_000);
    for policy in ["EC", "COPIES"] {
        let name = object(policy);
        client
            .put_object(&acme, &stones, &name, body.slice(..400_000))
            .policy(policy.parse().unwrap())
            .property("height", "2 m")
            .mime_type("text/plain")
            .md5(true)
            .await
            .unwrap();
        client.append_object(&acme, &stones, &name, body.slice(400_000..)).await.unwrap();
        let files = cluster.files();
        // Accounts and containers are on different partitions.
        for n in 0..4 {
            let (other, boulders) = (account(&format!("other{n}")), container("boulders"));
            let link = client.link_object(&acme, &stones, &name).to(&other, &boulders, &name);
            let linked = link.await.unwrap();
            assert_eq!((linked.size, linked.dropped), (700_000, 0));
            let shown = client.show_object(&other, &boulders, &name).await.unwrap();
            assert_eq!(shown.properties["height"], "2 m");
            assert_eq!(shown.entry.mime_type, "text/plain");
            assert_eq!(shown.entry.content, linked.content);
            let (old, new) = (
                client.locate_object(&acme, &stones, &name).await.unwrap(),
                client.locate_object(&other, &boulders, &name).await.unwrap(),
            );
            for (old, new) in old.chunks.iter().zip(&new.chunks) {
                let volume = |c: &cairn_client::LocatedChunk| c.volume.as_ref().map(|v| v.id);
                assert_eq!(volume(old), volume(new));
                assert_ne!(old.name, new.name);
            }
        }
        assert_eq!(cluster.files(), 5 * files);
        client.delete_object(&acme, &stones, &name).await.unwrap();
        wait_for("chunks of the source", || cluster.files() == 4 * files).await;
        for n in 0..4 {
            let (other, boulders) = (account(&format!("other{n}")), container("boulders"));
            assert!(read(client, &other, &boulders, &name).await.unwrap() == body, "{policy} {n}");
            client.delete_object(&other, &boulders, &name).await.unwrap();
        }
        wait_for("chunks of the links", || cluster.files() == 0).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_link_and_its_source_go_their_own_ways() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, link) = (object("cairn"), object("link"));
    let body = content(600_000);
    client.put_object(&acme, &stones, &name, body.clone()).property("a", "1").await.unwrap();
    let replaced = Properties::from([("b".to_owned(), "2".to_owned())]);
    let id = ContentId([9; 16]);
    let to = || client.link_object(&acme, &stones, &name).to(&acme, &stones, &link);
    let linked = to().replace_properties(replaced.clone()).content(id).await.unwrap();
    assert_eq!(linked.content, id);
    let shown = client.show_object(&acme, &stones, &link).await.unwrap();
    assert_eq!(shown.properties, replaced);
    let twice = to().content(id).await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    let refused = to().precondition(Precondition::Absent).await;
    assert!(matches!(refused, Err(Error::Precondition(_))), "{refused:?}");

    client.append_object(&acme, &stones, &link, "more").await.unwrap();
    client.truncate_object(&acme, &stones, &name, 10).await.unwrap();
    assert_eq!(read(client, &acme, &stones, &link).await.unwrap(), [&body[..], b"more"].concat());
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), body.slice(..10));
    // A link of a link, of several extents.
    let third = object("third");
    client.link_object(&acme, &stones, &link).to(&acme, &stones, &third).await.unwrap();
    client.truncate_object(&acme, &stones, &third, 300_000).await.unwrap();
    assert!(read(client, &acme, &stones, &third).await.unwrap() == body.slice(..300_000));
    assert_eq!(client.show_object(&acme, &stones, &link).await.unwrap().entry.size, 600_004);
    let empty = object("empty");
    client.put_object(&acme, &stones, &empty, "").await.unwrap();
    client.link_object(&acme, &stones, &empty).to(&acme, &stones, &third).await.unwrap();
    assert!(read(client, &acme, &stones, &third).await.unwrap().is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn a_link_onto_itself_is_a_version_like_any_other() {
    let cluster = Cluster::start_forgetful().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, body) = (object("cairn"), content(300_000));
    let put = client.put_object(&acme, &stones, &name, body.clone()).await.unwrap();
    let files = cluster.files();
    let onto = || client.link_object(&acme, &stones, &name).to(&acme, &stones, &name);
    let linked = onto().await.unwrap();
    assert!(linked.version > put.version && linked.content != put.content);
    wait_for("chunks of the version before", || cluster.files() == files).await;
    assert!(read(client, &acme, &stones, &name).await.unwrap() == body);

    client.update_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    onto().await.unwrap();
    assert!(read(client, &acme, &stones, &name).await.unwrap() == body);
    let page = client.list_objects(&acme, &stones).versions(true).await.unwrap();
    assert_eq!(page.items.len(), 2);
    client.update_container(&acme, &stones).versioning(Versioning::Disabled).await.unwrap();
    let refused = onto().await;
    assert!(matches!(refused, Err(Error::AlreadyExists(_))), "{refused:?}");
    wait_for("chunks of what was refused", || cluster.files() == 2 * files).await;
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_linked() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (name, link) = (object("cairn"), object("link"));
    let from = |name| client.link_object(&acme, &stones, name).to(&acme, &container("new"), &link);
    let missing = from(&name).await;
    assert!(matches!(missing, Err(Error::NoSuchContainer(_))), "{missing:?}");
    client.create_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    let missing = from(&name).await;
    assert!(matches!(missing, Err(Error::NoSuchObject(_))), "{missing:?}");
    let put = client.put_object(&acme, &stones, &name, content(300_000)).await.unwrap();
    let files = cluster.files();
    let source = client.link_object(&acme, &stones, &name).version(Version(10));
    let unknown = source.to(&acme, &stones, &link).await;
    assert!(matches!(unknown, Err(Error::NoSuchObject(_))), "{unknown:?}");
    let nowhere = from(&name).autocreate(false).await;
    assert!(matches!(nowhere, Err(Error::NoSuchContainer(_))), "{nowhere:?}");
    assert_eq!(cluster.files(), files);
    let containers = client.list_containers(&acme).await.unwrap();
    assert_eq!(containers.items.len(), 1, "nothing was made for what failed");

    client.delete_object(&acme, &stones, &name).await.unwrap();
    let deleted = from(&name).await;
    assert!(matches!(deleted, Err(Error::NoSuchObject(_))), "{deleted:?}");
    let source = client.link_object(&acme, &stones, &name).version(put.version);
    let linked = source.to(&acme, &container("new"), &link).await.unwrap();
    assert_eq!(linked.source, put.version);

    // Chunks that are gone: as long as there is a quorum of them, the link has that.
    let located = client.locate_object(&acme, &container("new"), &link).await.unwrap();
    let last = located.chunks.last().unwrap();
    std::fs::remove_file(cluster.file(last.volume.as_ref().unwrap().id, &last.name)).unwrap();
    let again = || client.link_object(&acme, &container("new"), &link);
    let linked = again().to(&acme, &stones, &object("lesser")).await.unwrap();
    assert_eq!((linked.tolerance, linked.dropped), (1, 1));
    let other = &located.chunks[located.chunks.len() - 2];
    std::fs::remove_file(cluster.file(other.volume.as_ref().unwrap().id, &other.name)).unwrap();
    let refused = again().to(&acme, &stones, &object("least")).await;
    assert!(matches!(refused, Err(Error::BelowQuorum { .. })), "{refused:?}");
    let least = client.show_object(&acme, &stones, &object("least")).await;
    assert!(matches!(least, Err(Error::NoSuchObject(_))), "{least:?}");
    cluster.stop().await;
}
