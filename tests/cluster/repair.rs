//! Chunks that are lost come back by themselves: on disk, verified, and nothing else beside them.

use crate::harness::{
    Cluster, Load, Role, Scene, chunk_files, chunk_path, content, eventually, numbered,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longer than what was given up waits for its deletion, and a retry of that.
const PATIENCE: Duration = Duration::from_secs(180);

const POLICIES: [&str; 4] = ["EC63", "EC63S", "THREECOPIES", "TWOCOPIES"];

/// A chunk and its volume.
type Place = (u64, String);

/// The volumes that are served: those of a destroyed one are not looked at.
fn volumes(cluster: &Cluster, but: &[&Path]) -> Vec<PathBuf> {
    cluster.all_volumes().into_iter().filter(|v| !but.contains(&v.as_path())).collect()
}

fn on_disk(volumes: &[PathBuf]) -> BTreeSet<Place> {
    let of = |volume: &PathBuf| {
        let id = u64::from(numbered(volume).0);
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        chunk_files(volume).into_iter().map(move |path| (id, name(path))).collect::<Vec<_>>()
    };
    volumes.iter().flat_map(of).collect()
}

/// Every object and version of a container, with where its chunks should be.
fn objects(cluster: &Cluster, container: &str) -> Vec<(String, String)> {
    let list = ["object", "list", container, "--versions", "--json"];
    let entries = cluster.store.cli(&list).lines();
    let name = |e: &Value| e["name"].as_str().map(str::to_owned);
    entries.iter().filter_map(|e| Some((name(e)?, e["version"].to_string()))).collect()
}

fn chunks(cluster: &Cluster, container: &str, object: &str, version: &str) -> Vec<Value> {
    let locate = ["object", "locate", container, object, "--version", version, "--json"];
    cluster.store.cli(&locate).json()["chunks"].as_array().unwrap().clone()
}

fn named(cluster: &Cluster, containers: &[&str]) -> BTreeSet<Place> {
    let mut named = BTreeSet::new();
    for container in containers {
        for (object, version) in objects(cluster, container) {
            for chunk in chunks(cluster, container, &object, &version) {
                let volume = chunk["volume"].as_u64();
                let volume = volume.unwrap_or_else(|| panic!("{object} lacks a chunk: {chunk}"));
                named.insert((volume, chunk["chunk"].as_str().unwrap().to_owned()));
            }
        }
    }
    named
}

fn queued(cluster: &Cluster) -> Option<u64> {
    let answer = cluster.store.cli(&["cluster", "status", "--json"]);
    let status: Value = serde_json::from_slice(&answer.out).ok()?;
    status["repairs_queued"].as_u64()
}

/// Waits until the cluster is healthy and the disks hold what the metadata names and nothing
/// else; then every chunk is verified where it is.
#[track_caller]
fn check_whole(cluster: &Cluster, containers: &[&str], served: &[PathBuf]) {
    let status = eventually("the cluster is healthy", PATIENCE, || {
        let answer = cluster.store.cli(&["cluster", "status", "--json"]);
        let status: Value = serde_json::from_slice(&answer.out).ok()?;
        (status["healthy"] == true).then_some(status)
    });
    assert_eq!(status["repairs_queued"], 0, "{status}");
    let wanted = named(cluster, containers);
    let mut seen = BTreeSet::new();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        seen = on_disk(served);
        if seen == wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let missing: Vec<_> = wanted.difference(&seen).collect();
    let orphaned: Vec<_> = seen.difference(&wanted).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert!(orphaned.is_empty(), "orphaned: {orphaned:?}");
    for container in containers {
        for (object, version) in objects(cluster, container) {
            let repair = ["object", "repair", container, &object, "--version", &version, "--json"];
            let report = cluster.store.cli(&repair).json();
            assert_eq!(report["whole"], true, "{report}");
            assert_eq!(report["before"]["lost"], 0, "{report}");
        }
    }
}

fn put(
    cluster: &Cluster,
    scene: &Scene,
    container: &str,
    object: &str,
    bytes: &[u8],
    policy: &str,
) {
    let file = scene.path(format!("from-{container}-{object}"));
    std::fs::write(&file, bytes).unwrap();
    let file = file.display().to_string();
    let put = ["object", "put", container, object, &file, "--policy", policy];
    cluster.store.cli(&put).ok();
}

#[track_caller]
fn check_bytes(cluster: &Cluster, container: &str, object: &str, bytes: &[u8]) {
    let got = cluster.store.cli(&["object", "get", container, object, "-"]).ok().out;
    assert!(got == bytes, "{object}: {} bytes came", got.len());
}

#[test]
fn what_a_reader_finds_damaged_is_put_back() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene, 1, &[9]);
    let served = cluster.all_volumes();
    for (policy, damaged) in [("EC63S", [0, 1]), ("THREECOPIES", [0, 1])] {
        let bytes = content(21, 2_000_000);
        put(&cluster, &scene, "c", policy, &bytes, policy);
        let chunks = chunks(&cluster, "c", policy, &objects(&cluster, "c")[0].1);
        let path = |position: usize| {
            let chunk = &chunks[position];
            let is = |v: &&PathBuf| chunk["volume"] == u64::from(numbered(v).0);
            chunk_path(served.iter().find(is).unwrap(), chunk["chunk"].as_str().unwrap())
        };
        // One has a bit that is wrong, the other is gone.
        let (rotten, gone) = (path(damaged[0]), path(damaged[1]));
        let mut stored = std::fs::read(&rotten).unwrap();
        stored[1000] ^= 0x10;
        std::fs::write(&rotten, stored).unwrap();
        std::fs::remove_file(&gone).unwrap();
        // A read of copies goes to any of them: until it met them, the damage is not known.
        eventually("the damaged chunks are replaced", PATIENCE, || {
            check_bytes(&cluster, "c", policy, &bytes);
            (!rotten.exists() && queued(&cluster) == Some(0)).then_some(())
        });
        if policy == "THREECOPIES" {
            // Whether a reader came by the copy that is gone is chance; this one looks at all.
            let report = cluster.store.cli(&["object", "repair", "c", policy, "--json"]).json();
            assert_eq!(report["whole"], true, "{report}");
        }
        check_whole(&cluster, &["c"], &served);
        check_bytes(&cluster, "c", policy, &bytes);
        cluster.store.cli(&["object", "delete", "c", policy]).ok();
    }
    // What nobody reads is found by who is asked to look: parity.
    let bytes = content(22, 1_000_000);
    put(&cluster, &scene, "c", "parity", &bytes, "EC63");
    let chunk = chunks(&cluster, "c", "parity", &objects(&cluster, "c")[0].1)[8].clone();
    let volume = served.iter().find(|v| chunk["volume"] == u64::from(numbered(v).0)).unwrap();
    std::fs::remove_file(chunk_path(volume, chunk["chunk"].as_str().unwrap())).unwrap();
    let report = cluster.store.cli(&["object", "repair", "c", "parity", "--json"]).json();
    assert_eq!((&report["before"]["lost"], &report["after"]["lost"]), (&1.into(), &0.into()));
    assert_eq!(report["after"]["whole"], 9, "{report}");
    check_whole(&cluster, &["c"], &served);
}

