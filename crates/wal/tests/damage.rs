//! What was durable and is damaged keeps the log from being opened; what was not is a tail.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::time::Duration;
use support::disk::FaultDisk;
use support::model::observe;
use support::{Rng, entries, killed, open, small};
use wal::{Config, Error};

fn one_segment() -> Config {
    Config { segment_bytes: 64 << 10, ..small() }
}

/// A disk with ten batches in one segment, the last of which nothing proves, and the bytes that
/// were written of the segment.
fn ten_batches() -> (FaultDisk, PathBuf, Vec<u8>) {
    let disk = FaultDisk::default();
    let on = disk.clone();
    let work = async move {
        let wal = open(&on, one_segment()).await.unwrap();
        for index in 1..=10 {
            wal.append_synced(7, entries(index, 1, 100)).await.unwrap();
        }
        wal
    };
    killed(work);
    let (path, bytes) = disk.segments().pop().unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (disk, path, bytes[..written].to_vec())
}

async fn quarantined(disk: &FaultDisk) -> (PathBuf, u64) {
    let before = disk.segments();
    let error = open(disk, one_segment()).await.err().unwrap();
    assert_eq!(disk.segments(), before, "a log that is not opened is not changed");
    match error {
        Error::Quarantine { file, offset, .. } => (file, offset),
        other => panic!("{other}"),
    }
}

const FRAME: usize = 48 + 104;

#[tokio::test]
async fn a_flipped_bit_before_the_last_batch_is_reported_with_its_place() {
    let (disk, path, bytes) = ten_batches();
    let last = bytes.len().next_multiple_of(8) - FRAME;
    for at in (0..last).filter(|at| !is_padding(&bytes, *at)) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        disk.poke(&path, bad);
        let (file, offset) = quarantined(&disk).await;
        assert_eq!(file, path);
        assert!(offset as usize <= at && at < offset as usize + FRAME, "byte {at}: {offset}");
    }
}

/// Padding is the only thing that no checksum covers.
fn is_padding(bytes: &[u8], at: usize) -> bool {
    let mut offset = 0;
    while offset + 48 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[offset + 4..offset + 8].try_into().unwrap());
        let end = offset + 48 + length as usize;
        let next = end.next_multiple_of(8);
        if (end..next).contains(&at) {
            return true;
        }
        offset = next;
    }
    false
}

#[tokio::test]
async fn a_flipped_bit_in_the_last_unproven_frame_is_a_tail() {
    let (disk, path, mut bytes) = ten_batches();
    let last = bytes.len() - 60;
    bytes[last] ^= 1;
    disk.poke(&path, bytes);
    let wal = open(&disk, one_segment()).await.unwrap();
    assert_eq!(wal.bounds(7), Some((1, 9)));
    let cut = disk.segments().swap_remove(0).1.len();
    assert!(cut <= last && cut % 8 == 0, "the tail is cut off, at {cut}");
    // What follows does not meet what was left behind, on this start or the next.
    wal.append_synced(7, entries(10, 2, 50)).await.unwrap();
    let before = observe(&wal).await.unwrap();
    wal.close().await.unwrap();
    let wal = open(&disk, one_segment()).await.unwrap();
    assert_eq!(observe(&wal).await.unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn after_a_second_of_idleness_or_a_close_the_last_frame_is_proven() {
    for close in [false, true] {
        let disk = FaultDisk::default();
        let wal = open(&disk, one_segment()).await.unwrap();
        wal.append_synced(7, entries(1, 1, 100)).await.unwrap();
        match close {
            true => wal.close().await.unwrap(),
            false => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        let (path, mut bytes) = disk.segments().pop().unwrap();
        let at = bytes.iter().rposition(|byte| *byte == 1).unwrap();
        bytes[at] ^= 1;
        disk.poke(&path, bytes);
        disk.world().cut(&mut Rng(1));
        quarantined(&disk).await;
    }
}

#[tokio::test]
async fn a_hole_of_zeros_is_damage_and_not_the_end() {
    let (disk, path, bytes) = ten_batches();
    let mut bad = bytes.clone();
    let end = bad.len() - FRAME - 40;
    bad[end - 3 * FRAME..end].fill(0);
    disk.poke(&path, bad);
    quarantined(&disk).await;
}

#[tokio::test]
async fn a_missing_or_shortened_segment_is_reported() {
    let build = async || {
        let disk = FaultDisk::default();
        let wal = open(&disk, small()).await.unwrap();
        for index in 1..=60 {
            wal.append_synced(7, entries(index, 1, 100)).await.unwrap();
        }
        wal.close().await.unwrap();
        disk
    };
    let count = build().await.segments().len();
    assert!(count > 4);
    for which in 0..count - 1 {
        let disk = build().await;
        let (path, bytes) = disk.segments().swap_remove(which);
        disk.poke(&path, bytes[..bytes.len() / 2].to_vec());
        assert_eq!(quarantined(&disk).await.0, path);
        // Without the evidence of the frames themselves, later segments still know.
        disk.poke(&path, Vec::new());
        assert_eq!(quarantined(&disk).await.0, path);
        disk.destroy(&path);
        quarantined(&disk).await;
    }
}

#[tokio::test]
async fn a_segment_of_a_newer_format_is_refused() {
    let (disk, path, mut bytes) = ten_batches();
    bytes[32] = 2;
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&bytes[4..48 + length]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    disk.poke(&path, bytes);
    let error = open(&disk, one_segment()).await.err().unwrap();
    assert!(matches!(error, Error::Version { version: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_stored_entry_that_rots_is_an_error_for_its_reader_only() {
    let disk = FaultDisk::default();
    let config = Config { cache_bytes: 0, ..one_segment() };
    let wal = open(&disk, config).await.unwrap();
    wal.append_synced(7, entries(1, 3, 100)).await.unwrap();
    let (path, mut bytes) = disk.segments().pop().unwrap();
    let at = bytes.iter().rposition(|byte| *byte == 3).unwrap();
    bytes[at] ^= 1;
    disk.poke(&path, bytes);
    assert_eq!(wal.entries(7, 1..3, usize::MAX).await.unwrap().len(), 2);
    let error = wal.entries(7, 1..4, usize::MAX).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    wal.append_synced(7, entries(4, 1, 1)).await.unwrap();
}
