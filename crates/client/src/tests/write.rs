use super::cluster::{Cluster, Fault, content, policy};
use crate::{Error, Source};
use bytes::Bytes;
use futures::StreamExt;
use md5::{Digest, Md5};
use model::VolumeId;
use std::{io, time::Duration};

const K64: usize = 65_536;

/// Waits until as many files are left.
async fn files_left(cluster: &Cluster, expected: usize) {
    for _ in 0..400 {
        if cluster.files() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cluster.files(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_size_is_written_and_read_back() {
    let cluster = Cluster::new(6).await;
    for method in ["ec/algo=rs_vand,k=4,m=2", "plain/nb_copy=3", "plain/nb_copy=1"] {
        let policy = policy(method, 3);
        let stripe = K64 * policy.method.data();
        let metachunk = stripe * 3;
        let around = [K64, stripe, metachunk, 3 * metachunk + stripe];
        let sizes = around.into_iter().flat_map(|size| [size - 1, size, size + 1]);
        for size in [0, 1, 3, 1023].into_iter().chain(sizes) {
            let data = content(size);
            let written = cluster.write(&policy, data.clone()).await.unwrap();
            assert_eq!(written.size, size as u64);
            assert_eq!(written.hash.0, *blake3::hash(&data).as_bytes());
            assert_eq!(written.md5.unwrap()[..], Md5::digest(&data)[..]);
            assert_eq!(written.metachunks.len(), size.div_ceil(metachunk), "{method} {size}");
            assert!(written.failures.is_empty(), "{:?}", written.failures);
            let width = policy.method.width();
            assert!(written.metachunks.iter().all(|m| m.durable() == width));
            let object = cluster.object(&policy, &written);
            let (read, damages) = cluster.read(&object, 0..size as u64).await;
            assert!(read.unwrap() == data, "{method} {size}");
            assert_eq!(damages, []);
            for (volume, name) in object.extents().iter().flat_map(|e| e.chunks()) {
                std::fs::remove_file(cluster.file(volume, &name)).unwrap();
            }
        }
    }
    assert_eq!(cluster.counters.stripes_decoded(), 0, "the healthy path decodes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_streams_of_any_grain_give_the_same() {
    let cluster = Cluster::new(3).await;
    let policy = policy("ec/algo=rs_vand,k=2,m=1", 2);
    let data = content(5 * K64 + 77);
    for grain in [1000, 4096, 100_000, 1 << 20] {
        let pieces: Vec<_> = data.chunks(grain).map(Bytes::copy_from_slice).collect();
        let stream = futures::stream::iter(pieces).map(Ok::<_, io::Error>);
        let written = cluster.write(&policy, Source::stream(stream)).await.unwrap();
        let object = cluster.object(&policy, &written);
        assert!(cluster.read(&object, 0..data.len() as u64).await.0.unwrap() == data);
        for (volume, name) in object.extents().iter().flat_map(|e| e.chunks()) {
            std::fs::remove_file(cluster.file(volume, &name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_refuses_is_replaced_before_data_flows() {
    let cluster = Cluster::new(5).await;
    cluster.fail(2, Fault::RefusePut);
    let policy = policy("ec/algo=rs_vand,k=2,m=1", 2);
    let data = content(7 * K64);
    let written = cluster.write(&policy, data.clone()).await.unwrap();
    let row = [1, 4, 3].map(|v| Some(VolumeId(v)));
    assert!(written.metachunks.iter().all(|m| m.volumes == row), "{written:?}");
    assert!(written.failures.iter().all(|f| f.volume == VolumeId(2)), "{written:?}");
    assert!(written.failures[0].reason.contains("out of order"), "{written:?}");
    let object = cluster.object(&policy, &written);
    assert!(cluster.read(&object, 0..data.len() as u64).await.0.unwrap() == data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_without_a_volume_are_left_out() {
    let cluster = Cluster::new(4).await;
    let policy = policy("ec/algo=rs_vand,k=3,m=2", 2);
    let data = content(7 * K64);
    let written = cluster.write(&policy, data.clone()).await.unwrap();
    let row = [1, 2, 3, 4, 0].map(|v| (v != 0).then_some(VolumeId(v)));
    assert!(written.metachunks.iter().all(|m| m.volumes == row), "{written:?}");
    let object = cluster.object(&policy, &written);
    let first = object.extents()[0].chunks().filter(|(volume, _)| *volume == VolumeId(1));
    first.for_each(|(v, name)| std::fs::remove_file(cluster.file(v, &name)).unwrap());
    assert!(cluster.read(&object, 0..data.len() as u64).await.0.unwrap() == data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_breaks_or_hangs_in_the_middle_is_dropped() {
    let cluster = Cluster::new(5).await;
    let policy = policy("ec/algo=rs_vand,k=2,m=2", 64);
    let data = content(128 * K64);
    for (round, fault) in
        [Fault::BreakPut(100_000), Fault::HangPut(100_000)].into_iter().enumerate()
    {
        cluster.fail(1, fault);
        let started = std::time::Instant::now();
        let written = cluster.write(&policy, data.clone()).await.unwrap();
        let row = [0, 2, 3, 4].map(|v| (v != 0).then_some(VolumeId(v)));
        assert_eq!(written.metachunks[0].volumes, row, "{fault:?}");
        assert_eq!(written.failures.len(), 1, "{:?}", written.failures);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert_eq!(cluster.counters.positions_dropped(), round as u64 + 1);
        cluster.heal();
        let object = cluster.object(&policy, &written);
        assert!(cluster.read(&object, 0..data.len() as u64).await.0.unwrap() == data);
        for (volume, name) in object.extents().iter().flat_map(|e| e.chunks()) {
            std::fs::remove_file(cluster.file(volume, &name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_quorum_nothing_stays() {
    let cluster = Cluster::new(3).await;
    let policy = policy("ec/algo=rs_vand,k=2,m=1", 2);
    cluster.fail(3, Fault::BreakPut(70_000));
    let error = cluster.write(&policy, content(9 * K64)).await.unwrap_err();
    let Error::BelowQuorum { needed: 3, failures, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failures[0].volume, VolumeId(3));
    files_left(&cluster, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_or_gives_too_much_leaves_nothing() {
    let cluster = Cluster::new(3).await;
    let policy = policy("plain/nb_copy=3", 2);
    let pieces = || (0..7).map(|_| Ok(content(K64)));
    let failing = pieces().chain([Err(io::Error::other("the disk is gone"))]);
    let source = Source::stream(futures::stream::iter(failing.collect::<Vec<_>>()));
    let error = cluster.write(&policy, source).await.unwrap_err();
    assert!(matches!(error, Error::Source(_)), "{error:?}");
    files_left(&cluster, 0).await;

    for announced in [7 * K64 as u64 - 1, 7 * K64 as u64 + 1] {
        let source = Source::stream(futures::stream::iter(pieces().collect::<Vec<_>>()));
        let error = cluster.write(&policy, source.sized(announced)).await.unwrap_err();
        assert!(matches!(error, Error::LengthMismatch { expected, .. } if expected == announced));
        files_left(&cluster, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let cluster = Cluster::new(3).await;
    let policy = policy("plain/nb_copy=3", 2);
    let pieces = (0..7).map(|_| Ok::<_, io::Error>(content(K64)));
    let endless = futures::stream::iter(pieces).chain(futures::stream::pending());
    let upload = cluster.write(&policy, Source::stream(endless));
    assert!(tokio::time::timeout(Duration::from_secs(1), upload).await.is_err());
    files_left(&cluster, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_source_ends_its_metachunk_at_a_stripe() {
    let cluster = Cluster::new(3).await;
    let policy = policy("ec/algo=rs_vand,k=2,m=1", 16);
    let data = content(7 * K64);
    // Silent in the middle of a stripe, between stripes, and before a whole stripe was there.
    let cuts = [3 * K64 + 5, 4 * K64, 4 * K64 + 1, 7 * K64];
    let pieces: Vec<_> =
        std::iter::once(0).chain(cuts).zip(cuts).map(|(from, to)| data.slice(from..to)).collect();
    let slow = futures::stream::iter(pieces).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        Ok::<_, io::Error>(piece)
    });
    let written = cluster.write(&policy, Source::stream(slow)).await.unwrap();
    let lengths: Vec<_> = written.metachunks.iter().map(|m| m.length / K64 as u64).collect();
    assert_eq!(lengths, [2, 2, 3], "{:?}", written.metachunks);
    assert_eq!(written.md5.unwrap()[..], Md5::digest(&data)[..]);
    assert!(written.metachunks.iter().all(|m| m.durable() == 3), "{:?}", written.failures);
    let object = cluster.object(&policy, &written);
    let (read, damages) = cluster.read(&object, 0..data.len() as u64).await;
    assert!(read.unwrap() == data);
    assert_eq!(damages, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_dribbles_ends_its_metachunk_at_a_stripe() {
    let cluster = Cluster::new(3).await;
    let policy = policy("ec/algo=rs_vand,k=2,m=1", 16);
    let data = content(4 * K64 + 20 * K64 / 8);
    // Never silent for long, but a stripe takes three times as long as it may.
    let drops = (0..20).map(|n| data.slice(4 * K64 + n * K64 / 8..4 * K64 + (n + 1) * K64 / 8));
    let drops: Vec<_> = drops.collect();
    let slow = futures::stream::iter(drops).then(|drop| async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        Ok::<_, io::Error>(drop)
    });
    let first = data.slice(..4 * K64);
    let source = Source::stream(futures::stream::iter([Ok(first)]).chain(slow));
    let written = cluster.write(&policy, source).await.unwrap();
    let lengths: Vec<_> = written.metachunks.iter().map(|m| m.length).collect();
    assert_eq!(lengths, [4 * K64 as u64, 5 * K64 as u64 / 2]);
    let object = cluster.object(&policy, &written);
    let (read, damages) = cluster.read(&object, 0..data.len() as u64).await;
    assert!(read.unwrap() == data);
    assert_eq!(damages, []);
}
