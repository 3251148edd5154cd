//! Volumes that go in the middle of an upload, and bytes that rot.

use crate::harness::{Answer, Cluster, Role, Scene, chunk_path, content, eventually, numbered};
use rustix::process::Signal;
use serde_json::Value;
use std::{io::Write, path::Path, process::Child, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent before something breaks: stripes have reached the volumes, and more will.
const BEFORE: usize = 3_000_000;

const PIECE: usize = 250_000;

/// Starts an upload of `EC63` from a pipe, and returns once its chunk is under way on `volume`.
fn begin(cluster: &Cluster, object: &str, bytes: &[u8], volume: &Path) -> Child {
    let arguments = ["object", "put", "c", object, "-", "--policy", "EC63", "--json"];
    let mut put = cluster.store.spawn(&arguments);
    put.stdin.as_mut().unwrap().write_all(&bytes[..BEFORE]).unwrap();
    let tmp = volume.join("tmp");
    eventually("the chunk is under way", PATIENCE, || {
        // How much of it is in the file already is the server's affair.
        std::fs::read_dir(&tmp).unwrap().next().map(|_| ())
    });
    put
}

/// Sends the rest piece by piece.
fn go_on(mut put: Child, bytes: &[u8]) -> Answer {
    let mut input = put.stdin.take().unwrap();
    for piece in bytes[BEFORE..].chunks(PIECE) {
        input.write_all(piece).unwrap();
        input.flush().unwrap();
    }
    drop(input);
    Answer::finish(put)
}

/// The upload said what it could not write, and so does everything else.
#[track_caller]
fn check(cluster: &Cluster, object: &str, stored: &Value, volume: &Path, bytes: &[u8]) {
    assert_eq!(stored["tolerance"], 2, "{stored}");
    let failures = stored["failures"].as_array().unwrap();
    let number = u64::from(numbered(volume).0);
    assert!(failures.iter().any(|f| f["volume"] == number), "{stored}");
    let locate = ["object", "locate", "c", object, "--check", "--json"];
    let located = cluster.store.cli(&locate).json();
    let chunks = located["chunks"].as_array().unwrap();
    // A source that is slow on a busy machine ends a metachunk early: there may be several.
    let dropped = chunks.iter().filter(|c| c["volume"].is_null()).count();
    assert!(
        dropped >= 1 && chunks.len().is_multiple_of(9) && dropped <= chunks.len() / 9,
        "{located}"
    );
    assert_eq!(stored["dropped"], dropped, "{stored}");
    let whole = chunks.iter().filter(|c| c["state"] == "whole").count();
    assert_eq!(whole + dropped, chunks.len(), "{located}");
    assert!(chunks.iter().all(|c| c["volume"] != number), "{located}");
    let text = cluster.store.cli(&["object", "locate", "c", object]).ok().out;
    assert!(String::from_utf8(text).unwrap().contains("dropped"));
    let got = cluster.store.cli(&["object", "get", "c", object, "-"]).ok().out;
    assert!(got == bytes, "{} bytes came", got.len());
}

#[test]
fn an_upload_outlives_a_server_that_stops_or_dies_in_its_middle() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[4, 4, 1]);
    let volume = cluster.volumes(2).remove(0);

    // One that says nothing any more, and keeps its connections.
    let bytes = content(4, 12_000_000);
    let put = begin(&cluster, "stopped", &bytes, &volume);
    cluster.daemon(Role::Chunk(2)).signal(Signal::STOP);
    let stored = go_on(put, &bytes).json();
    check(&cluster, "stopped", &stored, &volume, &bytes);
    eventually("the missing chunk waits to be rebuilt", PATIENCE, || {
        (cluster.store.status()["repairs_queued"] == stored["dropped"]).then_some(())
    });
    cluster.daemon(Role::Chunk(2)).signal(Signal::CONT);
    cluster.store.wait_until_healthy();

    // One that is gone.
    let bytes = content(5, 12_000_000);
    let put = begin(&cluster, "killed", &bytes, &volume);
    cluster.kill(Role::Chunk(2));
    let stored = go_on(put, &bytes).json();
    check(&cluster, "killed", &stored, &volume, &bytes);
    cluster.wait_until_down(1);
    cluster.restart(&[Role::Chunk(2)]);
    cluster.store.wait_until_healthy();
    eventually("every chunk is made", PATIENCE, || {
        (cluster.store.status()["repairs_queued"] == 0).then_some(())
    });
    // What was under way is gone from the volume.
    assert_eq!(std::fs::read_dir(volume.join("tmp")).unwrap().count(), 0);
}

