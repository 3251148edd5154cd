//! Objects that go by themselves.

use crate::harness::{Cluster, Role, Scene, eventually, names};
use client::{Client, Error, ObjectEntry, Versioning};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// All versions of a container, as its listing has them.
async fn versions(client: &Client, container: &str) -> Vec<(String, bool)> {
    let (account, container, _) = names(container, "o");
    let page = client.list_objects(&account, &container).versions(true).await.unwrap();
    let entry = |item| match item {
        client::ListedName::Entry(ObjectEntry { name, marker, .. }) => (name.to_string(), marker),
        other => panic!("{other:?}"),
    };
    page.items.into_iter().map(entry).collect()
}

#[test]
fn objects_go_when_their_time_has_come_whoever_leads() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[2]);
    let client = cluster.store.client(PATIENCE);
    let (account, kept, _) = names("kept", "o");
    let name = |object: &str| names("c", object).2;
    let container = names("c", "o").1;
    let policy = || "SINGLE".parse().unwrap();
    let put = |object: &str, delete_at: Option<u64>| {
        let put = client.put_object(&account, &container, &name(object), "bytes").policy(policy());
        scene.run(delete_at.into_iter().fold(put, |put, at| put.delete_at(at))).unwrap();
    };
    let soon = now() + 10;
    put("put off", Some(soon));
    let update = |object: &str| client.update_object(&account, &container, &name(object));
    scene.run(update("put off").delete_at(None).mime_type("text/plain").set("k", "v")).unwrap();
    put("soon", Some(soon));
    put("late", Some(now() + 100_000));
    put("never", None);
    put("brought forward", Some(now() + 100_000));
    put("kept", None);
    let show = |object: &str| {
        let shown = client.show_object(&account, &container, &name(object));
        scene.run(shown).map(|object| (object.entry.delete_at, object.entry.mime_type))
    };
    assert_eq!(show("soon").unwrap().0, Some(soon));
    assert_eq!(show("put off").unwrap(), (None, "text/plain".to_owned()));
    // A link goes when it says, and not when its source does.
    for (link, delete_at) in [("link", None), ("short link", Some(soon))] {
        let link = client.link_object(&account, &container, &name("soon")).to(
            &account,
            &container,
            &name(link),
        );
        scene.run(link.delete_at(delete_at).mime_type("text/html")).unwrap();
    }
    assert_eq!(show("link").unwrap(), (None, "text/html".to_owned()));
    // Where versions are kept, the older ones do not show through.
    let unlimited = client.create_container(&account, &kept).versioning(Versioning::Unlimited);
    scene.run(unlimited).unwrap();
    for delete_at in [None, Some(soon)] {
        let put = client.put_object(&account, &kept, &name("o"), "bytes").policy(policy());
        scene.run(delete_at.into_iter().fold(put, |put, at| put.delete_at(at))).unwrap();
    }
    // What is frozen stays until it is thawed.
    let frozen = names("frozen", "o").1;
    let put = client.put_object(&account, &frozen, &name("o"), "bytes").policy(policy());
    scene.run(put.delete_at(soon)).unwrap();
    scene.run(client.freeze_container(&account, &frozen)).unwrap();

    cluster.kill(Role::Meta(0));
    scene.run(update("brought forward").delete_at(Some(now()))).unwrap();
    let left = |container| scene.run(versions(&client, container));
    let stays = ["kept", "late", "link", "never", "put off"].map(|name| (name.to_owned(), false));
    eventually("what is due is gone", PATIENCE, || (left("c") == stays).then_some(()));
    eventually("the newest version is gone", PATIENCE, || {
        (left("kept") == [("o".to_owned(), true), ("o".to_owned(), false)]).then_some(())
    });
    for container in ["c", "kept"] {
        let gone = ["soon", "o"][usize::from(container == "kept")];
        let container = names(container, "o").1;
        let got = scene
            .run(async { client.get_object(&account, &container, &name(gone)).await.map(drop) });
        assert!(matches!(got, Err(Error::NoSuchObject(_))), "{got:?}");
    }
    let shown = scene.run(client.show_container(&account, &container)).unwrap();
    assert_eq!((shown.objects, shown.bytes), (5, 25));
    assert_eq!(left("frozen"), [("o".to_owned(), false)]);
    scene.run(client.thaw_container(&account, &frozen)).unwrap();
    eventually("what was frozen is gone", PATIENCE, || left("frozen").is_empty().then_some(()));
}