/// Objects on erasure codes and on copies, of one metachunk and of several.
fn fill(
    cluster: &Cluster,
    scene: &Scene,
    objects: u64,
    policies: &[&str],
) -> Vec<(String, Vec<u8>)> {
    (0..objects)
        .map(|n| {
            let (name, bytes) = (format!("o{n}"), content(n, 100_000 + 700_000 * (n as usize % 3)));
            put(cluster, scene, "c", &name, &bytes, policies[n as usize % policies.len()]);
            (name, bytes)
        })
        .collect()
}

#[test]
fn a_destroyed_volume_is_rebuilt_on_the_others() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[5, 5, 1]);
    let objects = fill(&cluster, &scene, 16, &POLICIES);
    let volume = cluster.volumes(2).remove(0);
    let id = numbered(&volume).to_string();
    let was_on_it = chunk_files(&volume).len();
    assert!(was_on_it > 0);
    cluster.store.cli(&["volume", "rebuild", &id]).refused(6, &["is up", "force"]);
    cluster.store.cli(&["volume", "rebuild", "99"]).refused(5, &["no volume 99"]);
    cluster.kill(Role::Chunk(2));
    std::fs::remove_dir_all(&volume).unwrap();
    cluster.wait_until_down(1);
    let report = cluster.store.cli(&["volume", "rebuild", &id, "--json"]).json();
    assert_eq!((&report["done"], &report["found"]), (&true.into(), &was_on_it.into()), "{report}");
    assert!(report["repaired"].as_u64().unwrap() >= was_on_it as u64, "{report}");
    let served = volumes(&cluster, &[&volume]);
    check_whole(&cluster, &["c"], &served);
    for (object, bytes) in &objects {
        check_bytes(&cluster, "c", object, bytes);
    }
    // Repeated, it has nothing to do.
    let report = cluster.store.cli(&["volume", "rebuild", &id, "--json"]).json();
    assert_eq!(report["done"], true, "{report}");
    let text = cluster.store.cli(&["volume", "rebuild", &id]).ok().out;
    assert!(String::from_utf8(text).unwrap().contains("is rebuilt"));
}

