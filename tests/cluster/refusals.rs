//! What is wrong is refused in clear words, with the exit code promised, and the store goes on.

use crate::harness::{
    Answer, Refusal, Scene, Store, chunk_files, content, eventually, exchange, free_addresses,
    server_arguments, volumes_of,
};
use std::{
    ffi::OsString,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(40);

/// A store of one process that serves.
fn start(scene: &Scene, name: &str) -> (crate::harness::Daemon, Store, serde_json::Value) {
    let mut server = scene.daemon(name, &server_arguments(scene, &scene.path(name)));
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    (server, store, ready)
}

/// The store still does what it is there for.
#[track_caller]
fn still_serves(store: &Store, file: &Path) {
    let file = file.to_str().unwrap();
    store.cli(&["object", "put", "good", "object", file]).ok();
    let got = store.cli(&["object", "get", "good", "object", "-"]).ok().out;
    assert!(got == std::fs::read(file).unwrap());
}

/// A daemon that must not come to serve.
#[track_caller]
fn refused(scene: &Scene, name: &str, arguments: &[String]) -> Refusal {
    match scene.daemon(name, arguments).ready_or_refused() {
        Ok(ready) => panic!("{name} serves: {ready}"),
        Err(refusal) => {
            assert!(!refusal.log.contains("panicked"), "{}", refusal.log);
            refusal
        }
    }
}

#[track_caller]
fn says(refusal: &Refusal, code: i32, words: &[&str]) {
    assert_eq!(refusal.code, Some(code), "{}", refusal.log);
    // The last line is for scripts: an error with its kind.
    let last = refusal.log.lines().last().unwrap_or_default();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message}");
    }
}

fn files(volumes: &[PathBuf]) -> usize {
    volumes.iter().map(|v| chunk_files(v).len()).sum()
}

