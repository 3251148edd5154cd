//! What commands say and how they end, beyond what is wrong with a request.

use crate::harness::{
    Answer, Cluster, Daemon, Role, Scene, Store, eventually, free_addresses, server_arguments,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(40);

fn server(scene: &Scene) -> (Daemon, Store) {
    let mut server = scene.daemon("server", &server_arguments(scene, &scene.path("data")));
    let ready = server.ready();
    (server, Store { credentials: ready["credentials"].as_str().unwrap().into() })
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let scene = Scene::new();
    let (_server, store) = server(&scene);
    let file = scene.file("file", b"some bytes");
    let put = |object: &str| {
        store.cli(&["object", "put", "c", object, file.to_str().unwrap()]).ok();
    };
    put("a");
    put("b");
    let answer = store.cli(&["object", "delete", "c", "a", "missing", "b", "gone"]);
    answer.refused_with_notes(5, &["missing", "gone"]);
    assert_eq!(String::from_utf8(answer.out).unwrap().lines().count(), 2);
    assert!(store.cli(&["object", "list", "c"]).ok().out.is_empty());
    put("a");
    let answer = store.cli(&["object", "delete", "c", "missing", "a", "--json"]);
    let error: serde_json::Value = serde_json::from_str(answer.error.trim()).unwrap();
    assert_eq!((answer.code, &error["error"]["kind"]), (Some(5), &"not_found".into()));
    // Wrong names and containers are not several failures.
    store.cli(&["object", "delete", "c", "", "a"]).refused(2, &["empty"]);
    store.cli(&["object", "delete", "nowhere", "a", "b"]).refused(5, &["nowhere"]);

    put("a");
    store.cli(&["container", "create", "empty"]).ok();
    let answer = store.cli(&["container", "delete", "c", "nowhere", "empty"]);
    answer.refused_with_notes(1, &["not empty", "nowhere"]);
    store.cli(&["container", "show", "empty"]).refused(5, &["empty"]);
    store.cli(&["account", "create", "empty"]).ok();
    let answer = store.cli(&["account", "delete", "default", "nobody", "empty"]);
    answer.refused_with_notes(1, &["default", "nobody"]);
    store.cli(&["account", "show", "empty"]).refused(5, &["empty"]);
}

#[test]
fn what_is_missing_or_wrong_is_called_by_its_name() {
    let scene = Scene::new();
    let (_server, store) = server(&scene);
    let file = scene.file("file", b"some bytes");
    let f = file.to_str().unwrap();
    store.cli(&["object", "put", "c", "o", f]).ok();
    for line in
        [&["object", "list", "c"][..], &["container", "show", "c"], &["object", "show", "c", "o"]]
    {
        let line = [line, &["--account", "nobody"]].concat();
        let answer = store.cli(&line);
        answer.refused(5, &["account nobody"]);
        assert!(!answer.error.contains("container"), "{}", answer.error);
    }
    for bad in ["text/plain\n", "", "a\tb"] {
        store.cli(&["object", "put", "c", "o", f, "--mime-type", bad]).refused(2, &["media type"]);
    }
    let out = |line: &[&str]| String::from_utf8(store.cli(line).ok().out).unwrap();
    assert!(out(&["object", "put", "c", "o", f]).contains("survives 2 losses"));
    assert!(
        out(&["object", "put", "c", "o", f, "--policy", "SINGLE"]).contains("survives no loss")
    );
    assert!(out(&["object", "put", "c", "o", f, "--policy", "TWOCOPIES"]).contains("1 loss\n"));
    let empty = scene.file("empty", b"");
    assert!(!out(&["object", "put", "c", "e", empty.to_str().unwrap()]).contains("survives"));
}

#[test]
fn a_store_that_is_not_there_is_not_waited_for() {
    let scene = Scene::new();
    let (mut server, store) = server(&scene);
    let text = std::fs::read_to_string(&store.credentials).unwrap();
    assert_eq!(server.stop().code(), Some(0));
    let started = Instant::now();
    store.cli(&["container", "list"]).refused_with_notes(3, &["nothing listens", "waiting for"]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

    // One that is said to come is.
    let listed = store.spawn(&["policy", "list", "--timeout", "40s"]);
    let mut server = scene.daemon("server", &{
        let mut arguments = server_arguments(&scene, &scene.path("data"));
        let address: toml::Table = toml::from_str(&text).unwrap();
        let at = arguments.iter().position(|a| a == "127.0.0.1:0").unwrap();
        arguments[at] = address["address"].as_str().unwrap().to_owned();
        arguments
    });
    server.ready();
    Answer::finish(listed).ok();
    // So is one that listens and says nothing.
    let silent = std::net::TcpListener::bind(free_addresses(1).remove(0)).unwrap();
    let silent_at = silent.local_addr().unwrap().to_string();
    let text = text.replace(server.ready()["address"].as_str().unwrap(), &silent_at);
    let credentials = scene.file("silent", text.as_bytes());
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&credentials, private).unwrap();
    let started = Instant::now();
    let answer = Store { credentials }.cli(&["container", "list", "--timeout", "4s"]);
    answer.refused_with_notes(3, &["waiting for", &silent_at]);
    assert!(started.elapsed() > Duration::from_secs(3), "{:?}", started.elapsed());
}

/// The space of the file system that holds a path.
fn total_space(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_blocks * stat.f_frsize
}

#[test]
fn space_is_counted_once_and_a_reserve_holds_for_volumes() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene, 1, &[3]);
    let volumes = cluster.all_volumes();
    let capacity = eventually("the space is known", PATIENCE, || {
        cluster.store.status()["capacity"].as_u64().filter(|capacity| *capacity > 0)
    });
    let total = total_space(&volumes[0]);
    assert!(capacity <= total && capacity > total - 10, "{capacity} of {total}");

    let peers = cluster.address(Role::Meta(0)).to_owned();
    let chunk = |name: &str, secret: &str, more: &[&str]| {
        let [data, volume] = ["data", "v"].map(|what| scene.path(format!("{name}-{what}")));
        let line = [
            "chunk",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
            "--meta",
            &peers,
            "--secret",
            scene.path(secret).to_str().unwrap(),
            "--volume",
            volume.to_str().unwrap(),
        ]
        .map(str::to_owned);
        let more = more.iter().map(|word| (*word).to_owned());
        scene.daemon(name, &line.into_iter().chain(more).collect::<Vec<_>>())
    };
    let mut full = chunk("full", "secret", &["--reserve", "1PiB"]);
    full.ready();
    let file = scene.file("file", b"some bytes");
    let put = ["object", "put", "c", "o", file.to_str().unwrap(), "--policy", "THREECOPIES"];
    eventually("the volume is known to be full", PATIENCE, || {
        let problems = cluster.store.status()["problems"].to_string();
        problems.contains("is full").then_some(())
    });
    for _ in 0..3 {
        cluster.store.cli(&put).ok();
    }
    assert!(crate::harness::chunk_files(&scene.path("full-v")).is_empty());

    // A stranger is told so, and does not stay.
    let stranger = scene.path("stranger");
    Answer::bare(&["secret", "new", stranger.to_str().unwrap()]).ok();
    let refusal = chunk("lost", "stranger", &[]).ready_or_refused().unwrap_err();
    assert_eq!(refusal.code, Some(4), "{}", refusal.log);
    assert!(refusal.log.contains("the cluster takes none of these volumes"), "{}", refusal.log);
    assert!(refusal.log.contains("access key"), "{}", refusal.log);
}
