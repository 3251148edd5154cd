//! What commands say and how they end, beyond what is wrong with a request.

use crate::harness::{
    Answer, Cluster, Daemon, Role, Scene, Store, content, eventually, free_addresses,
    server_arguments,
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

/// What the command line does with one object, in a container of this policy.
fn with_objects(store: &Store, scene: &Scene, container: &str, policy: &str) {
    let ok = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(|w| w.replace('@', container)).collect();
        store.cli(&words).ok()
    };
    let get = |object: &str| store.cli(&["object", "get", container, object, "-"]).ok().out;
    let (bytes, more) = (content(1, 700_000), content(2, 300_000));
    let (f, m) = (scene.file("bytes", &bytes), scene.file("more", &more));
    let (f, m) = (f.to_str().unwrap(), m.to_str().unwrap());
    ok(&format!("container create @ --policy {policy} --versioning unlimited"));

    // Appended to and cut, it stays the version it is.
    let id = "00112233445566778899aabbccddeeff";
    ok(&format!("object put @ o {f} --append --content-id {id} -p a=b"));
    let stored = ok(&format!("object put @ o {m} --append --json")).json();
    assert_eq!((&stored["size"], &stored["total"]), (&300_000.into(), &1_000_000.into()));
    assert!(stored["etag"].is_null() && stored["content"] == id, "{stored}");
    let whole = [&bytes[..], &more].concat();
    assert!(get("o") == whole);
    let shown = ok(&format!("object show @ {id} --content --json")).json();
    assert_eq!((&shown["object"], &shown["properties"]["a"]), (&"o".into(), &"b".into()));
    let line = ["object", "put", container, "other", f, "--content-id", id];
    store.cli(&line).refused(6, &[id]);
    store.cli(&["object", "truncate", container, "o", "1000001"]).refused(2, &["1000000"]);
    ok("object truncate @ o 800000");
    assert!(get("o") == whole[..800_000]);

    // A link stands by itself.
    ok("object link @ o @-linked l");
    ok("object link @ o @ r --replace -p c=d --to-account friends");
    let linked = ok("object show @ r -a friends --json").json();
    assert_eq!(linked["properties"], serde_json::json!({"c": "d"}));
    store.cli(&["object", "link", container, "none", container, "x"]).refused(5, &["none"]);
    ok("object truncate @ o 0");
    assert!(get("o").is_empty());
    ok("object delete @ o");
    let linked = store.cli(&["object", "get", &format!("{container}-linked"), "l", "-"]).ok().out;
    assert!(linked == whole[..800_000]);
    let listed = ok("object list @ --deleted --json").lines();
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &"o".into()));
    assert!(ok("object list @").out.is_empty());

    // Presence, as far as one wants to be sure.
    ok(&format!("object put @ p {f} -p k=v"));
    let listed = ok("object list @ --properties --json").lines();
    assert_eq!(listed[0]["properties"]["k"], "v");
    ok("object head @ p --trust-level complete");
    let located = ok("object locate @ p --chunk-info --json").json();
    for chunk in located["chunks"].as_array().unwrap() {
        assert_eq!((&chunk["state"], &chunk["footer"]["object"]), (&"whole".into(), &"p".into()));
    }
    store.cli(&["object", "head", container, "none"]).gone();
    let cid = ok("container show @ --json").json()["id"].as_str().unwrap().to_owned();
    let line = ["object", "get", &cid, "p", "-", "--cid", "--account", "elsewhere"];
    assert!(store.cli(&line).ok().out == bytes);

    // Drained, only its bytes are gone.
    ok("object drain @ p");
    let drained = store.cli(&["object", "get", container, "p", "-"]);
    assert!(drained.code != Some(0) && drained.error.contains("drained"), "{}", drained.error);
    assert_eq!(ok("object show @ p --json").json()["drained"], true);
    ok("object head @ p");
    for level in ["readable", "complete"] {
        let head = ["object", "head", container, "p", "--trust-level", level];
        store.cli(&head).refused(6, &["drained"]);
    }
    let back = scene.path(format!("{container}-back"));
    let line = ["object", "save", "-r", container, back.to_str().unwrap(), "--json"];
    assert_eq!(store.cli(&line).ok().lines().last().unwrap()["skipped"], 1);
}

#[test]
fn objects_are_appended_to_cut_linked_and_drained() {
    let scene = Scene::new();
    let (_server, store) = server(&scene);
    with_objects(&store, &scene, "fragments", "EC42");
    with_objects(&store, &scene, "copies", "THREECOPIES");

    // What takes too long leaves nothing.
    let line = ["object", "put", "fragments", "slow", "-", "--deadline", "1s"];
    let mut child = store.spawn(&line);
    let held = child.stdin.take();
    let answer = Answer::finish(child);
    drop(held);
    assert!(answer.code != Some(0) && answer.error.contains("deadline"), "{}", answer.error);
    store.cli(&["object", "show", "fragments", "slow"]).refused(5, &["slow"]);
    let file = scene.file("file", b"some bytes");
    let line = ["object", "put", "fragments", "quick", file.to_str().unwrap(), "--json"];
    let measured = store.cli(&[&line[..], &["--perfdata", "--deadline", "30s"]].concat()).json();
    assert!(measured["perfdata"]["commit"].as_f64().unwrap() > 0.0, "{measured}");
}

