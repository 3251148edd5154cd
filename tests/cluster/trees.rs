//! Whole directories go up and come down, whatever is in them and whatever breaks in between.

use crate::harness::{
    Answer, Cluster, Daemon, Scene, Store, chunk_files, content, eventually, server_arguments,
    volumes_of,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::{ffi::OsStringExt, fs::symlink},
    path::{Path, PathBuf},
    process::Child,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn server(scene: &Scene) -> (Daemon, Store, Vec<PathBuf>) {
    let mut server = scene.daemon("server", &server_arguments(scene, &scene.path("data")));
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    (server, store, volumes_of(&ready))
}

/// Writes a file as it was some time ago: long enough for its time to be its content's mark.
fn write(path: &Path, bytes: &[u8], seconds_ago: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    set_age(path, seconds_ago);
}

fn set_age(path: &Path, seconds_ago: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds_ago);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Every file below a directory: its bytes and its time.
fn files(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                directories.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(root).unwrap().to_path_buf();
                let bytes = fs::read(&path).unwrap();
                found.insert(name, (bytes, metadata.modified().unwrap()));
            }
        }
    }
    found
}

#[track_caller]
fn same(there: &Path, here: &Path) {
    let (there, here) = (files(there), files(here));
    assert_eq!(there.keys().collect::<Vec<_>>(), here.keys().collect::<Vec<_>>());
    for (name, file) in &there {
        assert!(*file == here[name], "{} is another file", name.display());
    }
}

/// The last document a command printed, whatever its exit code, and those before it.
fn told(answer: &Answer) -> (Value, Vec<Value>) {
    let text = String::from_utf8(answer.out.clone()).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines.pop().unwrap(), lines)
}

