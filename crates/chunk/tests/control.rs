//! Control over gRPC, and the index behind its listings.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use http::StatusCode;
use model::ChunkName;
use proto::v1::{self, verify_chunk_response::Verdict, volumes_server::Volumes as _};
use std::{fs, sync::atomic::Ordering, time::Duration};
use support::{
    Fixture, chunk,
    disk::{Call, EIO},
    name, put_of,
};
use tonic::{Code, Request, Status};

fn service(fixture: &Fixture) -> chunk::service::Service {
    chunk::service::Service::new(fixture.server.volumes().clone(), support::pool())
}

async fn put(fixture: &Fixture, n: u32) -> ChunkName {
    let put = fixture.put(&name(n), chunk(&name(n), name(n).blob, 300_000)).await;
    assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
    name(n)
}

async fn list(fixture: &Fixture, marker: &str, limit: u32) -> Result<(Vec<String>, bool), Status> {
    let request = v1::ListChunksRequest { volume: 1, marker: marker.into(), limit };
    let listed = service(fixture).list_chunks(Request::new(request)).await?.into_inner();
    Ok((listed.chunks, listed.truncated))
}

/// Lists everything, once the index is whole.
async fn list_all(fixture: &Fixture) -> Vec<String> {
    for _ in 0..200 {
        match list(fixture, "", 0).await {
            Ok((chunks, truncated)) => {
                assert!(!truncated);
                return chunks;
            }
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the index is never whole");
}

async fn verify(fixture: &Fixture, chunk: &ChunkName) -> (Verdict, String) {
    let request = v1::VerifyChunkRequest { volume: 1, chunk: chunk.to_string() };
    let answer = service(fixture).verify_chunk(Request::new(request)).await.unwrap().into_inner();
    (answer.verdict(), answer.reason)
}

async fn delete(fixture: &Fixture, chunks: Vec<String>) -> Result<Vec<String>, Status> {
    let request = v1::DeleteChunksRequest { volume: 1, chunks };
    let answer = service(fixture).delete_chunks(Request::new(request)).await?.into_inner();
    Ok(answer.failures.into_iter().map(|f| f.chunk).collect())
}

#[tokio::test]
async fn volumes_tell_what_they_are() {
    let fixture = Fixture::new().await;
    put(&fixture, 1).await;
    let all = service(&fixture).list_volumes(Request::new(v1::ListVolumesRequest {})).await;
    let all = all.unwrap().into_inner().volumes;
    let [volume] = &all[..] else { panic!("{all:?}") };
    assert_eq!((volume.id, volume.chunks, volume.failed.as_str()), (1, 1, ""));
    assert_eq!(volume.identity, format!("{:032x}", 1));
    assert!(volume.capacity > volume.free && volume.free > 0);
    fixture.server.volumes().all()[0].health().fail("smoke");
    let all = service(&fixture).list_volumes(Request::new(v1::ListVolumesRequest {})).await;
    assert_eq!(all.unwrap().into_inner().volumes[0].failed, "smoke");
}

#[tokio::test]
async fn listings_are_in_byte_order_and_in_pages() {
    let fixture = Fixture::new().await;
    let mut names = Vec::new();
    for n in 0..30 {
        names.push(put(&fixture, n).await.to_string());
    }
    names.sort();
    assert_eq!(list_all(&fixture).await, names);
    let mut paged = Vec::new();
    let mut marker = String::new();
    loop {
        let (page, truncated) = list(&fixture, &marker, 7).await.unwrap();
        paged.extend(page);
        marker = paged.last().unwrap().clone();
        if !truncated {
            break;
        }
    }
    assert_eq!(paged, names);
    let strange = list(&fixture, "no name at all / \u{10ffff}", 7).await.unwrap();
    assert!(strange.0.is_empty());
}

#[tokio::test]
async fn deletes_go_in_batches_with_a_sync_per_directory() {
    let fixture = Fixture::new().await;
    let mut chunks = Vec::new();
    for n in 0..40 {
        chunks.push(put(&fixture, n).await.to_string());
    }
    let before = fixture.disk.dir_syncs.load(Ordering::SeqCst);
    chunks.push(name(999).to_string());
    assert!(delete(&fixture, chunks).await.unwrap().is_empty());
    let syncs = fixture.disk.dir_syncs.load(Ordering::SeqCst) - before;
    assert!((1..=16).contains(&syncs), "{syncs} syncs");
    assert!(fixture.chunks().is_empty());
    assert!(list_all(&fixture).await.is_empty());

    let too_many = vec![name(1).to_string(); 10_001];
    assert_eq!(delete(&fixture, too_many).await.unwrap_err().code(), Code::InvalidArgument);
    let bad = delete(&fixture, vec!["../volume.json".into()]).await;
    assert_eq!(bad.unwrap_err().code(), Code::InvalidArgument);
    let kept = put(&fixture, 1).await;
    fixture.disk.fail(Call::SyncDir, EIO);
    let failures = delete(&fixture, vec![kept.to_string()]).await.unwrap();
    assert_eq!(failures, [kept.to_string()], "nothing is called deleted that may come back");
    assert!(fixture.server.health().is_err());
}

#[tokio::test]
async fn a_directory_in_a_chunks_place_is_no_fault_of_the_volume() {
    let fixture = Fixture::new().await;
    let (gone, other) = (put(&fixture, 1).await, put(&fixture, 2).await);
    let path = fixture.paths().chunk(&gone);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let left = delete(&fixture, vec![gone.to_string(), other.to_string()]).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    assert!(path.is_dir() && !fixture.paths().chunk(&other).exists());
    put(&fixture, 3).await;
}

#[tokio::test]
async fn verification_finds_every_kind_of_damage() {
    let fixture = Fixture::new().await;
    let whole = put(&fixture, 1).await;
    assert_eq!(verify(&fixture, &whole).await, (Verdict::Whole, String::new()));
    assert_eq!(verify(&fixture, &name(7)).await.0, Verdict::Missing);

    // A link: the bytes name their origin, not this blob.
    let linked = put_of(&name(2), name(1).blob);
    let body = chunk(&name(1), name(1).blob, 70_000);
    let put = fixture.send(linked.body(http_body_util::Full::new(body)).unwrap()).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(verify(&fixture, &name(2)).await.0, Verdict::Whole);

    let path = fixture.paths().chunk(&whole);
    let sound = fs::read(&path).unwrap();
    for at in [0, 65_540, 200_000, sound.len() - 100, sound.len() - 1] {
        let mut rotten = sound.clone();
        rotten[at] ^= 4;
        fs::write(&path, rotten).unwrap();
        let (verdict, reason) = verify(&fixture, &whole).await;
        assert_eq!(verdict, Verdict::Damaged, "{at}");
        assert!(!reason.is_empty());
    }
    for cut in [0, 10, 65_544, sound.len() - 1] {
        fs::write(&path, &sound[..cut]).unwrap();
        assert_eq!(verify(&fixture, &whole).await.0, Verdict::Damaged, "cut at {cut}");
    }
    fs::write(&path, &sound).unwrap();
    fixture.disk.fail(Call::Read, EIO);
    assert_eq!(verify(&fixture, &whole).await.0, Verdict::Damaged);
    fixture.disk.fail(Call::Read, 0);
    assert_eq!(verify(&fixture, &whole).await.0, Verdict::Whole);
}

#[tokio::test]
async fn an_index_that_is_gone_or_damaged_is_rebuilt_from_the_chunks() {
    let mut fixture = Fixture::new().await;
    let mut names = Vec::new();
    for n in 0..50 {
        names.push(put(&fixture, n).await.to_string());
    }
    names.sort();
    // A crash: what was not closed is not believed.
    fixture = fixture.crash().await;
    assert_eq!(list_all(&fixture).await, names);
    // Closed in good order, it is; so a chunk added by hand is not seen.
    fixture.server.close().await;
    let stray = fixture.paths().chunk(&name(1000));
    fs::write(&stray, "").unwrap();
    fixture = fixture.crash().await;
    assert_eq!(list(&fixture, "", 0).await.unwrap().0, names);
    fs::remove_file(&stray).unwrap();

    for damage in ["gone", "garbage"] {
        fixture.server.close().await;
        let index = fixture.paths().index();
        if damage == "gone" {
            fs::remove_dir_all(&index).unwrap();
        } else {
            for file in support::names_in(&index.join("db")) {
                let path = index.join("db").join(file);
                if path.is_file() {
                    fs::write(path, vec![0x5a; 200_000]).unwrap();
                }
            }
        }
        fixture = fixture.crash().await;
        assert_eq!(list_all(&fixture).await, names, "{damage}");
        assert_eq!(fixture.server.volumes().all()[0].chunks(), 50);
    }
}

#[tokio::test]
async fn a_start_removes_temporaries_and_nothing_else() {
    let mut fixture = Fixture::new().await;
    let kept = put(&fixture, 1).await;
    fs::write(fixture.paths().temporaries().join("17"), "half a chunk").unwrap();
    fs::write(fixture.volume().join("chunks/0/README"), "not ours").unwrap();
    fixture = fixture.crash().await;
    assert!(fixture.temporaries().await.is_empty());
    assert!(fixture.volume().join("chunks/0/README").exists());
    assert_eq!(list_all(&fixture).await, [kept.to_string()]);
    assert_eq!(verify(&fixture, &kept).await.0, Verdict::Whole);
}
