//! A write or sync that fails ends the log; nothing is acknowledged afterwards.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use support::disk::FaultDisk;
use support::{Rng, entries, killed, open, small};
use wal::Error;

async fn fails(broken: impl FnOnce(&FaultDisk), action: &str) {
    let disk = FaultDisk::default();
    let wal = open(&disk, small()).await.unwrap();
    wal.append_synced(1, entries(1, 3, 10)).await.unwrap();
    broken(&disk);
    let calls = Arc::new(AtomicU32::new(0));
    for index in 4..8 {
        let calls = calls.clone();
        let done = Box::new(move |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Failed(_))));
            calls.fetch_add(1, Ordering::SeqCst);
        });
        wal.append(1, entries(index, 1, 10), done).await.unwrap();
    }
    let cause = wal.failed().await;
    assert!(matches!(&*cause, Error::Io { action: a, .. } if *a == action), "{cause}");
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    // The disk is fine again, but what it holds is not known.
    disk.world().fail_syncs = false;
    disk.world().fail_writes = false;
    let failed = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Failed(_))));
    failed(wal.append_synced(1, entries(8, 1, 1)).await);
    failed(wal.append_synced(1, entries(4, 1, 1)).await);
    failed(wal.put(1, 0, Bytes::new()).await);
    failed(wal.put_later(1, 0, Bytes::new()).await);
    failed(wal.truncate(1, 1).await);
    failed(wal.purge(1, 1, Bytes::new()).await);
    failed(wal.drop_group(1).await);
    failed(wal.flush().await);
    failed(wal.close().await);
    failed(wal.entries(1, 1..2, 10).await.map(drop));
    wal.failed().await;
    disk.world().cut(&mut Rng(5));
    let wal = open(&disk, small()).await.unwrap();
    assert!(wal.bounds(1).is_some_and(|(first, last)| first == 1 && last >= 3));
}

#[tokio::test]
async fn a_failed_write_ends_the_log() {
    fails(|disk| disk.world().fail_writes = true, "write").await;
}

#[tokio::test]
async fn a_failed_sync_ends_the_log() {
    fails(|disk| disk.world().fail_syncs = true, "sync").await;
}

#[tokio::test]
async fn entries_read_back_after_a_failed_sync_are_written_again() {
    let disk = FaultDisk::default();
    let wal = open(&disk, small()).await.unwrap();
    wal.append_synced(1, entries(1, 3, 10)).await.unwrap();
    disk.world().fail_syncs = true;
    assert!(wal.append_synced(1, entries(4, 2, 10)).await.is_err());
    drop(wal);
    disk.world().fail_syncs = false;
    // The process starts again and reads its writes from the cache. Their pages count as clean:
    // another sync of that file would succeed and write nothing, so only copies are safe.
    let old = disk.segments().pop().unwrap().0;
    let wal = open(&disk, small()).await.unwrap();
    assert_eq!(wal.bounds(1), Some((1, 5)));
    wal.close().await.unwrap();
    let mut bytes = disk.segments().into_iter().find(|(path, _)| *path == old).unwrap().1;
    let lost = bytes.windows(10).position(|bytes| *bytes == [4; 10]).unwrap();
    bytes.truncate(lost - 48);
    disk.poke(&old, bytes);
    let wal = open(&disk, small()).await.unwrap();
    let found = wal.entries(1, 0..9, 1 << 20).await.unwrap();
    assert_eq!(found, entries(1, 5, 10));
}

#[tokio::test]
async fn who_waits_when_the_runtime_stops_is_told() {
    let disk = FaultDisk::default();
    let told = Arc::new(AtomicU32::new(0));
    let (on, by) = (disk.clone(), told.clone());
    let wal = killed(async move {
        let wal = open(&on, small()).await.unwrap();
        let done = Box::new(move |result: Result<(), Error>| {
            assert!(result.is_err());
            by.fetch_add(1, Ordering::SeqCst);
        });
        wal.append(1, entries(1, 1, 1), done).await.unwrap();
        wal
    });
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert!(matches!(*wal.failed().await, Error::Stopped));
    assert!(matches!(wal.flush().await, Err(Error::Failed(_))));
    // The lock went with the writer.
    open(&disk, small()).await.unwrap();
}
