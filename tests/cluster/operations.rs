//! What monitors and service managers see of daemons.

use crate::harness::{Cluster, Role, Scene, get};
use std::time::Instant;

#[test]
fn daemons_tell_of_themselves_and_end_when_told() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[2, 1]);
    let bytes = scene.file("some", b"some bytes");
    let some = bytes.to_str().unwrap();
    cluster.store.cli(&["object", "put", "c", "o", some, "--policy", "THREECOPIES"]).ok();
    for role in cluster.roles() {
        let address = cluster.address(role);
        assert_eq!(get(address, "/health/live").0, 200, "{role:?}");
        assert_eq!(get(address, "/health/ready").0, 200, "{role:?}");
        let (status, metrics) = get(address, "/metrics");
        assert_eq!(status, 200, "{role:?}");
        let expected = match role {
            Role::Meta(_) => "cairn_wal_bytes_total",
            Role::Chunk(_) => "cairn_chunk_puts_total",
        };
        let sample = metrics.lines().find(|line| line.starts_with(expected)).unwrap_or_default();
        let value: f64 = sample.rsplit(' ').next().unwrap_or_default().parse().unwrap();
        assert!(value > 0.0, "{role:?}: {metrics}");
        // Chunks are not for everybody, and metadata nodes have none.
        let chunk = format!("/v1/volumes/1/chunks/{}.0.0.{}", "0".repeat(32), "0".repeat(16));
        let (status, page) = get(address, &chunk);
        let refused = if matches!(role, Role::Meta(_)) { 404 } else { 401 };
        assert_eq!(status, refused, "{role:?}: {page}");
    }

    // Chunk servers first: metadata nodes are what they say good-bye to.
    for role in cluster.roles().into_iter().rev() {
        let (started, daemon) = (Instant::now(), cluster.daemon(role));
        assert_eq!(daemon.stop().code(), Some(0), "{role:?}");
        assert!(started.elapsed().as_secs() < 22, "{role:?}: {:?}", started.elapsed());
        let log = daemon.log();
        assert!(!log.contains("panicked"), "{role:?}: {log}");
    }
}
