//! A server over a temporary directory, chunks to give it, and a disk that fails on demand.
#![allow(dead_code, reason = "not every test needs everything")]
#![allow(clippy::unwrap_used, reason = "a test may")]

pub mod disk;
pub mod memory;

use self::disk::FaultyDisk;
use bytes::Bytes;
use chunk::{
    ChunkServer, Config, OpenError, Seams, VolumeConfig,
    files::Paths,
    http::{Handler, ORIGIN},
    identity::{Identity, VOLUME_FORMAT},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use layout::{Footer, Geometry, Seed, StripesHash, fragment_crc};
use model::{BlobId, ChunkName, ClusterId, Method, VolumeId, WriteId};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use transport::{AccessKey, Body, Caller, CapabilityKey, HttpPool, Secret, TcpConnector};

pub const CLUSTER: ClusterId = ClusterId([0xc1; 16]);

/// A chunk's name that differs in its blob.
pub fn name(n: u32) -> ChunkName {
    let mut blob = [0xb0; 16];
    blob[2..6].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    blob[12..].copy_from_slice(&n.to_be_bytes());
    ChunkName { blob: BlobId(blob), metachunk: 2, position: 1, write: WriteId(0x0123_4567_89ab) }
}

/// A chunk as a writer sends it, of a metachunk with `length` bytes, kept in two copies.
pub fn chunk(name: &ChunkName, origin: BlobId, length: usize) -> Bytes {
    let geometry = Geometry::new(Method::Copies { copies: 2 });
    let seed = Seed::of(name, origin);
    let content: Vec<u8> = (0..length).map(|i| (i * 31 + i / 251) as u8).collect();
    let mut stripes = StripesHash::new();
    let mut out = Vec::new();
    for (number, fragment) in (0..).zip(content.chunks(65_536)) {
        let crc = fragment_crc(fragment);
        out.extend(fragment);
        out.extend(seed.tail(number, fragment, crc));
        stripes.push(crc);
    }
    let footer = Footer {
        origin,
        content: origin,
        metachunk: name.metachunk,
        position: name.position,
        length: length as u64,
        stripes: stripes.finish(),
        policy: "TWOCOPIES".parse().unwrap(),
        method: Method::Copies { copies: 2 },
        account: "acme".parse().unwrap(),
        container: "stones".parse().unwrap(),
        object: "cairn.txt".parse().unwrap(),
    };
    assert_eq!(geometry.body_bytes(length as u64), out.len() as u64);
    out.extend(footer.encode());
    out.into()
}

/// Makes a directory a volume with the number `id` and 16 fan-out directories: formatting 4096
/// takes longer than most tests.
pub fn make_volume(path: &Path, id: u32) -> Identity {
    let identity = Identity {
        format: VOLUME_FORMAT,
        identity: format!("{id:032x}"),
        fan_out_digits: 1,
        cluster: Some(CLUSTER),
        id: Some(VolumeId(id)),
    };
    let paths = Paths::new(path, 1);
    for n in 0..paths.fan_outs() {
        std::fs::create_dir_all(paths.nth_fan_out(n)).unwrap();
    }
    std::fs::create_dir_all(paths.temporaries()).unwrap();
    identity.write(&::disk::OsDisk, &paths.identity()).unwrap();
    identity
}

/// A configuration of volumes in a directory.
pub fn config(dir: &Path, volumes: &[&str]) -> Config {
    let volume = |name: &&str| VolumeConfig {
        path: dir.join(name),
        location: format!("host.{}", name.replace('/', "-")).parse().unwrap(),
    };
    Config {
        data_dir: dir.join("data"),
        volumes: volumes.iter().map(volume).collect(),
        address: "127.0.0.1:7000".into(),
        cluster: None,
        format: false,
        reserve_bytes: None,
    }
}

/// A server with the volume number 1, `v1`, over a disk that can be made to fail.
pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub disk: Arc<FaultyDisk>,
    pub server: ChunkServer,
}

impl Fixture {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_volume(&dir.path().join("v1"), 1);
        let disk = Arc::new(FaultyDisk::default());
        let server = open(dir.path(), disk.clone()).await.unwrap();
        Self { dir, disk, server }
    }

    /// Opens the server again, as after a crash: nothing is closed.
    pub async fn crash(self) -> Self {
        let Self { dir, disk, server } = self;
        drop(server);
        // Whatever still ran on other threads ends and lets go of its locks.
        for _ in 0..100 {
            match open(dir.path(), disk.clone()).await {
                Ok(server) => return Self { dir, disk, server },
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
        panic!("the locks are never free");
    }

    pub fn handler(&self) -> Handler {
        self.server.http_handler(capabilities())
    }

    pub fn volume(&self) -> PathBuf {
        self.dir.path().join("v1")
    }

    pub fn paths(&self) -> Paths {
        Paths::new(&self.volume(), 1)
    }

    pub async fn put(&self, name: &ChunkName, body: Bytes) -> Answer {
        self.send(request("PUT", name).body(Full::new(body)).unwrap()).await
    }

    pub async fn get(&self, name: &ChunkName) -> Answer {
        self.send(request("GET", name).body(Full::new(Bytes::new())).unwrap()).await
    }

    pub async fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display + Send,
    {
        Answer::from(self.handler().answer(request).await).await
    }

    /// Names of files in `tmp/`; waits a little for those being removed.
    pub async fn temporaries(&self) -> Vec<String> {
        for _ in 0..100 {
            if names_in(&self.paths().temporaries()).is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        names_in(&self.paths().temporaries())
    }

    /// Names of all chunks on the disk.
    pub fn chunks(&self) -> Vec<String> {
        let paths = self.paths();
        let mut all: Vec<_> =
            (0..paths.fan_outs()).flat_map(|n| names_in(&paths.nth_fan_out(n))).collect();
        all.sort();
        all
    }
}

pub async fn open(dir: &Path, disk: Arc<FaultyDisk>) -> Result<ChunkServer, OpenError> {
    ChunkServer::open_with(config(dir, &["v1"]), Seams::new(disk)).await
}

pub fn names_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// Connections over TCP.
pub fn pool() -> HttpPool {
    HttpPool::new(Arc::new(TcpConnector), &key())
}

/// The key of all servers of the tests.
pub fn key() -> AccessKey {
    Secret::new([5; 32]).access_key()
}

/// What capabilities are signed with.
pub fn capabilities() -> CapabilityKey {
    Secret::new([5; 32]).keys().capabilities
}

/// A daemon's request for a chunk on volume 1.
pub fn request(method: &str, name: &ChunkName) -> http::request::Builder {
    strangers_request(method, name).extension(Caller::Daemon)
}

/// The same from somebody who showed nothing.
pub fn strangers_request(method: &str, name: &ChunkName) -> http::request::Builder {
    Request::builder().method(method).uri(format!("/v1/volumes/1/chunks/{name}"))
}

/// The same with an origin.
pub fn put_of(name: &ChunkName, origin: BlobId) -> http::request::Builder {
    request("PUT", name).header(ORIGIN, origin.to_string())
}

/// An answer, received whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    /// `Err` if the body broke off.
    pub body: Result<Bytes, String>,
}

impl Answer {
    pub async fn from(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|b| b.to_bytes()).map_err(|e| e.to_string());
        Self { status: head.status, headers: head.headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_ref().unwrap()).into_owned()
    }
}
