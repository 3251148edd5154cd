//! The calls one by one, group commit, and the life of segments.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use support::disk::FaultDisk;
use support::model::observe;
use support::{entries, open, small};
use wal::{Config, Entry, Error, Wal};

#[tokio::test]
async fn entries_are_visible_before_they_are_durable_and_bounded_in_bytes() {
    let wal = open(&FaultDisk::default(), small()).await.unwrap();
    let (send, done) = tokio::sync::oneshot::channel();
    let done_call = Box::new(move |result| drop(send.send(result)));
    wal.append(3, entries(5, 4, 100), done_call).await.unwrap();
    assert_eq!(wal.bounds(3), Some((5, 8)));
    let indexes = async |range, bytes| -> Vec<u64> {
        let found = wal.entries(3, range, bytes).await.unwrap();
        found.into_iter().map(|entry| entry.index).collect()
    };
    assert_eq!(indexes(0..100, 200).await, [5, 6]);
    assert_eq!(indexes(6..8, 1 << 20).await, [6, 7]);
    assert_eq!(indexes(7..9, 0).await, [7], "one entry is always returned");
    assert_eq!(indexes(9..12, 1 << 20).await, [0; 0]);
    assert_eq!(wal.bytes_after(3, 6), 200);
    assert_eq!((wal.bytes_after(3, 0), wal.bytes_after(3, 8), wal.bytes_after(4, 0)), (400, 0, 0));
    done.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_continue_a_log_is_refused_and_changes_nothing() {
    let wal = open(&FaultDisk::default(), small()).await.unwrap();
    wal.append_synced(1, entries(10, 2, 1)).await.unwrap();
    let gap = |result, e, f| match result {
        Err(Error::Gap { group: 1, expected, found }) => assert_eq!((expected, found), (e, f)),
        other => panic!("{other:?}"),
    };
    gap(wal.append_synced(1, entries(11, 1, 1)).await, 12, 11);
    gap(wal.append_synced(1, entries(13, 1, 1)).await, 12, 13);
    let mut holed = entries(12, 3, 1);
    holed.remove(1);
    gap(wal.append_synced(1, holed).await, 13, 14);
    assert_eq!(wal.bounds(1), Some((10, 11)));
    wal.purge(1, 20, Bytes::from_static(b"m")).await.unwrap();
    assert_eq!((wal.bounds(1), wal.purged(1)), (None, Some((20, Bytes::from_static(b"m")))));
    wal.purge(1, 15, Bytes::from_static(b"older")).await.unwrap();
    gap(wal.append_synced(1, entries(12, 1, 1)).await, 21, 12);
    wal.append_synced(1, entries(21, 3, 1)).await.unwrap();
    wal.truncate(1, 22).await.unwrap();
    wal.append_synced(1, entries(22, 1, 9)).await.unwrap();
    assert_eq!(wal.bounds(1), Some((21, 22)));
    let large = Bytes::from(vec![0; wal::MAX_VALUE_BYTES + 1]);
    assert!(matches!(wal.put(1, 0, large).await, Err(Error::TooLarge { .. })));
    let payload = Bytes::from(vec![0; wal::MAX_ENTRY_BYTES + 1]);
    let result = wal.append_synced(1, vec![Entry { index: 23, payload }]).await;
    assert!(matches!(result, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_close_is_final_and_releases_the_directory() {
    let disk = FaultDisk::default();
    let wal = open(&disk, small()).await.unwrap();
    assert!(matches!(open(&disk, small()).await, Err(Error::Locked { .. })));
    wal.append_synced(1, entries(0, 3, 4)).await.unwrap();
    wal.put_later(2, 1, Bytes::from_static(b"later")).await.unwrap();
    let other = wal.clone();
    wal.close().await.unwrap();
    assert!(matches!(other.flush().await, Err(Error::Closed)));
    assert!(matches!(other.close().await, Err(Error::Closed)));
    let wal = open(&disk, small()).await.unwrap();
    assert_eq!((wal.groups(), wal.bounds(1)), (vec![1, 2], Some((0, 2))));
    assert_eq!(wal.get(2, 1), Some(Bytes::from_static(b"later")));
    wal.drop_group(1).await.unwrap();
    assert_eq!((wal.groups(), wal.bounds(1)), (vec![2], None));
    drop(wal);
}

#[tokio::test(start_paused = true)]
async fn a_later_put_waits_for_the_next_sync_or_for_idleness() {
    let disk = FaultDisk::default();
    let wal = open(&disk, small()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = disk.world().syncs;
    for value in 0..10u8 {
        wal.put_later(1, 0, Bytes::from(vec![value])).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(disk.world().syncs, before);
    assert_eq!(wal.get(1, 0), Some(Bytes::from(vec![9])));
    wal.append_synced(1, entries(1, 1, 1)).await.unwrap();
    assert_eq!(disk.world().syncs, before + 1);
    wal.put_later(1, 0, Bytes::from_static(b"last")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let syncs = disk.world().syncs;
    assert_eq!(syncs, before + 3, "the value, then a mark");
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(disk.world().syncs, syncs, "an idle log does nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_appends_share_few_syncs() {
    let disk = FaultDisk::slow(Duration::from_millis(3));
    let wal = open(&disk, Config { segment_bytes: 1 << 20, ..small() }).await.unwrap();
    let before = disk.world().syncs;
    let mut tasks = tokio::task::JoinSet::new();
    for group in 0..100 {
        let wal = wal.clone();
        tasks.spawn(async move { wal.append_synced(group, entries(1, 1, 100)).await });
    }
    tasks.join_all().await.into_iter().for_each(|result| result.unwrap());
    let syncs = disk.world().syncs - before;
    assert!(syncs < 20, "{syncs} syncs for 100 appends");
    wal.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_in_bytes() {
    let disk = FaultDisk::slow(Duration::from_millis(250));
    let wal = open(&disk, Config { queue_bytes: 4096, ..small() }).await.unwrap();
    let append = |index| wal.append(1, entries(index, 1, 3000), Box::new(|_| ()));
    append(1).await.unwrap();
    let second = tokio::time::timeout(Duration::from_millis(20), append(2)).await;
    assert!(second.is_err(), "there is no room before the first sync");
    append(2).await.unwrap();
    // What is larger than the queue goes through alone.
    wal.append_synced(1, entries(3, 1, 100_000)).await.unwrap();
    assert_eq!(wal.bounds(1), Some((1, 3)));
}

#[tokio::test]
async fn space_below_the_reserve_is_told() {
    let disk = FaultDisk::default();
    let config = Config { reserve_bytes: 1000, ..small() };
    let wal = open(&disk, config).await.unwrap();
    for (free, low) in [(999, true), (1000, false)] {
        disk.world().free = free;
        let room = wal.space().await.unwrap();
        assert_eq!((room.free, room.low), (free, low));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_group_does_not_pin_old_segments() {
    let disk = FaultDisk::default();
    let wal = open(&disk, small()).await.unwrap();
    wal.append_synced(9, entries(1, 3, 30)).await.unwrap();
    wal.put(9, 0, Bytes::from_static(b"vote")).await.unwrap();
    wal.purge(8, 77, Bytes::from_static(b"mark")).await.unwrap();
    for index in 1..500 {
        wal.append_synced(1, entries(index, 1, 100)).await.unwrap();
        if index % 10 == 0 {
            wal.purge(1, index - 5, Bytes::new()).await.unwrap();
        }
        assert!(wal.stats().segments <= 6, "{:?}", wal.stats());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stats = wal.stats();
    assert_eq!(stats.segments, disk.segments().len());
    assert_eq!(stats.bytes, disk.segments().iter().map(|(_, b)| b.len() as u64).sum::<u64>());
    assert!(stats.segments <= 3, "{stats:?}");
    assert_eq!((stats.groups, stats.entries), (3, 3 + 499 - 485));
    let before = observe(&wal).await.unwrap();
    wal.close().await.unwrap();
    let wal = open(&disk, small()).await.unwrap();
    assert_eq!(observe(&wal).await.unwrap(), before);
    assert_eq!(wal.entries(9, 1..4, 1 << 20).await.unwrap(), entries(1, 3, 30));
    assert_eq!(wal.get(9, 0), Some(Bytes::from_static(b"vote")));
    assert_eq!(wal.purged(8), Some((77, Bytes::from_static(b"mark"))));
}

#[tokio::test(start_paused = true)]
async fn restarts_do_not_pile_up_segments() {
    let disk = FaultDisk::default();
    for index in 1..50 {
        let wal = open(&disk, small()).await.unwrap();
        wal.append_synced(1, entries(index, 1, 20)).await.unwrap();
        wal.close().await.unwrap();
    }
    let wal = open(&disk, small()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(wal.stats().segments <= 10, "{:?}", wal.stats());
    assert_eq!(wal.bounds(1), Some((1, 49)));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_right_while_segments_come_and_go() {
    let disk = FaultDisk::slow(Duration::from_micros(50));
    let wal = open(&disk, Config { cache_bytes: 0, ..small() }).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for group in 0..4u64 {
        let (wal, reader) = (wal.clone(), wal.clone());
        tasks.spawn(async move {
            let group_id = group as u32;
            for index in 0..300 {
                wal.append_synced(group_id, entries(index, 1, 60)).await.unwrap();
                // The first group keeps its entries, so that old segments have to be emptied.
                if group > 0 && index % 7 == 0 {
                    wal.purge(group_id, index.saturating_sub(10), Bytes::new()).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            for _ in 0..200 {
                let found = reader.entries(group as u32, 0..u64::MAX, usize::MAX).await.unwrap();
                let first = found.first().map_or(0, |entry| entry.index);
                assert_eq!(found, entries(first, found.len() as u64, 60));
                tokio::task::yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    let before = observe(&wal).await.unwrap();
    wal.close().await.unwrap();
    let wal = open(&disk, small()).await.unwrap();
    assert_eq!(observe(&wal).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_a_real_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/log");
    let config = Config { segment_bytes: 64 << 10, cache_bytes: 1000, ..Config::default() };
    let start = || Wal::open(Arc::new(disk::OsDisk), path.clone(), config.clone());
    let wal = start().await.unwrap();
    assert!(matches!(start().await, Err(Error::Locked { .. })));
    for index in 0..50 {
        let (a, b) = (wal.clone(), wal.clone());
        let one = a.append_synced(1, entries(index * 10, 10, 300));
        let two = b.append_synced(2, entries(index * 10, 10, 30));
        let (one, two) = tokio::join!(one, two);
        one.and(two).unwrap();
    }
    wal.purge(1, 400, Bytes::from_static(b"term")).await.unwrap();
    let before = observe(&wal).await.unwrap();
    assert!(wal.space().await.unwrap().free > 0);
    wal.close().await.unwrap();
    let wal = start().await.unwrap();
    assert_eq!(observe(&wal).await.unwrap(), before);
    wal.close().await.unwrap();
}
