//! Lost chunks made anew: byte for byte what was lost, from whatever is left, or nothing.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use chunk::{ChunkServer, Seams};
use disk::OsDisk;
use layout::{Footer, Geometry, Seed, StripeSum, StripesHash};
use model::{BlobId, ChunkName, Method, WriteId};
use proto::v1::{self, volumes_server::Volumes as _};
use reed_solomon_erasure::galois_8::ReedSolomon;
use std::{path::PathBuf, sync::Arc, time::Duration};
use support::{Answer, make_volume, names_in};
use tokio::sync::oneshot;
use tonic::{Code, Request, Status};
use transport::{App, serve};

const BLOCK: usize = 65_536;
const BLOB: BlobId = BlobId([3; 16]);
const ORIGIN: BlobId = BlobId([9; 16]);

/// A server on a socket, whose volume `p + 1` is for position `p`, and one more for what is
/// rebuilt.
struct Scene {
    dir: tempfile::TempDir,
    server: ChunkServer,
    service: chunk::service::Service,
    address: String,
    method: Method,
    length: usize,
    chunks: Vec<(ChunkName, Vec<u8>)>,
    _stop: oneshot::Sender<()>,
}

/// The chunks of a metachunk as FORMAT.md has them, encoded by the oracle.
fn encode(method: Method, length: usize, blob: BlobId) -> Vec<(ChunkName, Vec<u8>)> {
    let geometry = Geometry::new(method);
    let content: Vec<u8> = (0..length).map(|i| (i * 31 + i / 251 + i / 70_001) as u8).collect();
    let (k, width) = (method.data(), method.width());
    let mut bodies = vec![Vec::new(); width];
    let mut sums = StripesHash::new();
    for (number, data) in (0..).zip(content.chunks(k * BLOCK)) {
        let stripe = geometry.stripe(data.len() as u64, 0).unwrap();
        let mut fragments = vec![vec![0; stripe.fragment_bytes()]; width];
        let mut sum = StripeSum::new(stripe.fragment_bytes());
        for (j, fragment) in fragments.iter_mut().take(k).enumerate() {
            let part = &data[stripe.fragment(j)];
            fragment[..part.len()].copy_from_slice(part);
            sum.push(part);
        }
        match method {
            Method::Copies { .. } => {
                let first = fragments[0].clone();
                fragments.fill(first);
            }
            Method::Erasure { .. } => {
                ReedSolomon::new(k, width - k).unwrap().encode(&mut fragments).unwrap();
            }
        }
        let stripe_crc = sum.finish();
        sums.push(stripe_crc);
        for (position, fragment) in fragments.iter().enumerate() {
            let seed = Seed::new(ORIGIN, 2, position as u8);
            bodies[position].extend(fragment);
            bodies[position].extend(seed.tail(number, fragment, stripe_crc));
        }
    }
    let whole = |(position, mut body): (u8, Vec<u8>)| {
        let footer = Footer {
            origin: ORIGIN,
            content: BlobId([7; 16]),
            metachunk: 2,
            position,
            length: length as u64,
            stripes: sums.finish(),
            policy: "P".parse().unwrap(),
            method,
            account: "acme".parse().unwrap(),
            container: "stones".parse().unwrap(),
            object: "cairn.txt".parse().unwrap(),
        };
        body.extend(footer.encode());
        (ChunkName { blob, metachunk: 2, position, write: WriteId(1 << 20) }, body)
    };
    (0..).zip(bodies).map(whole).collect()
}

