//! Disks that fail: what is acknowledged, what is left, and who goes on.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use std::sync::atomic::Ordering;
use support::{
    Answer, Fixture, chunk,
    disk::{Call, EIO, EMFILE, EMLINK, ENOMEM, ENOSPC},
    name, request,
};

async fn put(fixture: &Fixture, n: u32) -> Answer {
    fixture.put(&name(n), chunk(&name(n), name(n).blob, 600_000)).await
}

#[tokio::test]
async fn a_failed_write_or_sync_takes_the_volume_out_of_service() {
    for (call, errno, status) in [
        (Call::SyncData, ENOMEM, StatusCode::SERVICE_UNAVAILABLE),
        (Call::Write, EIO, StatusCode::SERVICE_UNAVAILABLE),
        (Call::SyncData, EIO, StatusCode::SERVICE_UNAVAILABLE),
        (Call::Rename, EIO, StatusCode::SERVICE_UNAVAILABLE),
        (Call::SyncDir, EIO, StatusCode::GATEWAY_TIMEOUT),
    ] {
        let fixture = Fixture::new().await;
        assert_eq!(put(&fixture, 1).await.status, StatusCode::CREATED);
        fixture.disk.fail(call, errno);
        let failed = put(&fixture, 2).await;
        assert_eq!(failed.status, status, "{call:?}");
        // It is not trusted again, whatever the disk says now.
        fixture.disk.fail(call, 0);
        for answer in [put(&fixture, 3).await, fixture.get(&name(1)).await] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{call:?}");
            assert!(answer.text().contains("failed"), "{}", answer.text());
        }
        assert!(fixture.server.health().unwrap_err().contains("os error"));
        assert!(fixture.temporaries().await.is_empty());
        assert_eq!(fixture.chunks(), [name(1).to_string()], "{call:?}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_one_chunk_and_goes_on() {
    let fixture = Fixture::new().await;
    for call in [Call::Open, Call::Write, Call::SyncData, Call::Rename, Call::SyncDir] {
        fixture.disk.fail(call, ENOSPC);
        let full = put(&fixture, 1).await;
        assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE, "{call:?}");
        assert_eq!(full.header("x-cairn-kind"), "exhausted");
        assert!(fixture.temporaries().await.is_empty(), "{call:?}");
        assert!(fixture.chunks().is_empty(), "{call:?}");
        fixture.disk.fail(call, 0);
    }
    for (call, errno) in [(Call::Open, EMFILE), (Call::Open, ENOMEM), (Call::SyncDir, EMFILE)] {
        fixture.disk.fail(call, errno);
        assert_eq!(put(&fixture, 1).await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(fixture.chunks().is_empty());
        fixture.disk.fail(call, 0);
    }
    assert_eq!(put(&fixture, 1).await.status, StatusCode::CREATED);
    assert!(fixture.server.health().is_ok());
}

#[tokio::test]
async fn the_reserve_is_kept() {
    let fixture = Fixture::new().await;
    fixture.disk.free.store(1 << 20, Ordering::SeqCst);
    let full = put(&fixture, 1).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(full.text().contains("reserve"), "{}", full.text());
    fixture.disk.free.store(0, Ordering::SeqCst);
    assert_eq!(put(&fixture, 1).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_unreadable_chunk_breaks_the_answer_and_not_the_volume() {
    let fixture = Fixture::new().await;
    put(&fixture, 1).await;
    fixture.disk.fail(Call::Read, EIO);
    let broken = fixture.get(&name(1)).await;
    assert_eq!(broken.status, StatusCode::OK, "the head was sent before");
    assert!(broken.body.is_err(), "a short body must not look whole");
    fixture.disk.fail(Call::Read, 0);
    assert!(fixture.get(&name(1)).await.body.is_ok());

    // A file that was cut behind our back.
    let path = fixture.paths().chunk(&name(1));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let get = request("GET", &name(1)).body(Full::new(Bytes::new())).unwrap();
    let response = fixture.handler().answer(get).await;
    file.set_len(1000).unwrap();
    assert!(Answer::from(response).await.body.is_err());
}

#[tokio::test]
async fn a_link_beyond_the_limit_is_a_copy() {
    let fixture = Fixture::new().await;
    put(&fixture, 1).await;
    fixture.disk.fail(Call::Link, EMLINK);
    let copy = request("COPY", &name(1)).header("destination", name(2).to_string());
    let copied = fixture.send(copy.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(copied.status, StatusCode::CREATED, "{}", copied.text());
    let (a, b) = (fixture.get(&name(1)).await, fixture.get(&name(2)).await);
    assert_eq!(a.body.unwrap(), b.body.unwrap());
    assert!(fixture.temporaries().await.is_empty());
    assert_eq!(fixture.server.volumes().all()[0].chunks(), 2);
}
