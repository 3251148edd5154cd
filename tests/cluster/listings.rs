//! Listings, counters, and what deleting leaves on disks: nothing.

use crate::harness::{
    Scene, Store, chunk_files, content, eventually, names, server_arguments, volumes_of,
};
use client::{Client, ListedName, Source};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

const PATIENCE: Duration = Duration::from_secs(40);

const OBJECTS: usize = 300;

fn object(n: usize) -> String {
    format!("dir{}/{n:04}", n % 3)
}

async fn fill(client: &Client) {
    let one = |n: usize| async move {
        let (account, container, object) = names("listed", &object(n));
        let source = Source::from(content(n as u64, n));
        client.put_object(&account, &container, &object, source).await.unwrap();
    };
    futures::StreamExt::for_each_concurrent(futures::stream::iter(0..OBJECTS), 8, one).await;
}

fn listed(store: &Store, options: &[&str]) -> Vec<String> {
    let mut arguments = vec!["object", "list", "listed", "--json"];
    arguments.extend(options);
    let name = |entry: &Value| entry["name"].as_str().map(str::to_owned);
    let prefix = |entry: &Value| Some(format!("{}*", entry["prefix"].as_str()?));
    let lines = store.cli(&arguments).lines();
    lines.iter().map(|entry| name(entry).or_else(|| prefix(entry)).unwrap()).collect()
}