impl Scene {
    /// With the chunks of a metachunk, linked: the blob is not the origin.
    async fn new(method: &str, length: usize) -> Self {
        let method: Method = method.parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (1..=method.width() + 1).map(|n| format!("v{n}")).collect();
        for (id, name) in (1..).zip(&names) {
            make_volume(&dir.path().join(name), id);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let config = support::config(dir.path(), &names);
        let server = ChunkServer::open_with(config, Seams::new(Arc::new(OsDisk))).await.unwrap();
        let grpc = tonic::service::Routes::new(server.grpc_service(support::pool()));
        let handler = Arc::new(server.http_handler(support::capabilities()));
        let app = App::new(support::key(), grpc, Some(handler), Arc::new(|| Ok(())), None);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, app, async move { drop(stopped.await) }, Duration::ZERO));
        let service = chunk::service::Service::new(server.volumes().clone(), support::pool());
        let chunks = encode(method, length, BLOB);
        let scene = Self { dir, server, service, address, method, length, chunks, _stop: stop };
        for (name, body) in &scene.chunks {
            scene.put(u32::from(name.position) + 1, name, body.clone()).await;
        }
        scene
    }

    async fn put(&self, volume: u32, name: &ChunkName, body: Vec<u8>) {
        let uri = format!("/v1/volumes/{volume}/chunks/{name}");
        let origin = ORIGIN.to_string();
        let request = http::Request::put(uri).header(chunk::http::ORIGIN, origin);
        let request = request.extension(transport::Caller::Daemon);
        let request = request.body(http_body_util::Full::new(Bytes::from(body))).unwrap();
        let answer =
            Answer::from(self.server.http_handler(support::capabilities()).answer(request).await)
                .await;
        assert_eq!(answer.status, http::StatusCode::CREATED, "{}", answer.text());
    }

    fn spare(&self) -> u32 {
        self.method.width() as u32 + 1
    }

    /// Asks for a position on the spare volume, from sources whose bits are set.
    fn request(&self, position: u8, write: u64, from: u32) -> v1::RebuildChunkRequest {
        let sources = self.chunks.iter().filter(|(name, _)| from >> name.position & 1 == 1);
        let source = |(name, _): &(ChunkName, Vec<u8>)| v1::rebuild_chunk_request::Source {
            position: name.position.into(),
            write: name.write.0,
            volume: u32::from(name.position) + 1,
            address: self.address.clone(),
        };
        v1::RebuildChunkRequest {
            volume: self.spare(),
            chunk: new_name(position, write).to_string(),
            origin: ORIGIN.0.to_vec(),
            method: self.method.to_string(),
            length: self.length as u64,
            sources: sources.map(source).collect(),
            deadline: 20_000,
        }
    }

    async fn ask(
        &self,
        request: v1::RebuildChunkRequest,
    ) -> Result<v1::RebuildChunkResponse, Status> {
        self.service.rebuild_chunk(Request::new(request)).await.map(|r| r.into_inner())
    }

    fn path(&self, volume: u32, name: &ChunkName) -> PathBuf {
        chunk::files::Paths::new(&self.dir.path().join(format!("v{volume}")), 1).chunk(name)
    }

    /// Damages the stored chunk of a position.
    fn damage(&self, position: u8, edit: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(u32::from(position) + 1, &self.chunks[usize::from(position)].0);
        let mut stored = std::fs::read(&path).unwrap();
        edit(&mut stored);
        std::fs::write(path, stored).unwrap();
    }

    fn check(&self, position: u8, write: u64) {
        let name = new_name(position, write);
        let rebuilt = std::fs::read(self.path(self.spare(), &name)).unwrap();
        assert!(rebuilt == self.chunks[usize::from(position)].1, "{name} differs");
    }

    /// Names on the spare volume, and its temporaries once removals are over.
    async fn leftovers(&self) -> usize {
        let paths =
            chunk::files::Paths::new(&self.dir.path().join(format!("v{}", self.spare())), 1);
        for _ in 0..200 {
            if names_in(&paths.temporaries()).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let chunks = (0..paths.fan_outs()).map(|n| names_in(&paths.nth_fan_out(n)).len());
        chunks.sum::<usize>() + names_in(&paths.temporaries()).len()
    }
}