#[test]
fn wrong_requests_are_refused_and_change_nothing() {
    let scene = Scene::new();
    let (mut server, store, ready) = start(&scene, "data");
    let volumes = volumes_of(&ready);
    let bytes = content(9, 1_000_000);
    let file = scene.file("file", &bytes);
    let f = file.to_str().unwrap();
    still_serves(&store, &file);
    let stored = files(&volumes);
    assert_eq!(stored, 6);

    // Names.
    let put = |container: &str, object: &str| {
        store.cli(&["object", "put", container, object, f, "--timeout", "20s"])
    };
    put("good", "").refused(2, &["name", "empty"]);
    put("", "x").refused(2, &["name", "empty"]);
    put("good", &"x".repeat(1025)).refused(2, &["1025", "1024"]);
    put(&"x".repeat(257), "x").refused(2, &["257", "256"]);
    let not_text = OsString::from_vec(vec![b'x', 0xff]);
    let word = |w: &str| OsString::from(w);
    let strange = [word("object"), word("put"), word("good"), not_text.clone(), word(f)];
    store.cli(&strange).refused(2, &["UTF-8"]);
    store
        .cli(&[word("object"), word("list"), word("good"), word("-a"), not_text])
        .refused(2, &["UTF-8"]);
    // The longest that is allowed works.
    let longest = "é".repeat(512);
    put("good", &longest).ok();
    store.cli(&["object", "show", "good", &longest]).ok();
    store.cli(&["object", "delete", "good", &longest]).ok();

    // Policies.
    let with = |option: &str, value: &str| {
        store.cli(&["object", "put", "good", "object", f, option, value])
    };
    with("--policy", "NOSUCH").refused(2, &["NOSUCH", "EC42"]);
    store.cli(&["object", "put", "new", "x", f, "--policy", "NOSUCH"]).refused(2, &["NOSUCH"]);
    store.cli(&["container", "show", "new"]).refused(5, &["new"]);
    with("--policy", "EC63").refused(2, &["EC63", "9", "6"]);
    with("--policy", "a b").refused(2, &["policy"]);
    store.cli(&["container", "create", "p", "--policy", "NOSUCH"]).refused(2, &["NOSUCH"]);
    store.cli(&["policy", "set", "WIDE", "ec/algo=rs_vand,k=30,m=3"]).refused(2, &["32"]);
    store.cli(&["policy", "set", "ODD", "ec/k=x"]).refused(2, &["chunk method"]);

    // Properties.
    let large = format!("k={}", "v".repeat(64 * 1024));
    with("--property", &large).refused(2, &["properties"]);
    with("--property", "novalue").refused(2, &["KEY=VALUE"]);

    // Contents that are not what was announced leave what was there, and no chunks.
    let wrong = "0".repeat(64);
    with("--etag", &wrong).refused(1, &["BLAKE3", &wrong]);
    with("--etag", &"0".repeat(32)).refused(1, &["MD5"]);
    with("--etag", "xyz").refused(2, &["etag"]);
    let shown = store.cli(&["object", "show", "good", "object", "--json"]).json();
    assert_eq!(shown["etag"], blake3::hash(&bytes).to_hex().as_str());
    store.cli(&["object", "put", "good", "new", f, "--etag", &wrong]).refused(1, &["BLAKE3"]);
    store.cli(&["object", "show", "good", "new"]).refused(5, &["new"]);
    eventually("what was written in vain is gone", PATIENCE, || {
        (files(&volumes) == stored).then_some(())
    });
    let if_absent = ["object", "put", "good", "object", f, "--if-absent"];
    store.cli(&if_absent).refused(6, &[]);

    // Ranges.
    let range =
        |range: &str| store.cli(&["object", "get", "good", "object", "-", "--range", range]);
    range("1000000-").refused(1, &["1000000"]);
    range("5000000-6000000").refused(1, &["5000000", "1000000"]);
    for nonsense in ["9-3", "x-y", "", "1", "18446744073709551616-"] {
        assert_eq!(range(nonsense).code, Some(2), "{nonsense:?}");
    }
    assert_eq!(range("999999-9999999").ok().out, bytes[999_999..]);

    // What does not exist.
    store.cli(&["object", "get", "good", "nothing", "-"]).refused(5, &["nothing"]);
    store.cli(&["object", "locate", "good", "nothing"]).refused(5, &["nothing"]);
    store.cli(&["object", "delete", "good", "nothing"]).refused(5, &["nothing"]);
    store.cli(&["object", "get", "nowhere", "x", "-"]).refused(5, &["nowhere"]);
    store.cli(&["object", "list", "nowhere"]).refused(5, &["nowhere"]);
    store.cli(&["container", "show", "nowhere"]).refused(5, &["nowhere"]);
    store.cli(&["account", "show", "nobody"]).refused(5, &["nobody"]);
    store.cli(&["object", "get", "good", "x", "-", "--account", "nobody"]).refused(5, &["nobody"]);
    store.cli(&["volume", "show", "99"]).refused(5, &["99"]);
    store.cli(&["object", "put", "nowhere", "x", f, "--no-autocreate"]).refused(5, &["nowhere"]);
    store.cli(&["container", "show", "nowhere"]).refused(5, &["nowhere"]);
    // A file that is to be stored and does not exist is this machine's affair.
    store.cli(&["object", "put", "good", "x", "/nonexistent/file"]).refused(1, &["/nonexistent"]);

    // What is in use stays.
    store.cli(&["container", "delete", "good"]).refused(6, &["not empty"]);
    store.cli(&["account", "delete", "default"]).refused(6, &["default"]);

    // Command lines, for people and for scripts.
    for wrong in [&["object", "put"][..], &["nonsense"], &["object", "get", "--nonsense"], &[]] {
        let answer = Answer::bare(wrong);
        assert_eq!(answer.code, Some(2), "{wrong:?}: {}", answer.error);
        assert!(!answer.error.is_empty(), "{wrong:?}");
    }
    let json = store.cli(&["object", "get", "good", "nothing", "-", "--json"]);
    let error: serde_json::Value = serde_json::from_str(json.error.trim()).unwrap();
    assert_eq!((json.code, &error["error"]["kind"]), (Some(5), &"not_found".into()));

    // Nonsense on the wire.
    let address = ready["address"].as_str().unwrap();
    let mut large_header = b"GET / HTTP/1.1\r\nx: ".to_vec();
    large_header.resize(2 << 20, b'x');
    let nonsense = [
        &b"nonsense\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        &large_header,
    ];
    for bytes in nonsense {
        let answer = exchange(address, bytes);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.starts_with("HTTP/1.1 2") && !text.contains("root:"), "{text}");
    }

    still_serves(&store, &file);
    assert_eq!(server.stop().code(), Some(0));
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn who_is_not_let_in_or_finds_nobody_is_told_so() {
    let scene = Scene::new();
    let (mut server, store, ready) = start(&scene, "data");
    let file = scene.file("file", b"some bytes");
    still_serves(&store, &file);
    let address = ready["address"].as_str().unwrap();
    let good = std::fs::read_to_string(&store.credentials).unwrap();
    let private = |name: &str, text: &str, mode: u32| {
        let path = scene.file(name, text.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Store { credentials: path }
    };
    let get = ["object", "get", "good", "object", "-", "--timeout", "3s"];

    let text = format!("address = \"{address}\"\nuser = \"operator\"\nkey = \"guessed\"\n");
    let wrong = private("wrong", &text, 0o600);
    wrong.cli(&get).refused(4, &["key"]);
    wrong.cli(&["object", "put", "good", "object", "/dev/null"]).refused(4, &["key"]);
    wrong.cli(&["cluster", "status"]).refused(4, &["key"]);
    private("open", &good, 0o644).cli(&get).refused(4, &["chmod 600"]);
    private("empty", "", 0o600).cli(&get).refused(2, &["credentials"]);

    let nobody = free_addresses(1).remove(0);
    let text = good.replace(address, &nobody);
    let unreachable = private("unreachable", &text, 0o600);
    unreachable.cli(&get).refused_with_notes(3, &[&nobody]);
    unreachable.cli(&["cluster", "status", "--timeout", "2s"]).refused_with_notes(3, &[&nobody]);
    // It listens and says nothing.
    let silent = std::net::TcpListener::bind(&nobody).unwrap();
    unreachable.cli(&get).refused_with_notes(3, &[]);
    drop(silent);

    still_serves(&store, &file);
    assert_eq!(server.stop().code(), Some(0));
    store.cli(&get).refused_with_notes(3, &[address]);
}

#[test]
fn daemons_that_must_not_start_do_not() {
    let scene = Scene::new();
    let (mut server, store, ready) = start(&scene, "data");
    let file = scene.file("file", b"some bytes");
    still_serves(&store, &file);
    let volumes = volumes_of(&ready);
    let arguments = server_arguments(&scene, &scene.path("data"));
    let another = |name: &str, options: &[&str]| {
        let mut arguments = server_arguments(&scene, &scene.path(name));
        arguments.extend(options.iter().map(|o| (*o).to_owned()));
        arguments
    };

    says(&refused(&scene, "second", &arguments), 1, &["in use by another process", "data"]);
    let mut clash = another("clash", &[]);
    let at = clash.iter().position(|a| a == "127.0.0.1:0").unwrap();
    clash[at] = ready["address"].as_str().unwrap().to_owned();
    says(&refused(&scene, "clash", &clash), 1, &["another process listens", &clash[at]]);
    let held = volumes[0].to_str().unwrap();
    let taken = another("taken", &["--volume", held]);
    says(&refused(&scene, "taken", &taken), 1, &["in use by another process", held]);
    let twice = scene.path("twice-volume");
    let twice = twice.to_str().unwrap();
    let options = ["--volume", twice, "--volume", &format!("{twice}/")];
    says(&refused(&scene, "twice", &another("twice", &options)), 2, &["given twice"]);
    let options = ["--volume", twice, "--volume", &format!("{twice}/../twice-volume")];
    says(&refused(&scene, "roundabout", &another("roundabout", &options)), 2, &["given twice"]);
    let inside = format!("{twice}/inside");
    let options = ["--volume", twice, "--volume", &inside];
    says(&refused(&scene, "nested", &another("nested", &options)), 2, &["one in the other", twice]);
    let options = ["--partitions", "0"];
    says(&refused(&scene, "none", &another("none", &options)), 2, &["1 to 4096"]);
    let options = ["--default-policy", "NOSUCH"];
    says(&refused(&scene, "policy", &another("policy", &options)), 2, &["NOSUCH"]);
    let misspelt = scene.file("misspelt.toml", b"[metadata]\npartition = 4\n");
    let misspelt = ["server", "--config", misspelt.to_str().unwrap()].map(str::to_owned);
    says(&refused(&scene, "misspelt", &misspelt), 2, &["partition", "misspelt.toml"]);
    let full = scene.path("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("somebody's file"), "precious").unwrap();
    let options = ["--volume", full.to_str().unwrap()];
    says(&refused(&scene, "foreign", &another("foreign", &options)), 1, &["not empty"]);
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
    still_serves(&store, &file);
    assert_eq!(server.stop().code(), Some(0));

    // Another cluster's volume, now that nobody holds it.
    let (mut other, other_store, _) = start(&scene, "other");
    still_serves(&other_store, &file);
    assert_eq!(other.stop().code(), Some(0));
    let mut mixed = server_arguments(&scene, &scene.path("other"));
    mixed.extend(["--volume".to_owned(), held.to_owned()]);
    let refusal = refused(&scene, "mixed", &mixed);
    says(&refusal, 6, &["belongs to cluster"]);
    assert!(refusal.log.contains(held), "{}", refusal.log);

    // A secret that others can read.
    let secret = scene.path("data").join("secret");
    let mode = |mode| {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    says(&refused(&scene, "open", &arguments), 4, &["chmod 600"]);
    mode(0o600);

    // After all of this it is as it was.
    let mut server = scene.daemon("data", &arguments);
    server.ready();
    store.wait_until_healthy();
    let got = store.cli(&["object", "get", "good", "object", "-"]).ok().out;
    assert_eq!(got, b"some bytes");
    still_serves(&store, &file);
}
