//! Many clients at once, most of them slow.

use super::{Front, Wire};
use crate::harness::{Scene, content};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::{Duration, Instant};

/// Descriptors of this process: one for each client, and some.
const DESCRIPTORS: u64 = 4096;

const IDLE: usize = 1000;
/// What a connection that waits may cost the server, in bytes.
const IDLE_BYTES: u64 = 48 * 1024;

const UPLOADS: usize = 100;
/// What an upload that waits in its second stripe may cost, the six chunks it writes included.
const UPLOAD_BYTES: u64 = 2_500_000;

/// How long those beside them wait at most, for anything.
const SERVED: Duration = Duration::from_secs(15);

fn allow_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < DESCRIPTORS) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum }).unwrap();
    }
}

/// Small requests beside a crowd are answered, and soon.
#[track_caller]
fn others_are_served(front: &Front, name: &str) {
    let bytes = content(7, 10_000);
    for round in 0..4 {
        let started = Instant::now();
        let path = format!("c/{name}{round}");
        front.put(&path, &bytes);
        assert!(front.ask("GET", &path, "", b"").body == bytes);
        assert!(started.elapsed() < SERVED, "{:?}", started.elapsed());
    }
}

fn a_thousand_connections_that_wait_cost_little(front: &Front) {
    let request = front.request("HEAD", "c", "", b"");
    // What is allocated for the first is there for all.
    others_are_served(front, "before");
    let before = front.memory();
    let mut idle: Vec<_> = (0..IDLE)
        .map(|_| {
            let mut wire = Wire::to(&front.address);
            assert_eq!(wire.head(&request), 204);
            wire
        })
        .collect();
    let grown = front.memory().saturating_sub(before);
    eprintln!("{IDLE} idle connections cost {} KiB each", grown / 1024 / IDLE as u64);
    assert!(grown <= IDLE as u64 * IDLE_BYTES, "{grown} bytes");
    others_are_served(front, "beside");
    // They are still connections.
    for wire in &mut idle {
        assert_eq!(wire.head(&request), 204);
    }
}

fn a_hundred_uploads_that_wait_are_bounded(front: &Front) {
    let bytes = content(3, 2_000_000);
    front.put("c/warm", &bytes);
    let before = front.memory();
    let length = format!("content-length: {}\r\n", bytes.len());
    let mut uploads: Vec<_> = (0..UPLOADS)
        .map(|number| {
            let mut wire = Wire::to(&front.address);
            wire.send(front.head("PUT", &format!("c/slow{number}"), &length));
            wire.send(&bytes[..100_000]);
            wire
        })
        .collect();
    // Each goes on, a little at a time.
    for piece in bytes[100_000..300_000].chunks(100_000) {
        for wire in &mut uploads {
            wire.send(piece);
        }
        others_are_served(front, "beside");
    }
    let grown = front.memory().saturating_sub(before);
    eprintln!("{UPLOADS} slow uploads cost {} KiB each", grown / 1024 / UPLOADS as u64);
    assert!(grown <= UPLOADS as u64 * UPLOAD_BYTES, "{grown} bytes");
    for wire in uploads.iter_mut().take(5) {
        wire.send(&bytes[300_000..]);
        assert_eq!(wire.reply().status, 201);
    }
    assert!(front.ask("GET", "c/slow4", "", b"").body == bytes);
    assert_eq!(front.look("c/slow5"), 404);
}

#[test]
fn who_waits_costs_little_and_others_are_served() {
    allow_descriptors();
    let scene = Scene::new();
    let front = Front::start(&scene, &[]);
    a_thousand_connections_that_wait_cost_little(&front);
    a_hundred_uploads_that_wait_are_bounded(&front);
}