#[test]
fn containers_are_emptied_kept_as_they_are_and_copied() {
    let scene = Scene::new();
    let (_server, store) = server(&scene);
    let file = scene.file("file", &content(3, 100_000));
    let f = file.to_str().unwrap();
    let ok = |line: &str| store.cli(&line.split_whitespace().collect::<Vec<_>>()).ok();
    let json = |line: &str| ok(&format!("{line} --json")).json();
    ok("container create c --versioning unlimited");
    for _ in 0..4 {
        ok(&format!("object put c a {f}"));
        ok(&format!("object put c b {f}"));
    }
    assert_eq!(json("object purge c a --keep 3")["versions"], 1);
    assert_eq!(json("container purge c --keep 2")["versions"], 3);
    assert_eq!(json("container purge c --keep 2")["versions"], 0);
    store.cli(&["object", "purge", "c", "none"]).refused(5, &["none"]);

    // A snapshot stays as it is; what it was taken of goes on.
    let taken = json("container snapshot c s");
    assert_eq!((&taken["objects"], &taken["bytes"]), (&4.into(), &400_000.into()));
    let shown = json("container show s");
    assert_eq!((&shown["frozen"], shown["snapshot_of"].is_string()), (&"yes".into(), true));
    store.cli(&["object", "put", "s", "x", f]).refused(6, &["frozen"]);
    store.cli(&["container", "snapshot", "c", "s"]).refused(6, &["exists"]);
    store.cli(&["container", "snapshot", "c", "c"]).refused(2, &["itself"]);
    store.cli(&["container", "snapshot", "none", "t"]).refused(5, &["none"]);
    ok(&format!("object put c new {f}"));
    assert_eq!(ok("object list s").out, {
        ok("object delete c b");
        ok("object list s").out
    });
    assert!(store.cli(&["object", "get", "s", "b", "-"]).ok().out == content(3, 100_000));

    // By hand, too.
    ok("container set c --frozen");
    store.cli(&["object", "delete", "c", "a"]).refused(6, &["frozen"]);
    ok("container set c --thaw");
    assert!(json("container flush c")["versions"].as_u64().unwrap() > 0);
    store.cli(&["container", "delete", "c"]).refused(6, &["not empty"]);
    json("container flush c --fast");
    ok("container delete c");

    // Counters that were lost come back.
    ok("account flush default");
    assert!(ok("container list").out.is_empty());
    ok("container refresh s");
    ok("account refresh --all");
    assert_eq!(json("account show default")["objects"], 4);
    let gone = json("container refresh c");
    assert_eq!(gone["exists"], false);
    store.cli(&["container", "touch", "c"]).refused(5, &["container c"]);
}

#[test]
fn what_an_id_names_is_what_is_meant() {
    let scene = Scene::new();
    let (_server, store) = server(&scene);
    let file = scene.file("file", b"some bytes");
    let f = file.to_str().unwrap();
    let cli = |line: &str| store.cli(&line.split_whitespace().collect::<Vec<_>>());
    let ok = |line: &str| cli(line).ok();
    ok("container create c --versioning unlimited");
    let put = || ok(&format!("object put c o {f} --json")).json()["content"].clone();
    let [first, second, third] = [put(), put(), put()].map(|id| id.as_str().unwrap().to_owned());

    // A content is that of one version, whatever came after it.
    ok(&format!("object touch c {first} --content"));
    ok(&format!("object drain c {first} --content"));
    ok(&format!("object delete c {second} --content"));
    let left = ok("object list c --versions --json").lines();
    let left: Vec<_> = left.iter().map(|e| (e["content"].clone(), e["drained"].clone())).collect();
    assert_eq!(left, [(third.clone().into(), false.into()), (first.clone().into(), true.into())]);
    cli(&format!("object delete c {first} {third} --content")).refused(2, &["one object, not"]);
    cli(&format!("object purge c {first} --content")).refused(2, &["all versions"]);
    cli(&format!("object touch c {first} --content --version 7")).refused(2, &["--version"]);
    cli(&format!("object touch c {second} --content")).refused(5, &[]);
    let zeros = "0".repeat(32);
    cli(&format!("object put c x {f} --content-id {zeros}")).refused(2, &[&zeros]);
    cli(&format!("object link c o c x --content-id {zeros}")).refused(2, &[&zeros]);

    // The ids of containers: of both, where there are two.
    let id = |container: &str| {
        let shown = ok(&format!("container show {container} --json")).json();
        shown["id"].as_str().unwrap().to_owned()
    };
    ok("container create to -a friends");
    let to = {
        let shown = ok("container show to -a friends --json").json();
        shown["id"].as_str().unwrap().to_owned()
    };
    ok(&format!("object link {} o {to} l --cid", id("c")));
    assert_eq!(ok("object get to l - -a friends").out, b"some bytes");
    cli(&format!("object link {} o to l --cid", id("c"))).refused(2, &["container id"]);
    cli(&format!("object link {} o {to} l --cid --to-account x", id("c"))).refused(2, &["account"]);
    cli("container list --cid").refused(2, &["--cid"]);

    // Deleted where one version is kept, it goes for good; what is older is hidden.
    ok("container set c --versioning suspended");
    let told = ok("object delete c o").out;
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("deleted o: its delete marker "), "{told}");
    let left = ok("object list c --versions --json").lines();
    assert!(left.iter().all(|entry| entry["content"] != third), "{left:?}");
    assert!(ok("container touch c").out.starts_with(b"touched container c"));
}

#[test]
fn a_default_policy_wider_than_the_store_is_said_at_the_start() {
    let scene = Scene::new();
    let mut arguments = server_arguments(&scene, &scene.path("data"));
    arguments.extend(["--default-policy", "EC63"].map(str::to_owned));
    let mut server = scene.daemon("server", &arguments);
    assert_eq!(server.ready()["default_policy"], "EC63");
    let said = "the default policy EC63 needs 9 volumes, and there are 6";
    assert!(server.log().contains(said), "{}", server.log());
}
