//! Registration and heartbeats, against a directory that misbehaves.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use async_trait::async_trait;
use chunk::{Beat, DirectoryApi, Registered, Registration, identity::Identity};
use disk::OsDisk;
use model::{ClusterId, Error, ErrorKind, RequestId, Subject, VolumeId};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use support::{
    CLUSTER, Fixture,
    disk::{Call, EIO, ENOSPC},
};
use tokio::time::Instant;

/// Answers as it is told, and as a good directory would when it is told nothing.
#[derive(Default)]
struct Directory {
    registrations: Mutex<Vec<Registration>>,
    beats: Mutex<Vec<(Instant, Beat)>>,
    refusals: Mutex<VecDeque<Error>>,
    unknown: Mutex<Vec<VolumeId>>,
    down: Mutex<bool>,
}

#[async_trait]
impl DirectoryApi for Directory {
    async fn register(&self, registration: Registration) -> Result<Registered, Error> {
        self.registrations.lock().push(registration);
        match self.refusals.lock().pop_front() {
            Some(error) => Err(error),
            None => Ok(Registered { id: VolumeId(41), cluster: CLUSTER }),
        }
    }

    async fn heartbeat(&self, address: &str, beats: Vec<Beat>) -> Result<Vec<VolumeId>, Error> {
        assert_eq!(address, "127.0.0.1:7000");
        let now = Instant::now();
        self.beats.lock().extend(beats.into_iter().map(|b| (now, b)));
        if *self.down.lock() {
            return Err(Error::unavailable("no leader"));
        }
        Ok(std::mem::take(&mut *self.unknown.lock()))
    }
}

impl Directory {
    fn last(&self) -> Beat {
        self.beats.lock().last().unwrap().1.clone()
    }
}

/// Lets some seconds of heartbeats pass.
async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_millis(n * 1000 + 500)).await;
}

fn start(
    fixture: &Fixture,
    directory: &Arc<Directory>,
) -> tokio::task::JoinHandle<Result<(), Error>> {
    tokio::spawn(fixture.server.run_heartbeats(directory.clone(), std::future::pending()))
}

#[tokio::test(start_paused = true)]
async fn a_new_volume_gets_its_number_and_its_cluster_for_good() {
    let fixture = Fixture::new().await;
    let before = fixture.server.volumes().all()[0].identity();
    let directory = Arc::new(Directory::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let heart = tokio::spawn(fixture.server.run_heartbeats(directory.clone(), shutdown));
    seconds(3).await;
    let registration = directory.registrations.lock()[0].clone();
    assert_eq!(registration.identity, before.identity);
    assert_eq!(registration.location.as_str(), "host.v1");
    assert!(registration.capacity > 0);
    let written = Identity::read(&OsDisk, &fixture.paths().identity()).unwrap().unwrap();
    assert_eq!((written.id, written.cluster), (Some(VolumeId(41)), Some(CLUSTER)));
    assert!(fixture.server.volumes().get(VolumeId(41)).is_ok());
    assert!(fixture.server.volumes().get(VolumeId(1)).is_err());
    let beat = directory.last();
    assert_eq!((beat.report.id, beat.report.failed), (VolumeId(41), None));
    assert!(beat.report.score > 0);
    assert!((3..=5).contains(&directory.beats.lock().len()));
    stop.send(()).unwrap();
    assert_eq!(heart.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_gets_its_number_when_there_is_room() {
    let fixture = Fixture::new().await;
    let directory = Arc::new(Directory::default());
    fixture.disk.fail(Call::Write, ENOSPC);
    let _heart = start(&fixture, &directory);
    seconds(60).await;
    let tries = directory.registrations.lock().len();
    assert!((4..=12).contains(&tries), "{tries} tries in a minute");
    assert!(fixture.server.volumes().get(VolumeId(41)).is_err());
    assert!(fixture.server.health().is_ok(), "it is full, not failed");
    fixture.disk.fail(Call::Write, 0);
    seconds(20).await;
    assert!(fixture.server.volumes().get(VolumeId(41)).is_ok());
    assert_eq!(directory.last().report.failed, None);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_lost_its_memory_or_its_leader_is_told_again() {
    let fixture = Fixture::new().await;
    let directory = Arc::new(Directory::default());
    // Answers that say nothing of the outcome: the same request is sent again.
    let lost = Error::indeterminate("connection reset");
    directory.refusals.lock().extend([lost.clone(), lost]);
    let _heart = start(&fixture, &directory);
    seconds(20).await;
    let requests: Vec<RequestId> =
        directory.registrations.lock().iter().map(|r| r.request).collect();
    assert_eq!((requests.len(), requests[0]), (3, requests[2]));

    *directory.unknown.lock() = vec![VolumeId(41)];
    seconds(3).await;
    assert_eq!(directory.registrations.lock().len(), 4);
    assert_ne!(directory.registrations.lock()[3].request, requests[0]);

    *directory.down.lock() = true;
    directory.beats.lock().clear();
    seconds(60).await;
    let tries = directory.beats.lock().len();
    assert!((6..=12).contains(&tries), "{tries} tries in a minute");
    *directory.down.lock() = false;
    seconds(12).await;
    directory.beats.lock().clear();
    seconds(5).await;
    assert!(directory.beats.lock().len() >= 5, "back to one a second");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_every_volume_ends_the_server_with_the_reason() {
    let fixture = Fixture::new().await;
    let directory = Arc::new(Directory::default());
    let taken = Error::new(ErrorKind::Conflict, Subject::Volume, "it is alive at 10.0.0.7:7000");
    directory.refusals.lock().push_back(taken.clone());
    let heart = start(&fixture, &directory);
    assert_eq!(heart.await.unwrap(), Err(taken));
    assert!(directory.beats.lock().is_empty());

    // A directory of another cluster that does not look.
    let mut identity = fixture.server.volumes().all()[0].identity();
    identity.cluster = Some(ClusterId([7; 16]));
    identity.write(&OsDisk, &fixture.paths().identity()).unwrap();
    std::fs::remove_file(fixture.dir.path().join("data/volumes.json")).unwrap();
    let fixture = fixture.crash().await;
    let error = start(&fixture, &Arc::new(Directory::default())).await.unwrap().unwrap_err();
    assert!(error.message.contains("belongs to cluster"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told() {
    let fixture = Fixture::new().await;
    let directory = Arc::new(Directory::default());
    let _heart = start(&fixture, &directory);
    seconds(2).await;
    let good = directory.last().report.score;
    fixture.disk.free.store(1 << 20, Ordering::SeqCst);
    seconds(2).await;
    assert_eq!((directory.last().report.score, directory.last().report.free), (0, 1 << 20));
    fixture.disk.free.store(0, Ordering::SeqCst);
    seconds(1).await;
    let rising = directory.last().report.score;
    assert!(rising > 0 && rising <= 10.min(good), "{rising}");

    fixture.disk.fail(Call::SyncData, EIO);
    let engine = fixture.server.volumes().all()[0].engine().unwrap().clone();
    let writer = engine.put(&support::name(1), None).await.unwrap();
    assert!(writer.commit().await.is_err());
    seconds(2).await;
    let Beat { report, .. } = directory.last();
    assert_eq!(report.score, 0);
    assert!(report.failed.unwrap().contains("sync a chunk"));
}