/// All names by pages of the library.
async fn paged(client: &Client, limit: u32) -> Vec<String> {
    let (account, container, _) = names("listed", "any");
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let mut page = client.list_objects(&account, &container).limit(limit);
        if let Some(next) = next {
            page = page.resume(next);
        }
        let page = page.await.unwrap();
        assert!(page.items.len() <= limit as usize);
        assert!(!page.items.is_empty() || page.next.is_none(), "an empty page is the last");
        for item in page.items {
            let ListedName::Entry(entry) = item else { panic!("a prefix without a delimiter") };
            all.push(entry.name.to_string());
        }
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

fn counters(store: &Store) -> (u64, u64) {
    let account = store.cli(&["account", "show", "default", "--json"]).json();
    (account["objects"].as_u64().unwrap(), account["bytes"].as_u64().unwrap())
}

fn files(volumes: &[PathBuf]) -> usize {
    volumes.iter().map(|v| chunk_files(v).len()).sum()
}

#[test]
fn objects_are_listed_counted_and_deleted_to_the_last_file() {
    let scene = Scene::new();
    let arguments = server_arguments(&scene, &scene.path("data"));
    let mut server = scene.daemon("server", &arguments);
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    let volumes = volumes_of(&ready);
    let client = store.client(Duration::from_secs(30));
    // Two copies are enough to list.
    store.cli(&["container", "create", "listed", "--policy", "TWOCOPIES"]).ok();
    scene.run(fill(&client));

    let all: Vec<_> = (0..OBJECTS).map(object).collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(listed(&store, &[]), all);
    for limit in [1, 7, 100, 299, 300, 301] {
        if limit > 1 {
            assert_eq!(scene.run(paged(&client, limit)), all, "pages of {limit}");
        }
        let most = limit.to_string();
        let some = listed(&store, &["--limit", &most]);
        assert_eq!(some, all[..all.len().min(limit as usize)], "the first {limit}");
    }
    assert_eq!(listed(&store, &["--prefix", "dir1/"]), all[100..200]);
    assert_eq!(listed(&store, &["--prefix", "dir1/00"]).len(), 33);
    assert_eq!(listed(&store, &["--delimiter", "/"]), ["dir0/*", "dir1/*", "dir2/*"]);
    assert_eq!(listed(&store, &["--prefix", "dir2/", "--delimiter", "/"]), all[200..]);
    assert_eq!(listed(&store, &["--marker", &all[41]]), all[42..]);
    assert_eq!(listed(&store, &["--marker", &all[41], "--end-marker", &all[50]]), all[42..50]);
    assert_eq!(listed(&store, &["--prefix", "nothing"]), [""; 0]);
    let backwards: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(listed(&store, &["--reverse"]), backwards);
    assert_eq!(listed(&store, &["--reverse", "--limit", "7"]), backwards[..7]);
    assert_eq!(listed(&store, &["--reverse", "--delimiter", "/"]), ["dir2/*", "dir1/*", "dir0/*"]);
    let within = ["--reverse", "--marker", &all[50], "--end-marker", &all[41]];
    assert_eq!(listed(&store, &within), backwards[OBJECTS - 50..OBJECTS - 42]);
    let containers = store.cli(&["container", "list", "--reverse", "--json"]).lines();
    assert_eq!(containers[0]["name"], "listed");

    let bytes: u64 = (0..OBJECTS as u64).sum();
    let shown = store.cli(&["container", "show", "listed", "--json"]).json();
    assert_eq!((&shown["objects"], &shown["bytes"]), (&OBJECTS.into(), &bytes.into()));
    eventually("the account knows", PATIENCE, || {
        (counters(&store) == (OBJECTS as u64, bytes)).then_some(())
    });

    // Two chunks of every content that is not empty.
    assert_eq!(files(&volumes), 2 * (OBJECTS - 1));
    let half: Vec<_> = all.iter().step_by(2).map(String::as_str).collect();
    let mut delete = vec!["object", "delete", "listed"];
    delete.extend(&half);
    store.cli(&delete).ok();
    let rest: Vec<_> = all.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(listed(&store, &[]), rest);
    eventually("the chunks of the deleted half are gone", PATIENCE, || {
        (files(&volumes) == 2 * rest.len()).then_some(())
    });

    // The rest is deleted, and the server killed before anything can have come of it.
    let mut delete = vec!["object", "delete", "listed"];
    delete.extend(rest.iter().map(String::as_str));
    store.cli(&delete).ok();
    server.kill();
    assert!(files(&volumes) > 0, "it was killed too late to show anything");
    let mut server = scene.daemon("server", &arguments);
    server.ready();
    store.wait_until_healthy();
    assert_eq!(listed(&store, &[]), [""; 0]);
    eventually("no chunk is left", PATIENCE, || (files(&volumes) == 0).then_some(()));
    eventually("nothing is queued", PATIENCE, || {
        (store.status()["deletions_queued"] == 0).then_some(())
    });
    eventually("the account knows", PATIENCE, || (counters(&store) == (0, 0)).then_some(()));
    store.cli(&["container", "delete", "listed"]).ok();
    let gone = store.cli(&["container", "show", "listed"]);
    gone.refused(5, &["listed"]);
    assert_eq!(server.stop().code(), Some(0));
}

/// Name and version of all entries, by pages of the command line: each goes on behind the last
/// entry of the one before.
fn versions_by_hand(store: &Store, limit: usize) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    loop {
        let mut line: Vec<String> =
            ["object", "list", "c", "--versions", "--json"].map(str::to_owned).into();
        line.extend(["--limit".to_owned(), limit.to_string()]);
        if let Some((name, version)) = all.last() {
            let version = version.to_string();
            line.extend(["--marker", name, "--version-marker", &version].map(str::to_owned));
        }
        let page = store.cli(&line).lines();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().map(|entry| {
            (entry["name"].as_str().unwrap().to_owned(), entry["version"].as_u64().unwrap())
        }));
    }
}

#[test]
fn pages_of_any_size_lose_no_version() {
    let scene = Scene::new();
    let mut server = scene.daemon("server", &server_arguments(&scene, &scene.path("data")));
    let store = Store { credentials: server.ready()["credentials"].as_str().unwrap().into() };
    store.cli(&["container", "create", "c", "--versioning", "unlimited"]).ok();
    let file = scene.file("file", b"");
    let file = file.to_str().unwrap();
    for object in ["a", "b", "k", "k", "k", "k", "z", "z"] {
        store.cli(&["object", "put", "c", object, file]).ok();
    }
    store.cli(&["object", "delete", "c", "b"]).ok();
    let all: Vec<_> = store.cli(&["object", "list", "c", "--versions", "--json"]).lines();
    let all: Vec<_> = all
        .iter()
        .map(|e| (e["name"].as_str().unwrap().to_owned(), e["version"].as_u64().unwrap()))
        .collect();
    assert_eq!(all.iter().map(|(name, _)| &name[..]).collect::<String>(), "abbkkkkzz");
    for limit in 1..=3 {
        assert_eq!(versions_by_hand(&store, limit), all, "pages of {limit}");
    }
}
