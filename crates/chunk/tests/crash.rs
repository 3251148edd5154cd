//! A process that is killed while it stores chunks: what it acknowledged is there, and nothing
//! is there by halves.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use http::StatusCode;
use http_body_util::Full;
use layout::Verifier;
use model::ChunkName;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};
use support::{chunk, config, make_volume, name, request};

const DIR: &str = "CAIRN_TEST_CRASH_DIR";
const THIS_TEST: &str = "what_was_acknowledged_survives_a_kill_and_nothing_else_is_left";

/// What the process that is killed does: the test below, run again with [`DIR`] set.
async fn store_chunks_until_killed(dir: PathBuf) {
    let server = chunk::ChunkServer::open(config(&dir, &["v1"]), std::sync::Arc::new(disk::OsDisk));
    let server = server.await.unwrap();
    let writers = (0..4u32).map(|writer| {
        let handler = server.http_handler(support::capabilities());
        tokio::spawn(async move {
            for n in (writer..).step_by(4) {
                let body = chunk(&name(n), name(n).blob, 1 + (n as usize * 77_777) % 900_000);
                let put = request("PUT", &name(n)).body(Full::new(body)).unwrap();
                assert_eq!(handler.answer(put).await.status(), StatusCode::CREATED);
                let mut out = std::io::stdout().lock();
                writeln!(out, "stored {n}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures::future::join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_and_nothing_else_is_left() {
    if let Some(dir) = std::env::var_os(DIR) {
        store_chunks_until_killed(dir.into()).await;
    }
    let dir = tempfile::tempdir().unwrap();
    make_volume(&dir.path().join("v1"), 1);
    for round in 0..3 {
        // Start over from nothing each time, so that names are free.
        let paths = chunk::files::Paths::new(&dir.path().join("v1"), 1);
        for n in 0..paths.fan_outs() {
            for file in support::names_in(&paths.nth_fan_out(n)) {
                std::fs::remove_file(paths.nth_fan_out(n).join(file)).unwrap();
            }
        }
        let acknowledged = kill_in_the_middle(dir.path().into(), 40 + 17 * round);
        let disk = std::sync::Arc::new(support::disk::FaultyDisk::default());
        let server = support::open(dir.path(), disk).await.unwrap();
        let mut found = BTreeSet::new();
        for n in 0..paths.fan_outs() {
            for file in support::names_in(&paths.nth_fan_out(n)) {
                let name: ChunkName = file.parse().unwrap();
                let bytes = std::fs::read(paths.chunk(&name)).unwrap();
                let mut verifier = Verifier::new(&name, name.blob);
                verifier.push(bytes.into()).unwrap();
                verifier.finish().unwrap();
                found.insert(name);
            }
        }
        for n in acknowledged {
            assert!(found.contains(&name(n)), "chunk {n} was acknowledged and is gone");
        }
        assert!(support::names_in(&paths.temporaries()).is_empty());
        server.close().await;
    }
}

/// Runs the writer, kills it after so many answers, and gives the numbers it acknowledged.
fn kill_in_the_middle(dir: PathBuf, answers: usize) -> Vec<u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([THIS_TEST, "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: String| line.split_once("stored ")?.1.trim().parse().ok();
    let mut stored: Vec<u32> =
        lines.by_ref().map_while(Result::ok).filter_map(number).take(answers).collect();
    assert_eq!(stored.len(), answers, "the writer ended early");
    child.kill().unwrap();
    stored.extend(lines.map_while(Result::ok).filter_map(number));
    child.wait().unwrap();
    stored
}