#[test]
fn an_upload_that_loses_its_quorum_fails_and_leaves_what_was_there() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[5, 4]);
    let before = scene.file("before", b"what was there");
    let arguments = ["object", "put", "c", "o", before.to_str().unwrap(), "--policy", "EC63"];
    cluster.store.cli(&arguments).ok();
    let bytes = content(6, 12_000_000);
    let volume = cluster.volumes(1).remove(0);
    let put = begin(&cluster, "o", &bytes, &volume);
    cluster.kill(Role::Chunk(1));
    let mut put = put;
    let mut input = put.stdin.take().unwrap();
    // The command may give up before it has read all.
    let _ = bytes[BEFORE..].chunks(PIECE).try_for_each(|piece| input.write_all(piece));
    drop(input);
    let answer = Answer::finish(put);
    assert_eq!(answer.code, Some(3), "{}", answer.error);
    assert!(answer.error.contains("needs 7"), "{}", answer.error);
    cluster.wait_until_down(4);
    cluster.restart(&[Role::Chunk(1)]);
    cluster.store.wait_until_healthy();
    let got = cluster.store.cli(&["object", "get", "c", "o", "-"]).ok().out;
    assert_eq!(got, b"what was there");
}

#[test]
fn a_flipped_bit_gives_the_right_bytes_and_is_noticed() {
    let scene = Scene::new();
    let cluster = Cluster::start(&scene, 1, &[9]);
    let bytes = content(7, 2_000_000);
    let file = scene.file("from", &bytes);
    let file = file.to_str().unwrap();
    cluster.store.cli(&["object", "put", "c", "o", file, "--policy", "EC63"]).ok();
    assert_eq!(cluster.store.status()["repairs_queued"], 0);
    let located = cluster.store.cli(&["object", "locate", "c", "o", "--json"]).json();
    // A data fragment, and one of parity, which a healthy read does not touch.
    let mut damaged = Vec::new();
    for (position, offset) in [(0, 1000), (8, 65_544 + 5)] {
        let chunk = &located["chunks"][position];
        let volumes = cluster.all_volumes();
        let volume = volumes.iter().find(|v| chunk["volume"] == u64::from(numbered(v).0)).unwrap();
        let path = chunk_path(volume, chunk["chunk"].as_str().unwrap());
        let mut stored = std::fs::read(&path).unwrap();
        stored[offset] ^= 0x10;
        std::fs::write(&path, stored).unwrap();
        damaged.push(path);
    }
    // A read that finds the volume slow goes round it, and the next one sees the damage.
    eventually("the damaged chunk is replaced", PATIENCE, || {
        let got = cluster.store.cli(&["object", "get", "c", "o", "-"]).ok().out;
        assert!(got == bytes, "{} bytes came", got.len());
        (!damaged[0].exists()).then_some(())
    });
    assert!(damaged[1].exists(), "nobody read it");
    // And it stays right, by ranges over the damage too.
    let got = cluster.store.cli(&["object", "get", "c", "o", "-", "--range", "900-70000"]).ok();
    assert!(got.out == bytes[900..=70_000]);
    // A chunk that is cut short is not there for who looks at chunks.
    let head = |level| cluster.store.cli(&["object", "head", "c", "o", "--trust-level", level]);
    head("complete").ok();
    let cut = std::fs::OpenOptions::new().write(true).open(&damaged[1]).unwrap();
    cut.set_len(cut.metadata().unwrap().len() - 1).unwrap();
    head("complete").gone();
    head("readable").ok();
}
