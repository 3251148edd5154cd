//! CPU time of writing and reading, both ends together. Not a test: run it by name, optimised,
//! with `TMPDIR` in memory:
//! `TMPDIR=/dev/shm cargo test --release -p cairn-client throughput -- --ignored --nocapture`

use super::cluster::{Cluster, content, policy};
use futures::StreamExt;
use std::time::Instant;

/// CPU seconds of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput() {
    let only = std::env::var("ONLY").unwrap_or_default();
    const BYTES: usize = 1 << 30;
    let data = content(BYTES);
    for method in ["plain/nb_copy=1", "plain/nb_copy=3", "ec/algo=rs_vand,k=6,m=3"] {
        if !method.contains(&only) {
            continue;
        }
        let policy = policy(method, 512);
        let mut cluster = Cluster::new(policy.method.width() as u32).await;
        cluster.md5 = false;
        let report = |what: &str, started: Instant, cpu: f64| {
            let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let gb = BYTES as f64 / 1e9;
            println!("{method} {what}: {:.2} GB/s, {:.2} CPU s/GB", gb / wall, cpu / gb);
        };
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let written = cluster.write(&policy, data.clone()).await.unwrap();
        report("write", started, cpu);
        let object = cluster.object(&policy, &written);
        for lost in 0..2 {
            let (started, cpu) = (Instant::now(), cpu_seconds());
            let whole: Vec<_> = std::iter::once(0..BYTES as u64).collect();
            let mut download = cluster.open(&object, &whole);
            let mut read = 0;
            while let Some(bytes) = download.next().await {
                read += bytes.unwrap().len();
            }
            assert_eq!(read, BYTES);
            report(["read", "read with a chunk lost"][lost], started, cpu);
            if policy.method.parity() == 0 || lost == 1 {
                break;
            }
            let first = object.extents()[0].chunks().filter(|(_, name)| name.position == 0);
            first.for_each(|(v, name)| std::fs::remove_file(cluster.file(v, &name)).unwrap());
        }
    }
}
