//! The whole store in one process.

use crate::harness::{
    Scene, Store, chunk_files, content, empty_volume, numbered, server_arguments, volumes_of,
};
use std::collections::BTreeSet;

#[test]
fn a_store_keeps_its_objects_over_a_restart_and_the_loss_of_two_volumes() {
    let scene = Scene::new();
    let data = scene.path("data");
    let arguments = server_arguments(&scene, &data);
    let mut server = scene.daemon("server", &arguments);
    let ready = server.ready();
    assert_eq!(ready["created"], true);
    assert_eq!(ready["default_policy"], "EC42");
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };

    let bytes = content(1, 5_000_003);
    let (from, to) = (scene.file("from", &bytes), scene.path("to"));
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let stored = store.cli(&["object", "put", "stones", "a/b", from, "--json"]).json();
    assert_eq!(stored["size"], bytes.len());
    assert_eq!(stored["tolerance"], 2);
    assert_eq!(stored["etag"], blake3::hash(&bytes).to_hex().as_str());
    store.cli(&["object", "get", "stones", "a/b", to]).ok();
    assert!(std::fs::read(to).unwrap() == bytes);

    assert_eq!(server.stop().code(), Some(0));
    // Somebody else has its port now.
    let _port = std::net::TcpListener::bind(ready["address"].as_str().unwrap()).unwrap();
    let mut server = scene.daemon("server", &arguments);
    let (first, ready) = (ready, server.ready());
    assert_eq!(ready["created"], false);
    assert_ne!(ready["address"], first["address"]);
    store.wait_until_healthy();
    std::fs::remove_file(to).unwrap();
    store.cli(&["object", "get", "stones", "a/b", to]).ok();
    assert!(std::fs::read(to).unwrap() == bytes);

    let volumes = volumes_of(&ready);
    assert_eq!(volumes.len(), 6);
    assert!(volumes.iter().all(|v| chunk_files(v).len() == 1), "one chunk on each");
    let lost: BTreeSet<_> = volumes[..2].iter().map(|v| numbered(v).0).collect();
    assert_eq!(volumes[..2].iter().map(|v| empty_volume(v)).sum::<usize>(), 2);
    std::fs::remove_file(to).unwrap();
    store.cli(&["object", "get", "stones", "a/b", to]).ok();
    assert!(std::fs::read(to).unwrap() == bytes);
    let out = store.cli(&["object", "get", "stones", "a/b", "-", "--range", "65530-300000"]).ok();
    assert!(out.out == bytes[65530..=300_000]);

    let located = store.cli(&["object", "locate", "stones", "a/b", "--check", "--json"]).json();
    let chunks = located["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 6);
    for chunk in chunks {
        let volume = chunk["volume"].as_u64().unwrap() as u32;
        let state = if lost.contains(&volume) { "missing" } else { "whole" };
        assert_eq!(chunk["state"], state, "{chunk}");
    }
    assert_eq!(server.stop().code(), Some(0));
}
