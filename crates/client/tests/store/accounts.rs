//! Accounts and containers.

use crate::cluster::{Cluster, account, container, object};
use cairn_client::{ContainerId, Error, Versioning};

#[tokio::test]
async fn many_containers_are_created_at_once() {
    let cluster = Cluster::start().await;
    let (client, acme) = (&cluster.client, account("acme"));
    let names = |range: std::ops::Range<u32>| range.map(|n| container(&format!("c{n:02}")));
    assert!(client.create_container(&acme, &container("c03")).await.unwrap());

    let created = client
        .create_containers(&acme, names(0..40))
        .versioning(Versioning::Unlimited)
        .property("made", "together")
        .await
        .unwrap();
    let expected: Vec<_> = names(0..40).map(|name| (name, true)).collect();
    let of = |(name, _): &(_, bool)| (cairn_client::ContainerName::clone(name), true);
    assert_eq!(created.iter().map(of).collect::<Vec<_>>(), expected, "in the order asked for");
    let old: Vec<_> =
        created.iter().filter(|(_, new)| !new).map(|(name, _)| name.as_str()).collect();
    assert_eq!(old, ["c03"]);
    let shown = client.show_container(&acme, &container("c39")).await.unwrap();
    assert_eq!(shown.properties["made"], "together");
    assert_eq!(shown.versioning, Versioning::Unlimited);
    assert_eq!(client.show_account(&acme).await.unwrap().containers, 40);
    cluster.stop().await;
}

#[tokio::test]
async fn a_container_is_found_by_its_id() {
    let cluster = Cluster::start().await;
    let (client, acme, stones) = (&cluster.client, account("acme"), container("stones"));
    let id = ContainerId::of(&acme, &stones);
    let error = client.resolve_container(&id).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchContainer(_)), "{error:?}");
    client.create_container(&acme, &stones).await.unwrap();
    assert_eq!(client.resolve_container(&id).await.unwrap(), (acme.clone(), stones.clone()));

    // Names of an id never change; what was deleted since is found out by who uses them.
    client.delete_container(&acme, &stones).await.unwrap();
    let (a, c) = client.resolve_container(&id).await.unwrap();
    let error = client.show_object(&a, &c, &object("cairn")).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchContainer(_)), "{error:?}");
    cluster.stop().await;
}