/// The objects of which a command says this.
fn objects(lines: &[Value], outcome: &str) -> Vec<String> {
    let of = lines.iter().filter(|line| line["outcome"] == outcome);
    let mut names: Vec<_> = of.map(|line| line["object"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Up, changed in part, up again, down, down again.
fn round_trip(scene: &Scene, store: &Store, container: &str, policy: &str) {
    let (tree, back) = (scene.path(container), scene.path(format!("{container}-back")));
    let (t, b) = (tree.to_str().unwrap(), back.to_str().unwrap());
    for n in 0..40u64 {
        let name = format!("dir{}/sub-{}/file {n}", n % 3, n % 2);
        write(&tree.join(name), &content(n, 1000 * n as usize), 100 + n);
    }
    for name in ["a", "a-", "a0", "ü/ñ", "new\nline", ".hidden/x", "-p", "c/d/e/f/g/h"] {
        write(&tree.join(if name == "a" { "a/b" } else { name }), name.as_bytes(), 1000);
    }
    write(&tree.join("large"), &content(77, 3_000_000), 5000);
    let all = files(&tree).len() as u64;

    let up = |more: &[&str]| {
        let line = [&["object", "put", "-r", container, t, "--json", "--policy", policy], more];
        told(&store.cli(&line.concat()).ok())
    };
    let (summary, lines) = up(&["-p", "colour=blue"]);
    assert_eq!((summary["transferred"].as_u64(), summary["failed"].as_u64()), (Some(all), Some(0)));
    assert_eq!(objects(&lines, "transferred").len() as u64, all);
    let bytes: u64 = files(&tree).values().map(|(bytes, _)| bytes.len() as u64).sum();
    assert_eq!(summary["transferred_bytes"], bytes);
    let shown = store.cli(&["object", "show", container, "large", "--json"]).json();
    assert_eq!(
        (&shown["policy"], &shown["properties"]["colour"]),
        (&policy.into(), &"blue".into())
    );

    let (summary, lines) = up(&[]);
    assert_eq!((summary["unchanged"].as_u64(), lines.len()), (Some(all), 0), "{lines:?}");
    assert_eq!(summary["unchanged_bytes"], bytes);

    // Changed, changed within the size, new: sent. Touched: found to be the same.
    write(&tree.join("a0"), b"longer than before", 50);
    write(&tree.join("c/d/e/f/g/h"), b"c/d/e/f/g/H", 50);
    write(&tree.join("new/file"), b"new", 50);
    set_age(&tree.join("large"), 60);
    let changed = ["a0", "c/d/e/f/g/h", "new/file"];
    let (summary, lines) = up(&[]);
    assert_eq!(objects(&lines, "transferred"), changed);
    assert_eq!(summary["unchanged"], all - 2);
    // A change that keeps the size and the time shows to those who compare the bytes.
    let before = fs::metadata(tree.join("ü/ñ")).unwrap().modified().unwrap();
    fs::write(tree.join("ü/ñ"), "ü/n~").unwrap();
    fs::write(tree.join("ü/ñ"), "Ü/ñ").unwrap();
    File::options().write(true).open(tree.join("ü/ñ")).unwrap().set_modified(before).unwrap();
    assert_eq!(up(&[]).1.len(), 0);
    assert_eq!(objects(&up(&["--checksum"]).1, "transferred"), ["ü/ñ"]);

    let down = |more: &[&str]| {
        let line = [&["object", "save", "-r", container, b, "--json"], more];
        told(&store.cli(&line.concat()).ok())
    };
    let (summary, lines) = down(&["--jobs", "3"]);
    assert_eq!(summary["transferred"], all + 1);
    assert_eq!(lines.len() as u64, all + 1);
    same(&tree, &back);
    let (summary, lines) = down(&[]);
    assert_eq!((summary["unchanged"].as_u64(), lines.len()), (Some(all + 1), 0), "{lines:?}");
    // What was changed here comes again; what was touched only gets its time back.
    fs::write(back.join("a0"), "longer than befora").unwrap();
    fs::write(back.join("a-"), "much longer than before").unwrap();
    set_age(&back.join("large"), 10);
    fs::remove_file(back.join("new/file")).unwrap();
    assert_eq!(objects(&down(&[]).1, "transferred"), ["a-", "a0", "new/file"]);
    same(&tree, &back);
}

#[test]
fn trees_go_up_and_come_down_in_fragments_and_in_copies() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene, 1, &[3, 3, 3]);
    round_trip(&scene, &cluster.store, "fragments", "EC63S");
    round_trip(&scene, &cluster.store, "copies", "THREECOPIES");

    // Below a name, and from there.
    let (store, tree) = (&cluster.store, scene.path("small"));
    let t = tree.to_str().unwrap();
    write(&tree.join("x/y"), b"y", 100);
    for prefix in ["deep/er", "deep/er/"] {
        let line = ["object", "put", "-r", "fragments", t, "--prefix", prefix, "--json"];
        let (summary, _) = told(&store.cli(&line).ok());
        assert_eq!(summary["transferred"], u64::from(prefix == "deep/er"));
    }
    let back = scene.path("small-back");
    let b = back.to_str().unwrap();
    store.cli(&["object", "save", "-r", "fragments", b, "--prefix", "deep/er"]).ok();
    same(&tree, &back);
}

/// A tree that takes a while.
fn many(scene: &Scene) -> PathBuf {
    let tree = scene.path("many");
    for n in 0..400u64 {
        let path = tree.join(format!("{}/{n:04}", n % 7));
        write(&path, &content(n, 20_000 + 100 * n as usize), 100);
    }
    tree
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn what_was_broken_off_goes_on_where_it_was() {
    let scene = Scene::new();
    let (_server, store, volumes) = server(&scene);
    let (tree, back) = (many(&scene), scene.path("back"));
    let (t, b) = (tree.to_str().unwrap(), back.to_str().unwrap());
    let listed =
        || store.cli(&["object", "list", "c", "--json"]).out.split(|b| *b == b'\n').count();

    let up = ["object", "put", "-r", "c", t, "--jobs", "2", "--json"];
    for (how, at_least) in [(Signal::KILL, 20), (Signal::INT, 60)] {
        let child = store.spawn(&up);
        eventually("some files are stored", PATIENCE, || (listed() > at_least).then_some(()));
        signal(&child, how);
        let answer = Answer::finish(child);
        assert_eq!(answer.code, (how == Signal::INT).then_some(130), "{}", answer.error);
        assert!(listed() < 400, "it was too quick to be broken off");
    }
    let (summary, _) = told(&store.cli(&up).ok());
    assert_eq!(
        summary["transferred"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap(),
        400
    );
    assert!(summary["unchanged"].as_u64().unwrap() >= 60, "{summary}");
    assert_eq!(listed(), 401);

    // What is there under its name is whole at any time.
    let down = ["object", "save", "-r", "c", b, "--jobs", "2", "--json"];
    let saved = || match back.exists() {
        true => files(&back).keys().filter(|name| !name.starts_with(".cairn-partial")).count(),
        false => 0,
    };
    for (how, at_least) in [(Signal::KILL, 20), (Signal::INT, 60)] {
        let child = store.spawn(&down);
        eventually("some files are saved", PATIENCE, || (saved() > at_least).then_some(()));
        signal(&child, how);
        let answer = Answer::finish(child);
        assert_eq!(answer.code, (how == Signal::INT).then_some(130), "{}", answer.error);
        assert!(saved() < 400, "it was too quick to be broken off");
        let originals = files(&tree);
        for (name, file) in files(&back) {
            let partial = name.starts_with(".cairn-partial");
            assert!(partial || originals[&name] == file, "{}", name.display());
            assert!(!partial || how == Signal::KILL, "an interrupted save leaves nothing half");
        }
    }
    let (summary, _) = told(&store.cli(&down).ok());
    assert!(summary["unchanged"].as_u64().unwrap() >= 60, "{summary}");
    same(&tree, &back);
    assert!(!back.join(".cairn-partial").exists());

    // What an interrupted upload began is deleted, unless its commit was on its way: then, as
    // after a kill, garbage collection has to find out. That is two transfers at most each time.
    let most = (400 + 2 + 2) * 6;
    eventually("what was broken off is gone", PATIENCE, || {
        (volumes.iter().map(|v| chunk_files(v).len()).sum::<usize>() <= most).then_some(())
    });
}

#[test]
fn what_cannot_be_an_object_is_told() {
    let scene = Scene::new();
    let (_server, store, _) = server(&scene);
    let tree = scene.path("tree");
    let t = tree.to_str().unwrap();
    write(&tree.join("good"), b"good", 100);
    write(&tree.join("d/x".repeat(150)), b"a long name", 100);
    write(&tree.join(["y".repeat(250).as_str(); 5].join("/")), b"too long a name", 100);
    write(&tree.join(OsString::from_vec(b"bad\xff".to_vec())), b"no text", 100);
    fs::create_dir_all(tree.join("empty/too")).unwrap();
    symlink("good", tree.join("link")).unwrap();
    symlink("..", tree.join("d/round")).unwrap();
    symlink("nowhere", tree.join("broken")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, tree.join("pipe"), pipe, mode, 0).unwrap();

    let answer = store.cli(&["object", "put", "-r", "c", t]);
    answer.refused_with_notes(1, &["2 of 4 files not stored", "UTF-8", "1254", "1024"]);
    for what in ["link: a symbolic link", "empty/too: an empty directory", "pipe: neither"] {
        assert!(answer.error.contains(what), "{what:?} is not in {}", answer.error);
    }
    let text = String::from_utf8(answer.out).unwrap();
    assert!(text.contains("stored 2 files") && text.contains("5 skipped; 2 failed"), "{text}");

    let answer = store.cli(&["object", "put", "-r", "c", t, "--json", "--follow-links"]);
    assert_eq!(answer.code, Some(1));
    let (summary, lines) = told(&answer);
    assert_eq!(objects(&lines, "transferred"), ["link"]);
    assert_eq!((&summary["skipped"], &summary["failed"]), (&3.into(), &3.into()));
    let error: Value = serde_json::from_str(answer.error.trim()).unwrap();
    assert_eq!(error["error"]["kind"], "failure");
    assert!(error["error"]["message"].as_str().unwrap().contains("broken"), "{error}");

    // A file that somebody writes to is not stored: neither version of it was ever there whole.
    let busy = scene.path("busy");
    write(&busy.join("log"), &content(5, 8_000_000), 0);
    let (stop, log) = (AtomicBool::new(false), busy.join("log"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = File::options().append(true).open(&log).unwrap();
            while !stop.load(Ordering::Relaxed) {
                log.write_all(b"a line\n").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let answer = store.cli(&["object", "put", "-r", "busy", busy.to_str().unwrap()]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answer.code, Some(1), "{}", answer.error);
        assert!(answer.error.contains("changed while it was read"), "{}", answer.error);
    });
    store.cli(&["object", "show", "busy", "log"]).refused(5, &["log"]);

    let put = |more: &[&str]| store.cli(&[&["object", "put", "-r", "c"], more].concat());
    put(&[scene.file("file", b"x").to_str().unwrap()]).refused(2, &["leave out -r"]);
    put(&["/nonexistent"]).refused(1, &["/nonexistent"]);
    put(&[t, "-p", "mtime=0"]).refused(2, &["mtime"]);
    let nowhere = ["object", "put", "-r", "nowhere", t, "--no-autocreate"];
    store.cli(&nowhere).refused_with_notes(5, &["nowhere"]);
    store.cli(&["object", "put", "c", "o", "-", "--checksum"]).refused(2, &["--checksum", "-r"]);
    store.cli(&["object", "get", "c", "o", "-", "--jobs", "2"]).refused(2, &["--jobs", "-r"]);
}

#[test]
fn names_that_lead_elsewhere_stay_where_they_are() {
    let scene = Scene::new();
    let (_server, store, _) = server(&scene);
    let file = scene.file("file", b"hostile");
    let refused = [
        "../up",
        "..",
        "a/../../up",
        "/absolute",
        "x//y",
        "./here",
        ".cairn-partial/x",
        "clash/below",
        "link/x",
        "in-the-way",
        "full",
    ];
    let fine = ["good", "deep/er/good", "clash", "clash-", "...", "a/..b"];
    for name in refused.iter().chain(&fine) {
        store.cli(&["object", "put", "c", name, file.to_str().unwrap()]).ok();
    }
    let root = scene.path("root");
    let back = root.join("a/b");
    for directory in ["outside", "full/of/things"] {
        fs::create_dir_all(back.join(directory)).unwrap();
    }
    fs::create_dir_all(scene.path("outside")).unwrap();
    symlink(scene.path("outside"), back.join("link")).unwrap();
    symlink(scene.file("precious", b"precious"), back.join("in-the-way")).unwrap();

    let answer = store.cli(&["object", "save", "-r", "c", back.to_str().unwrap(), "--json"]);
    assert_eq!(answer.code, Some(1), "{}", answer.error);
    let (summary, lines) = told(&answer);
    let mut expected: Vec<_> = refused.iter().map(|n| (*n).to_owned()).collect();
    expected.sort();
    assert_eq!(objects(&lines, "failed"), expected);
    assert_eq!(summary["transferred"], fine.len());
    let mut saved: Vec<_> =
        files(&root).into_keys().map(|n| n.to_str().unwrap().to_owned()).collect();
    saved.sort();
    let mut expected: Vec<_> = fine.iter().map(|n| format!("a/b/{n}")).collect();
    expected.sort();
    assert_eq!(saved, expected);
    assert_eq!(fs::read(scene.path("precious")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(scene.path("outside")).unwrap().count(), 0);
    assert!(!scene.path("up").exists() && !Path::new("/absolute").exists());

    let save = |container: &str, to: &Path| {
        store.cli(&["object", "save", "-r", container, to.to_str().unwrap()])
    };
    let new = scene.path("new");
    save("nowhere", &new).refused(5, &["nowhere"]);
    assert!(!new.exists(), "nothing is made for a container that is not there");
    save("c", &file).refused(2, &["is a file"]);
}
