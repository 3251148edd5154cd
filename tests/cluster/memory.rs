//! What clients need of memory, whatever the size of the object, and chunk servers, however many
//! write to them.

use crate::harness::{
    Cluster, Role, Scene, Store, content, eventually, limited, names, server_arguments,
};
use std::{
    io::{Read, Write},
    process::Child,
    time::Duration,
};

const OBJECT_BYTES: u64 = 1 << 30;
const LIMIT_BYTES: u64 = 128 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

/// The limit is on what the process may write to in memory of its own, its heap and all stacks,
/// used or not (`RLIMIT_DATA`). A limit on addresses would count what the allocator sets aside
/// without ever touching it, and one on resident memory does not exist.
#[test]
fn a_gibibyte_goes_up_and_down_in_128_mebibytes() {
    let scene = Scene::new();
    let mut server = scene.daemon("server", &server_arguments(&scene, &scene.path("data")));
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };

    let put = ["object", "put", "large", "object", "-", "--policy", "EC42", "--json"];
    let mut putting = limited(&store.credentials, &put, LIMIT_BYTES);
    let mut input = putting.stdin.take().unwrap();
    let peak = Peak::of(&putting);
    let mut sent = blake3::Hasher::new();
    pieces(|piece| {
        sent.update(piece);
        input.write_all(piece).unwrap();
    });
    let sent = sent.finalize();
    drop(input);
    let mut said = String::new();
    putting.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    ended_well(putting);
    let stored: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(stored["size"], OBJECT_BYTES);
    assert_eq!(stored["etag"], sent.to_hex().as_str());
    peak.check("storing");

    let get = ["object", "get", "large", "object", "-"];
    let mut getting = limited(&store.credentials, &get, LIMIT_BYTES);
    let peak = Peak::of(&getting);
    let mut output = getting.stdout.take().unwrap();
    let mut received = blake3::Hasher::new();
    let bytes = std::io::copy(&mut output, &mut received).unwrap();
    ended_well(getting);
    assert_eq!((bytes, received.finalize()), (OBJECT_BYTES, sent));
    peak.check("fetching");
}

/// Eight uploads send nine chunks each. What the server gathers of them is bounded for all
/// together.
#[test]
fn a_chunk_server_takes_many_streams_in_a_hundred_megabytes() {
    const STREAMS: usize = 8;
    const BYTES: u64 = 100_000_000;
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[9]);
    let client = cluster.store.client(PATIENCE);
    let bytes = bytes::Bytes::from(content(1, 32 << 20));
    let put = |number: usize| {
        let (account, container, object) = names("streams", &number.to_string());
        let put = client.put_object(&account, &container, &object, bytes.clone());
        put.policy("EC63".parse().unwrap()).into_future()
    };
    let stored = scene.run(futures::future::join_all((0..STREAMS).map(put)));
    for stored in stored {
        assert_eq!(stored.unwrap().total, bytes.len() as u64);
    }
    let status = format!("/proc/{}/status", cluster.daemon(Role::Chunk(0)).pid());
    let peak = high_water(&status).unwrap() * 1024;
    eprintln!("the chunk server had {} MB resident at most", peak / 1_000_000);
    assert!(peak <= BYTES, "the chunk server had {peak} bytes");
}

/// The content, in pieces that differ.
fn pieces(mut take: impl FnMut(&[u8])) {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut piece = vec![0; 1 << 20];
    for _ in 0..OBJECT_BYTES / piece.len() as u64 {
        noise.fill(&mut piece);
        take(&piece);
    }
}

fn ended_well(mut child: Child) {
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let status = eventually("the command ends", PATIENCE, || child.try_wait().unwrap());
    assert!(status.success(), "{error}");
}

/// The most memory that a process had resident, as far as it was looked at before its end.
struct Peak(std::thread::JoinHandle<u64>);

impl Peak {
    fn of(child: &Child) -> Self {
        let status = format!("/proc/{}/status", child.id());
        Self(std::thread::spawn(move || {
            let mut peak = 0;
            // A process that has ended, and was not waited for yet, has no memory.
            while let Some(kibibytes) = high_water(&status) {
                peak = kibibytes * 1024;
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        }))
    }

    fn check(self, what: &str) {
        let peak = self.0.join().unwrap();
        eprintln!("{what} had {} MiB resident at most", peak >> 20);
        assert!((1..=LIMIT_BYTES).contains(&peak), "{what} had {peak} bytes");
    }
}

/// The high-water mark of resident memory, in KiB.
fn high_water(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