fn new_name(position: u8, write: u64) -> ChunkName {
    ChunkName { blob: BLOB, metachunk: 2, position, write: WriteId(write) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_loss_that_can_be_survived_is_made_good_byte_for_byte() {
    // Last stripes that are full, short, shorter than there are fragments, and alone.
    for length in [1, 5, 4 * BLOCK, 4 * BLOCK + 3, 6 * BLOCK + 12_345] {
        let scene = Scene::new("ec/algo=rs_vand,k=4,m=2", length).await;
        let all = (1u32 << 6) - 1;
        let mut write = 2 << 20;
        for lost in (1..=all).filter(|lost| lost.count_ones() <= 2) {
            for position in (0..6u8).filter(|p| lost >> p & 1 == 1) {
                write += 1;
                // Without what was made before, which would be cloned.
                let spare = scene.path(scene.spare(), &new_name(position, write));
                for old in std::fs::read_dir(spare.parent().unwrap()).unwrap() {
                    std::fs::remove_file(old.unwrap().path()).unwrap();
                }
                let request = scene.request(position, write, all & !lost);
                let rebuilt = scene.ask(request).await.unwrap();
                assert!(rebuilt.lost.is_empty() && rebuilt.read > 0, "{rebuilt:?}");
                scene.check(position, write);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_copied_and_a_chunk_itself_is_its_best_source() {
    let scene = Scene::new("plain/nb_copy=3", 3 * BLOCK + 77).await;
    for (position, from) in [(0, 0b110), (1, 0b100), (2, 0b001)] {
        let rebuilt = scene.ask(scene.request(position, 5, from)).await.unwrap();
        assert_eq!(rebuilt.read, 3 * BLOCK as u64 + 77);
        scene.check(position, 5);
    }
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=2", 5 * BLOCK).await;
    let rebuilt = scene.ask(scene.request(3, 5, 0b111111)).await.unwrap();
    assert_eq!(rebuilt.read, BLOCK as u64 + BLOCK as u64 / 4, "one chunk was read");
    scene.check(3, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_are_damaged_missing_or_silent_are_made_up_for() {
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=3", 9 * BLOCK).await;
    // A flipped bit in the second block, a chunk that is gone.
    scene.damage(1, |stored| stored[BLOCK + 100] ^= 1);
    std::fs::remove_file(scene.path(3, &scene.chunks[2].0)).unwrap();
    let mut rebuilt = scene.ask(scene.request(0, 5, 0b1111110)).await.unwrap();
    rebuilt.lost.sort_unstable();
    assert_eq!(rebuilt.lost, [1, 2]);
    scene.check(0, 5);
    // A third one is too many: nothing is left behind.
    let error = scene.ask(scene.request(3, 6, 0b1110110)).await.unwrap_err();
    assert_eq!(error.code(), Code::DataLoss, "{error}");
    assert!(error.message().contains("position 1: corrupt"), "{error}");
    assert_eq!(scene.leftovers().await, 1);

    // A server that takes connections and says nothing.
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=2", 5 * BLOCK).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = scene.request(0, 5, 0b111110);
    request.sources[1].address = silent.local_addr().unwrap().to_string();
    let rebuilt = scene.ask(request.clone()).await.unwrap();
    assert_eq!(rebuilt.lost, [0u32; 0], "silence says nothing of the chunk");
    scene.check(0, 5);
    // With it as the only other source there is nothing to be had, within the deadline.
    request.chunk = new_name(0, 6).to_string();
    std::fs::remove_file(scene.path(scene.spare(), &new_name(0, 5))).unwrap();
    request.sources.truncate(4);
    request.deadline = 700;
    let error = scene.ask(request).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(scene.leftovers().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_block_of_wrong_bytes_does_not_spoil_a_rebuild() {
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=3", 4 * BLOCK).await;
    let (name, stored) = scene.chunks[5].clone();
    // Wrong parity with right sums: only what is decoded tells.
    scene.damage(5, |bytes| {
        bytes[77] ^= 8;
        let stripe_crc = u32::from_le_bytes(stored[BLOCK + 4..BLOCK + 8].try_into().unwrap());
        let tail = Seed::of(&name, ORIGIN).tail(0, &bytes[..BLOCK], stripe_crc);
        bytes[BLOCK..BLOCK + 8].copy_from_slice(&tail);
    });
    // Positions 4 and 5 must help out for 0 and 1; 6 settles who is wrong.
    let rebuilt = scene.ask(scene.request(0, 5, 0b1111100)).await.unwrap();
    assert_eq!(rebuilt.lost, [5]);
    scene.check(0, 5);
    // The chunk itself, with a stripe's sum that is another: the others are turned to.
    scene.damage(2, |bytes| bytes[BLOCK + 4] ^= 1);
    scene.ask(scene.request(2, 5, 0b1011111)).await.unwrap();
    scene.check(2, 5);
    let copies = Scene::new("plain/nb_copy=3", 2 * BLOCK).await;
    copies.damage(0, |bytes| bytes[BLOCK + 4] ^= 1);
    let rebuilt = copies.ask(copies.request(2, 5, 0b011)).await.unwrap();
    assert_eq!(rebuilt.lost, [0]);
    copies.check(2, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_changes_nothing_and_a_twin_is_cloned() {
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=2", 5 * BLOCK).await;
    let request = scene.request(0, 5, 0b111110);
    let twice = tokio::join!(scene.ask(request.clone()), scene.ask(request.clone()));
    assert_eq!((twice.0.unwrap().bytes, twice.1.unwrap().bytes), {
        let bytes = scene.chunks[0].1.len() as u64;
        (bytes, bytes)
    });
    let again = scene.ask(request.clone()).await.unwrap();
    assert_eq!(again.read, 0);
    // One of another attempt is as good, without any source.
    let clone = scene.ask(scene.request(0, 6, 0)).await.unwrap();
    assert_eq!((clone.read, clone.bytes), (0, again.bytes));
    scene.check(0, 6);
    // The chunk that this one was linked from is on the volume.
    let origin = &encode(scene.method, scene.length, ORIGIN)[1];
    scene.put(scene.spare(), &origin.0, origin.1.clone()).await;
    let clone = scene.ask(scene.request(1, 5, 0)).await.unwrap();
    assert_eq!(clone.read, 0);
    scene.check(1, 5);
    // A damaged twin is none; a damaged chunk under the name itself is not replaced.
    let path = scene.path(scene.spare(), &new_name(0, 5));
    std::fs::write(&path, b"not a chunk").unwrap();
    let error = scene.ask(request).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    assert_eq!(std::fs::read(path).unwrap(), b"not a chunk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_ends_the_rebuild_of_its_chunk() {
    let scene = Scene::new("ec/algo=rs_vand,k=4,m=2", 5 * BLOCK).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = scene.request(0, 5, 0b111110);
    for source in &mut request.sources {
        source.address = silent.local_addr().unwrap().to_string();
    }
    let chunk = request.chunk.clone();
    let rebuild = scene.ask(request);
    let delete = async {
        // The rebuild asks its sources: it is under way.
        let connection = silent.accept().await.unwrap();
        let request = v1::DeleteChunksRequest { volume: scene.spare(), chunks: vec![chunk] };
        let answer = scene.service.delete_chunks(Request::new(request)).await.unwrap();
        drop(connection);
        answer.into_inner().failures
    };
    let (rebuilt, failures) = tokio::join!(rebuild, delete);
    assert_eq!(rebuilt.unwrap_err().code(), Code::Aborted);
    assert!(failures.is_empty());
    assert_eq!(scene.leftovers().await, 0);
}

#[tokio::test]
async fn what_cannot_be_a_rebuild_is_refused() {
    let scene = Scene::new("ec/algo=rs_vand,k=2,m=1", 100).await;
    type Edit = fn(&mut v1::RebuildChunkRequest);
    let edits: [(Edit, Code); 8] = [
        (|r| r.chunk = "x".into(), Code::InvalidArgument),
        (|r| r.chunk = new_name(3, 5).to_string(), Code::InvalidArgument),
        (|r| r.origin.clear(), Code::InvalidArgument),
        (|r| r.method = "ec/k=1".into(), Code::InvalidArgument),
        (|r| r.length = 0, Code::InvalidArgument),
        (|r| r.length = u64::MAX, Code::InvalidArgument),
        (|r| r.sources[0].position = r.sources[1].position, Code::InvalidArgument),
        (|r| r.volume = 99, Code::NotFound),
    ];
    for (number, (edit, code)) in edits.into_iter().enumerate() {
        let mut request = scene.request(0, 5, 0b110);
        edit(&mut request);
        let error = scene.ask(request).await.unwrap_err();
        assert_eq!(error.code(), code, "{number}: {error}");
    }
    // A metachunk of another length than the sources have.
    let error = scene.ask(v1::RebuildChunkRequest { length: 99, ..scene.request(0, 5, 0b110) });
    assert_eq!(error.await.unwrap_err().code(), Code::DataLoss);
    assert_eq!(scene.leftovers().await, 0);
}
