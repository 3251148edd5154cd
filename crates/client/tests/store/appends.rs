//! Appending, and the ids of contents.

use crate::cluster::{Cluster, account, container, content, object, read, wait_for};
use cairn_client::{ContentId, Error, Precondition, Version, Versioning};

#[tokio::test]
async fn bytes_are_added_to_what_is_there() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let body = content(700_000);
    for policy in ["EC", "COPIES"] {
        let name = object(policy);
        let first = client
            .append_object(&acme, &stones, &name, body.slice(..300_000))
            .policy(policy.parse().unwrap())
            .property("height", "2 m")
            .mime_type("text/plain")
            .await
            .unwrap();
        assert_eq!((first.size, first.total), (300_000, 300_000), "there was none: it is stored");
        let shown = client.show_object(&acme, &stones, &name).await.unwrap();
        assert_eq!(shown.entry.hash, Some(first.hash));

        // The object's own policy goes on, whatever is asked for.
        let second = client
            .append_object(&acme, &stones, &name, body.slice(300_000..))
            .policy("TINY".parse().unwrap())
            .property("width", "1 m")
            .mime_type("text/html")
            .await
            .unwrap();
        assert_eq!((second.size, second.total), (400_000, 700_000));
        assert_eq!((second.version, second.content), (first.version, first.content));
        assert_eq!(second.policy.as_str(), policy);
        let shown = client.show_object(&acme, &stones, &name).await.unwrap();
        assert_eq!((shown.entry.size, shown.entry.hash), (700_000, None));
        assert_eq!(shown.entry.mime_type, "text/plain");
        assert_eq!(shown.properties.len(), 2);
        assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), body);
        let range = client.get_object(&acme, &stones, &name).range((299_990, 300_009));
        let bytes = range.await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes, body.slice(299_990..300_010));
    }
    let shown = client.show_container(&acme, &stones).await.unwrap();
    assert_eq!((shown.objects, shown.bytes), (2, 1_400_000));
    cluster.stop().await;
}

#[tokio::test]
async fn an_append_to_nothing_to_an_empty_and_to_a_deleted_object() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let name = object("cairn");
    let put = client.put_object(&acme, &stones, &name, "").await.unwrap();
    let nothing = client.append_object(&acme, &stones, &name, "").await.unwrap();
    assert_eq!((nothing.version, nothing.total), (put.version, 0));
    let some = client.append_object(&acme, &stones, &name, "some").await.unwrap();
    assert_eq!((some.version, some.content), (put.version, put.content));
    let shown = client.show_object(&acme, &stones, &name).await.unwrap();
    assert_eq!(shown.entry.hash, Some(some.hash), "of an empty object all is known");
    let none = client.append_object(&acme, &stones, &name, "").await.unwrap();
    assert_eq!(none.total, 4);

    let wrong = Precondition::Version(Version(10));
    let refused = client.append_object(&acme, &stones, &name, "x").precondition(wrong).await;
    assert!(matches!(refused, Err(Error::Precondition(_))), "{refused:?}");
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), "some");

    client.update_container(&acme, &stones).versioning(Versioning::Unlimited).await.unwrap();
    client.delete_object(&acme, &stones, &name).await.unwrap();
    let anew = client.append_object(&acme, &stones, &name, "anew").await.unwrap();
    assert!(anew.version > put.version && anew.content != put.content);
    assert_eq!(read(client, &acme, &stones, &name).await.unwrap(), "anew");
    let old = client.get_object(&acme, &stones, &name).version(put.version).await.unwrap();
    assert_eq!(old.bytes().await.unwrap(), "some");
    cluster.stop().await;
}

#[tokio::test]
async fn a_content_id_is_one_contents_alone() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let (id, name) = (ContentId([7; 16]), object("cairn"));
    let put = |name| client.put_object(&acme, &stones, &object(name), content(300_000)).content(id);
    let stored = put("cairn").await.unwrap();
    assert_eq!(stored.content, id);
    let found = client.resolve_content(&acme, &stones, &id).await.unwrap();
    assert_eq!(found, (name.clone(), stored.version));
    let files = cluster.files();

    for other in ["other", "cairn"] {
        let twice = put(other).await;
        assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    }
    wait_for("chunks of what was refused", || cluster.files() == files).await;
    let shown = client.show_object(&acme, &stones, &name).await.unwrap();
    assert_eq!(shown.entry.version, stored.version, "unchanged");
    let missing = client.show_object(&acme, &stones, &object("other")).await;
    assert!(matches!(missing, Err(Error::NoSuchObject(_))), "{missing:?}");
    // Another container does not mind.
    let elsewhere = container("elsewhere");
    client.put_object(&acme, &elsewhere, &name, "bytes").content(id).await.unwrap();

    let unknown = client.resolve_content(&acme, &stones, &ContentId([8; 16])).await;
    assert!(matches!(unknown, Err(Error::NoSuchObject(_))), "{unknown:?}");
    client.delete_object(&acme, &stones, &name).await.unwrap();
    let gone = client.resolve_content(&acme, &stones, &id).await;
    assert!(matches!(gone, Err(Error::NoSuchObject(_))), "{gone:?}");
    put("again").await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn a_policy_may_choose_another_by_size() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    for (length, expected) in [(0, "COPIES"), (100 << 10, "COPIES"), ((100 << 10) + 1, "BY_SIZE")] {
        // Its size is only known when it is read.
        let source = cairn_client::Source::reader(std::io::Cursor::new(content(length)));
        let put = client.put_object(&acme, &stones, &object("o"), source);
        let stored = put.policy("BY_SIZE".parse().unwrap()).await.unwrap();
        assert_eq!(stored.policy.as_str(), expected, "{length} bytes");
        assert_eq!(read(client, &acme, &stones, &object("o")).await.unwrap(), content(length));
    }
    cluster.stop().await;
}
