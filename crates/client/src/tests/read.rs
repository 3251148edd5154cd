use super::cluster::{BLOB, Cluster, Fault, Fixed, content, policy};
use crate::{ChunkState, DamageKind, Damages, Error, writer::Written};
use bytes::Bytes;
use futures::StreamExt;
use model::{ChunkName, Object, Policy, VolumeId, WriteId};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const K64: usize = 65_536;

/// An object in a cluster whose positions are on the volumes after their own number.
struct Stored {
    cluster: Cluster,
    policy: Policy,
    written: Written,
    object: Object,
    data: Bytes,
}

impl Stored {
    async fn new(method: &str, chunk_blocks: u32, length: usize) -> Self {
        let policy = policy(method, chunk_blocks);
        let cluster = Cluster::new(policy.method.width() as u32 + 1).await;
        let data = content(length);
        let written = cluster.write(&policy, data.clone()).await.unwrap();
        let object = cluster.object(&policy, &written);
        Self { cluster, policy, written, object, data }
    }

    fn chunk(&self, metachunk: u32, position: u8) -> (VolumeId, ChunkName) {
        let name = self.object.extents()[0].chunk_name(metachunk, position).unwrap();
        (VolumeId(u32::from(position) + 1), name)
    }

    fn remove(&self, metachunk: u32, position: u8) {
        let (volume, name) = self.chunk(metachunk, position);
        std::fs::remove_file(self.cluster.file(volume, &name)).unwrap();
    }

    /// Changes the bytes of a chunk.
    fn damage(&self, metachunk: u32, position: u8, change: impl FnOnce(&mut Vec<u8>)) {
        let (volume, name) = self.chunk(metachunk, position);
        let path = self.cluster.file(volume, &name);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    }

    async fn whole(&self) -> (Result<Bytes, Error>, Vec<crate::Damage>) {
        self.cluster.read(&self.object, 0..self.data.len() as u64).await
    }

