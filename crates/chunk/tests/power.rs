//! The power fails before every single change that a run makes to its disk, and takes what was
//! not synced or leaves it: what was acknowledged is there, and nothing is there by halves.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use chunk::{
    ChunkServer, Config, Seams, VolumeConfig,
    files::Paths,
    http::Handler,
    identity::{Identity, VOLUME_FORMAT},
    index::MemoryIndexes,
};
use disk::Disk;
use http_body_util::Full;
use model::{ChunkName, VolumeId};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use support::{
    CLUSTER, chunk,
    memory::{MemoryDisk, Survives},
    name, put_of, request,
};

const ROOT: &str = "/v1";

fn formatted() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let paths = Paths::new(Path::new(ROOT), 1);
    for n in 0..paths.fan_outs() {
        disk.create_dir_all(&paths.nth_fan_out(n)).unwrap();
    }
    disk.create_dir_all(&paths.temporaries()).unwrap();
    let identity = Identity {
        format: VOLUME_FORMAT,
        identity: "1".repeat(32),
        fan_out_digits: 1,
        cluster: Some(CLUSTER),
        id: Some(VolumeId(1)),
    };
    identity.write(&disk, &paths.identity()).unwrap();
    disk
}

async fn open(disk: &MemoryDisk) -> Result<ChunkServer, chunk::OpenError> {
    let config = Config {
        data_dir: "/data".into(),
        volumes: vec![VolumeConfig { path: ROOT.into(), location: "disk".parse().unwrap() }],
        address: "127.0.0.1:7000".into(),
        cluster: None,
        format: false,
        reserve_bytes: None,
    };
    let indexes = Arc::new(MemoryIndexes);
    ChunkServer::open_with(config, Seams { indexes, ..Seams::new(Arc::new(disk.clone())) }).await
}

/// What is known of a chunk from the answers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    There,
    Gone,
    Open,
}

async fn ask(
    handler: &Handler,
    method: &str,
    name: ChunkName,
    more: (&str, String),
    body: Bytes,
) -> u16 {
    let request = request(method, &name).header(more.0, more.1).body(Full::new(body)).unwrap();
    handler.answer(request).await.status().as_u16()
}

/// A run of puts, a copy and deletes; what its answers promised.
async fn run(disk: &MemoryDisk) -> BTreeMap<ChunkName, Known> {
    let mut known = BTreeMap::new();
    let Ok(server) = open(disk).await else { return known };
    let handler = server.http_handler(support::capabilities());
    let none = || ("x-nothing", String::new());
    let origin = name(0).blob;
    for n in 0..4 {
        let body = chunk(&name(n), origin, 1 + n as usize * 250_000);
        let put = put_of(&name(n), origin).body(Full::new(body)).unwrap();
        let stored = handler.answer(put).await.status().as_u16() == 201;
        known.insert(name(n), if stored { Known::There } else { Known::Open });
    }
    let to = ("destination", name(10).to_string());
    let copied = ask(&handler, "COPY", name(1), to, Bytes::new()).await == 201;
    known.insert(name(10), if copied { Known::There } else { Known::Open });
    for n in [1, 2] {
        let deleted = ask(&handler, "DELETE", name(n), none(), Bytes::new()).await == 204;
        known.insert(name(n), if deleted { Known::Gone } else { Known::Open });
    }
    known
}

#[tokio::test]
async fn every_moment_of_a_power_cut_keeps_what_was_acknowledged() {
    let mut cuts = 0;
    for survives in [(false, false), (true, false), (false, true), (true, true)] {
        let survives = Survives { names: survives.0, content: survives.1 };
        for at in 0.. {
            let disk = formatted();
            disk.restart(Survives { names: true, content: true });
            disk.fail_after(at);
            let known = run(&disk).await;
            let cut = disk.failed();
            disk.restart(survives);
            check(&disk, &known, at, survives).await;
            cuts += 1;
            if !cut {
                assert!(known.values().all(|k| *k != Known::Open), "{known:?}");
                break;
            }
        }
    }
    assert!(cuts > 100, "{cuts} cuts");
}

async fn check(disk: &MemoryDisk, known: &BTreeMap<ChunkName, Known>, at: u64, survives: Survives) {
    let server = open(disk).await.unwrap();
    let handler = server.http_handler(support::capabilities());
    for (name, known) in known {
        let answer = handler.answer(request("GET", name).body(Full::new(Bytes::new())).unwrap());
        let answer = support::Answer::from(answer.await).await;
        let found = answer.status.as_u16() == 200;
        let place = format!("{name} is {known:?}, cut at {at}, {survives:?}");
        assert!(*known != Known::There || found, "{place}");
        assert!(*known != Known::Gone || !found, "{place}");
        if found {
            let mut verifier = layout::Verifier::new(name, support::name(0).blob);
            verifier.push(answer.body.unwrap()).unwrap();
            verifier.finish().expect(&place);
        }
    }
    let paths = Paths::new(Path::new(ROOT), 1);
    assert!(disk.read_dir(&paths.temporaries()).unwrap().is_empty(), "cut at {at}");
}