#[test]
fn a_rebuild_goes_on_whoever_is_killed() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[4, 4, 3, 1]);
    let objects = fill(&cluster, &scene, 48, &POLICIES);
    let volume = cluster.volumes(3).remove(0);
    let id = numbered(&volume).to_string();
    cluster.kill(Role::Chunk(3));
    std::fs::remove_dir_all(&volume).unwrap();
    cluster.wait_until_down(1);
    cluster.store.cli(&["volume", "rebuild", &id, "--no-wait"]).ok();
    let begun = |cluster: &Cluster| {
        let status = cluster.store.status();
        let repairs = &status["repairs"];
        let some = repairs["repaired"].as_u64() > Some(0) || repairs["active"].as_u64() > Some(0);
        (some || status["repairs_queued"].as_u64() > Some(0)).then_some(())
    };
    eventually("the rebuild is at work", PATIENCE, || begun(&cluster));
    // A metadata node, which leads some of the partitions, and a server that chunks go to.
    cluster.kill(Role::Meta(0));
    cluster.kill(Role::Chunk(1));
    cluster.restart(&[Role::Meta(0), Role::Chunk(1)]);
    // Everything at once.
    let all: Vec<Role> = cluster.roles();
    let all: Vec<Role> = all.into_iter().filter(|r| !matches!(r, Role::Chunk(3))).collect();
    for role in &all {
        cluster.kill(*role);
    }
    cluster.restart(&all);
    let served = volumes(&cluster, &[&volume]);
    check_whole(&cluster, &["c"], &served);
    for (object, bytes) in &objects {
        check_bytes(&cluster, "c", object, bytes);
    }
}

#[test]
fn rebuilds_race_with_writers_and_with_each_other() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[5, 5, 1, 1]);
    let objects = fill(&cluster, &scene, 24, &["EC63", "THREECOPIES"]);
    let client = cluster.store.client(Duration::from_secs(20));
    let load = Load::start(&scene, &client, 2, "THREECOPIES", 1);
    let mut lost = Vec::new();
    for chunk in [2, 3] {
        let volume = cluster.volumes(chunk).remove(0);
        let id = numbered(&volume).to_string();
        cluster.kill(Role::Chunk(chunk));
        std::fs::remove_dir_all(&volume).unwrap();
        eventually("the volume is missed", PATIENCE, || {
            let show = cluster.store.cli(&["volume", "show", &id, "--json"]).json();
            (show["liveness"] == "down").then_some(())
        });
        cluster.store.cli(&["volume", "rebuild", &id, "--no-wait"]).ok();
        lost.push(volume);
        // Overwritten and deleted while they are rebuilt.
        let half = objects.iter().skip(chunk - 2).step_by(2);
        for (number, (object, _)) in half.enumerate() {
            match number % 3 {
                0 => drop(cluster.store.cli(&["object", "delete", "c", object])),
                1 => put(&cluster, &scene, "c", object, b"something else", "THREECOPIES"),
                _ => {}
            }
        }
    }
    let started = Instant::now();
    eventually("writers are at work all along", PATIENCE, || {
        (load.fewest_acknowledged(started) >= 3).then_some(())
    });
    load.finish(&scene).check(&scene, &client);
    let but: Vec<&Path> = lost.iter().map(PathBuf::as_path).collect();
    let served = volumes(&cluster, &but);
    check_whole(&cluster, &["c", "load0", "load1"], &served);
}

#[test]
fn an_upload_without_a_volume_comes_to_full_width_by_itself() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[4, 4, 1]);
    cluster.kill(Role::Chunk(2));
    cluster.wait_until_down(1);
    let bytes = content(23, 3_000_000);
    put(&cluster, &scene, "c", "o", &bytes, "EC63");
    let dropped = |cluster: &Cluster| {
        let (object, version) = objects(cluster, "c").remove(0);
        chunks(cluster, "c", &object, &version).iter().filter(|c| c["volume"].is_null()).count()
    };
    assert!(dropped(&cluster) > 0);
    let text = cluster.store.cli(&["cluster", "status"]).ok().out;
    assert!(String::from_utf8(text).unwrap().contains("wait for repair"));
    cluster.restart(&[Role::Chunk(2)]);
    let served = cluster.all_volumes();
    check_whole(&cluster, &["c"], &served);
    assert_eq!(dropped(&cluster), 0);
    check_bytes(&cluster, "c", "o", &bytes);
}

#[test]
fn volumes_that_are_merely_down_are_waited_for() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[7, 3]);
    let objects = fill(&cluster, &scene, 8, &POLICIES);
    let before = on_disk(&cluster.all_volumes());
    cluster.kill(Role::Chunk(1));
    cluster.wait_until_down(3);
    let status = cluster.store.status();
    let problems = status["problems"].to_string();
    let paused = eventually("the pause is told", PATIENCE, || {
        let problems = cluster.store.status()["problems"].to_string();
        problems.contains("nothing is rebuilt").then_some(problems)
    });
    assert!(paused.contains("3 of 10 volumes are down"), "{problems}");
    cluster.restart(&[Role::Chunk(1)]);
    let served = cluster.all_volumes();
    check_whole(&cluster, &["c"], &served);
    assert!(on_disk(&served) == before, "nothing was moved");
    check_bytes(&cluster, "c", &objects[0].0, &objects[0].1);
}