    async fn assert_reads(&self, what: &str) -> Vec<crate::Damage> {
        let (read, damages) = self.whole().await;
        assert!(read.unwrap() == self.data, "{what}");
        damages
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_give_their_bytes_and_touch_only_their_fragments() {
    let stored = Stored::new("ec/algo=rs_vand,k=4,m=2", 3, 30 * K64 + 501).await;
    let size = stored.data.len() as u64;
    let k = K64 as u64;
    let stripe = 4 * k;
    let edges = [0, 1, k - 1, k, k + 1, stripe - 1, stripe, 3 * stripe, 7 * stripe, size - 1, size];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end > start) {
            let (read, _) = stored.cluster.read(&stored.object, start..end).await;
            let expected = &stored.data[start as usize..end as usize];
            assert!(read.unwrap() == expected, "{start}..{end}");
        }
    }
    stored.cluster.requests();
    let (read, _) = stored.cluster.read(&stored.object, k + 5..2 * k).await;
    assert!(read.unwrap() == stored.data[K64 + 5..2 * K64]);
    assert_eq!(stored.cluster.requests(), ["GET 2"]);
    assert_eq!(stored.cluster.counters.stripes_decoded(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_healthy_path_asks_each_data_chunk_once() {
    let stored = Stored::new("ec/algo=rs_vand,k=4,m=2", 16, 40 * K64).await;
    stored.cluster.requests();
    stored.assert_reads("healthy").await;
    let mut requests = stored.cluster.requests();
    requests.sort();
    assert_eq!(requests, ["GET 1", "GET 2", "GET 3", "GET 4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_ranges_come_one_after_the_other() {
    let stored = Stored::new("plain/nb_copy=2", 2, 5 * K64).await;
    let size = stored.data.len() as u64;
    let ranges = [10..20, 5..200_000, size - 7..size, 0..1];
    let download = stored.cluster.open(&stored.object, &ranges);
    assert_eq!(download.length(), 10 + 199_995 + 7 + 1);
    let expected: Vec<u8> = ranges
        .iter()
        .flat_map(|r| &stored.data[r.start as usize..r.end as usize])
        .copied()
        .collect();
    assert!(download.bytes().await.unwrap() == expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_m_chunks_may_be_gone() {
    let stored = Stored::new("ec/algo=rs_vand,k=3,m=2", 2, 13 * K64 + 17).await;
    let keep: Vec<_> = (0..5u8)
        .map(|p| {
            (0..3)
                .map(|m| {
                    let (volume, name) = stored.chunk(m, p);
                    let path = stored.cluster.file(volume, &name);
                    (path.clone(), std::fs::read(path).unwrap())
                })
                .collect::<Vec<_>>()
        })
        .collect();
    for a in 0..5u8 {
        for b in a + 1..5 {
            (0..3).for_each(|m| [a, b].iter().for_each(|p| stored.remove(m, *p)));
            let damages = stored.assert_reads(&format!("without {a} and {b}")).await;
            assert!(damages.iter().all(|d| d.kind == DamageKind::Missing), "{damages:?}");
            assert!(damages.iter().all(|d| [a, b].contains(&d.chunk.position)), "{damages:?}");
            let range = (K64 + 9) as u64..(5 * K64) as u64;
            let (part, _) = stored.cluster.read(&stored.object, range).await;
            assert!(part.unwrap() == stored.data[K64 + 9..5 * K64], "without {a} and {b}");
            for (path, bytes) in [a, b].iter().flat_map(|p| &keep[usize::from(*p)]) {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    (0..3u8).for_each(|p| stored.remove(1, p));
    let (read, _) = stored.whole().await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_stand_in_for_each_other() {
    let stored = Stored::new("plain/nb_copy=3", 2, 3 * K64 + 9).await;
    stored.remove(0, 0);
    stored.damage(0, 1, |bytes| bytes[K64 + 8 + 100] ^= 1);
    stored.assert_reads("two of three are bad").await;
    stored.remove(0, 2);
    let (read, damages) = stored.whole().await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    assert_eq!(damages.len(), 3, "{damages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_anywhere_never_shows() {
    // (what, position, byte of the chunk, damages expected)
    let block = K64 + 8;
    let table = [
        ("data", 0, block + 5, 1),
        ("data, last block", 1, 3 * block + 2, 1),
        ("a fragment's sum", 2, block - 8, 1),
        ("a stripe's sum", 2, block - 1, 1),
        ("parity", 3, 77, 0),
        ("the footer", 0, usize::MAX, 0),
    ];
    for (what, position, at, expected) in table {
        let stored = Stored::new("ec/algo=rs_vand,k=3,m=2", 4, 10 * K64).await;
        stored.damage(0, position, |bytes| {
            let at = at.min(bytes.len() - 3);
            bytes[at] ^= 0x10;
        });
        let damages = stored.assert_reads(what).await;
        assert_eq!(damages.len(), expected, "{what}: {damages:?}");
        assert!(damages.iter().all(|d| d.kind == DamageKind::Corrupt), "{what}: {damages:?}");
        assert!(damages.iter().all(|d| d.chunk.position == position), "{what}: {damages:?}");
        // The same with a data chunk gone, so that parity and sums matter.
        stored.remove(0, if position == 1 { 2 } else { 1 });
        stored.assert_reads(what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotten_parity_with_sound_sums_cannot_give_wrong_bytes() {
    let stored = Stored::new("ec/algo=rs_vand,k=3,m=3", 2, 6 * K64).await;
    // Whole by its own sum, but not the parity of the stripe.
    stored.damage(0, 3, |bytes| {
        let seed = layout::Seed::new(BLOB, 0, 3);
        let stripe_crc = layout::Block::parse(&bytes[..K64 + 8]).unwrap().stripe_crc;
        bytes[..K64].fill(0x5a);
        let tail = seed.tail(0, &bytes[..K64], stripe_crc);
        bytes[K64..K64 + 8].copy_from_slice(&tail);
    });
    stored.remove(0, 0);
    let damages = stored.assert_reads("one rotten").await;
    let found: Vec<_> = damages.iter().map(|d| (d.chunk.position, d.kind)).collect();
    assert_eq!(found, [(0, DamageKind::Missing), (3, DamageKind::Corrupt)]);
    stored.remove(0, 1);
    stored.assert_reads("one rotten, two gone").await;
    stored.remove(0, 2);
    let (read, _) = stored.whole().await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_or_breaks_is_read_around() {
    for fault in [Fault::HangGet, Fault::RefuseGet, Fault::BreakGet(3 * K64)] {
        let stored = Stored::new("ec/algo=rs_vand,k=3,m=2", 16, 40 * K64).await;
        stored.cluster.fail(2, fault);
        let started = Instant::now();
        stored.assert_reads(&format!("{fault:?}")).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{fault:?} {:?}", started.elapsed());
        [1, 3, 4, 5].into_iter().for_each(|v| stored.cluster.fail(v, Fault::RefuseGet));
        let (read, _) = stored.whole().await;
        assert!(matches!(read, Err(Error::Unavailable(_))), "{fault:?}: {read:?}");
        stored.cluster.heal();
        stored.assert_reads("healed").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_moved_are_found_and_not_reported() {
    let stored = Stored::new("plain/nb_copy=1", 4, 3 * K64).await;
    let (volume, name) = stored.chunk(0, 0);
    let moved = ChunkName { write: WriteId(0x0999_0000_0001), ..name };
    let (from, to) = (stored.cluster.file(volume, &name), stored.cluster.file(VolumeId(2), &moved));
    std::fs::copy(&from, &to).unwrap();
    std::fs::remove_file(&from).unwrap();
    let mut now = cluster_object(&stored);
    if let model::Body::Extents(extents) = &mut now.body {
        extents[0].metachunks[0].volumes = vec![Some(VolumeId(2))];
        extents[0].metachunks[0].rewritten = vec![(0, moved.write)];
    }
    let contents = Fixed {
        object: Arc::new(parking_lot::Mutex::new(now)),
        volumes: stored.cluster.volumes(),
        reports: stored.cluster.reports.clone(),
        locates: stored.cluster.locates.clone(),
    };
    let whole = std::iter::once(0..stored.data.len() as u64).collect::<Vec<_>>();
    let download = stored.cluster.open_with(&stored.object, &whole, contents, Damages::default());
    // The end of a read waits for its damages to be told of: what is not there now never comes.
    assert!(download.bytes().await.unwrap() == stored.data);
    assert_eq!(*stored.cluster.reports.lock(), []);
}

fn cluster_object(stored: &Stored) -> Object {
    stored.cluster.object(&stored.policy, &stored.written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_reported_once_it_is_confirmed() {
    let stored = Stored::new("ec/algo=rs_vand,k=3,m=2", 4, 7 * K64).await;
    stored.remove(0, 1);
    stored.assert_reads("a chunk is gone").await;
    for _ in 0..100 {
        if !stored.cluster.reports.lock().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reports = stored.cluster.reports.lock().clone();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((reports[0].volume, reports[0].chunk.position), (VolumeId(2), 1));
    assert!(*stored.cluster.locates.lock() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_hash_is_an_error_behind_the_bytes() {
    let stored = Stored::new("plain/nb_copy=2", 2, K64).await;
    let mut object = stored.object.clone();
    object.entry.hash = Some(model::Hash([1; 32]));
    let whole: Vec<_> = std::iter::once(0..K64 as u64).collect();
    let items: Vec<_> = stored.cluster.open(&object, &whole).collect().await;
    assert!(matches!(items.last(), Some(Err(Error::Corrupt(_)))), "{items:?}");
    let (read, _) = stored.cluster.read(&object, 0..K64 as u64).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "a single piece does not hide it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_say_what_they_have() {
    let stored = Stored::new("plain/nb_copy=3", 2, 100).await;
    let volumes = stored.cluster.volumes();
    stored.remove(0, 1);
    stored.damage(0, 2, |bytes| bytes.truncate(50));
    let mut states = Vec::new();
    for position in 0..3u8 {
        let volume = &volumes[usize::from(position)];
        states.push(stored.cluster.servers.inspect(volume, &stored.chunk(0, position).1).await);
    }
    assert!(
        matches!(states[0], ChunkState::Present { bytes, footer: Some(_) } if bytes > 108),
        "{states:?}"
    );
    assert_eq!(states[1], ChunkState::Missing);
    assert!(matches!(states[2], ChunkState::Damaged { .. }), "{states:?}");
    let nowhere = crate::VolumeRef { address: "127.0.0.1:1".into(), ..volumes[0].clone() };
    let state = stored.cluster.servers.inspect(&nowhere, &stored.chunk(0, 0).1).await;
    assert!(matches!(state, ChunkState::Unknown { .. }), "{state:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_away_ends_its_requests() {
    let stored = Stored::new("ec/algo=rs_vand,k=2,m=1", 512, 400 * K64).await;
    let whole: Vec<_> = std::iter::once(0..stored.data.len() as u64).collect();
    let mut download = stored.cluster.open(&stored.object, &whole);
    let first = download.next().await.unwrap().unwrap();
    assert!(stored.data.starts_with(&first));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ahead = stored.cluster.counters.bytes_read();
    assert!(ahead <= 8 * 256 * 1024, "it reads {ahead} bytes ahead of a reader that pauses");
    drop(download);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stored.cluster.counters.bytes_read(), ahead);
}
