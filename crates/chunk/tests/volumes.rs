//! Which directories become volumes, and which are refused.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use chunk::{ChunkServer, Config, OpenError, Seams, identity::Identity};
use disk::OsDisk;
use model::{ClusterId, VolumeId};
use std::{fs, path::Path, sync::Arc};
use support::{CLUSTER, config, make_volume, names_in};

async fn open(config: Config) -> Result<ChunkServer, OpenError> {
    ChunkServer::open(config, Arc::new(OsDisk)).await
}

fn formatting(dir: &Path, volumes: &[&str]) -> Config {
    Config { format: true, ..config(dir, volumes) }
}

async fn refusal(config: Config) -> OpenError {
    match open(config).await {
        Ok(_) => panic!("it must be refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_empty_directory_becomes_a_volume_when_allowed_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/new/v1");
    let refused = refusal(config(dir.path(), &["a/new/v1"])).await;
    assert!(matches!(refused, OpenError::NotFormatted { .. }), "{refused}");
    assert!(!path.exists());
    // A new file system has this directory and counts as empty.
    fs::create_dir_all(path.join("lost+found")).unwrap();

    let server = open(formatting(dir.path(), &["a/new/v1"])).await.unwrap();
    let identity = server.volumes().all()[0].identity();
    assert_eq!((identity.cluster, identity.id), (None, None));
    assert_eq!(names_in(&path.join("chunks")).len(), 256);
    server.volumes().all()[0].adopt(VolumeId(7), CLUSTER).await.unwrap();
    server.close().await;
    drop(server);

    let server = open(config(dir.path(), &["a/new/v1"])).await.unwrap();
    let again = server.volumes().all()[0].identity();
    assert_eq!(again, Identity { cluster: Some(CLUSTER), id: Some(VolumeId(7)), ..identity });
    assert!(server.volumes().get(VolumeId(7)).is_ok());
    assert!(server.volumes().get(VolumeId(8)).is_err());
}

#[tokio::test]
async fn a_directory_with_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("v1")).unwrap();
    fs::write(dir.path().join("v1/thesis.tex"), "years of work").unwrap();
    let refused = refusal(formatting(dir.path(), &["v1"])).await;
    assert!(matches!(refused, OpenError::NotEmpty { .. }), "{refused}");
    assert_eq!(names_in(&dir.path().join("v1")), ["thesis.tex"]);
}

#[tokio::test]
async fn formatting_that_was_interrupted_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("v1/chunks/000")).unwrap();
    fs::write(dir.path().join("v1/formatting"), "").unwrap();
    let server = open(formatting(dir.path(), &["v1"])).await.unwrap();
    assert_eq!(server.volumes().all().len(), 1);
    assert!(!dir.path().join("v1/formatting").exists());
}

#[tokio::test]
async fn an_empty_mount_point_of_a_known_volume_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    make_volume(&dir.path().join("v1"), 1);
    drop(open(config(dir.path(), &["v1"])).await.unwrap());
    fs::rename(dir.path().join("v1"), dir.path().join("away")).unwrap();
    for empty in [false, true] {
        if empty {
            fs::create_dir(dir.path().join("v1")).unwrap();
        }
        let refused = refusal(formatting(dir.path(), &["v1"])).await;
        assert!(matches!(refused, OpenError::Vanished { .. }), "{refused}");
        assert!(refused.to_string().contains("mount its disk"), "{refused}");
    }
    // With another volume at work, the machine goes on without this one.
    make_volume(&dir.path().join("v2"), 2);
    let server = open(formatting(dir.path(), &["v1", "v2"])).await.unwrap();
    assert_eq!((server.volumes().all().len(), server.volumes().refused().len()), (1, 1));
    drop(server);
    // And with its disk back, it is served again.
    fs::remove_dir(dir.path().join("v1")).unwrap();
    fs::rename(dir.path().join("away"), dir.path().join("v1")).unwrap();
    let server = open(config(dir.path(), &["v1", "v2"])).await.unwrap();
    assert_eq!((server.volumes().all().len(), server.volumes().refused().len()), (2, 0));
}

#[tokio::test]
async fn volumes_of_other_clusters_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let identity = make_volume(&dir.path().join("v1"), 1);
    let other = ClusterId([9; 16]);
    let refused = refusal(Config { cluster: Some(other), ..config(dir.path(), &["v1"]) }).await;
    assert!(matches!(refused, OpenError::OtherCluster { .. }), "{refused}");
    // What the server belonged to, it remembers; and volumes must agree with each other.
    drop(open(config(dir.path(), &["v1"])).await.unwrap());
    let foreign = Identity { cluster: Some(other), identity: "f".repeat(32), ..identity };
    make_volume(&dir.path().join("v2"), 2);
    foreign.write(&OsDisk, &dir.path().join("v2/volume.json")).unwrap();
    for volumes in [&["v2"][..], &["v1", "v2"]] {
        let refused = refusal(config(dir.path(), volumes)).await;
        assert!(matches!(refused, OpenError::OtherCluster { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_volume_is_served_once() {
    let dir = tempfile::tempdir().unwrap();
    make_volume(&dir.path().join("v1"), 1);
    std::os::unix::fs::symlink(dir.path().join("v1"), dir.path().join("link")).unwrap();
    for volumes in [["v1", "v1"], ["v1", "link"]] {
        let refused = refusal(config(dir.path(), &volumes)).await;
        assert!(matches!(refused, OpenError::GivenTwice { .. }), "{refused}");
    }
    let server = open(config(dir.path(), &["v1"])).await.unwrap();
    let refused = refusal(config(dir.path(), &["v1"])).await;
    assert!(matches!(refused, OpenError::DataDirInUse { .. }), "{refused}");
    let elsewhere = Config { data_dir: dir.path().join("data2"), ..config(dir.path(), &["v1"]) };
    let refused = refusal(elsewhere.clone()).await;
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    server.close().await;
    open(elsewhere).await.unwrap();
}

#[tokio::test]
async fn identities_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    make_volume(&dir.path().join("v1"), 1);
    let file = dir.path().join("v1/volume.json");
    let sound = fs::read_to_string(&file).unwrap();
    for bad in ["", "{}", "[]", &sound.replace("\"fan_out_digits\": 1", "\"fan_out_digits\": 9")] {
        fs::write(&file, bad).unwrap();
        let refused = refusal(formatting(dir.path(), &["v1"])).await;
        assert!(matches!(refused, OpenError::Malformed { .. }), "{bad}: {refused}");
    }
    fs::write(&file, "{\"format\": 2, \"new\": true}").unwrap();
    let refused = refusal(formatting(dir.path(), &["v1"])).await;
    assert!(matches!(refused, OpenError::Newer { format: 2, .. }), "{refused}");
    let none = Config { volumes: Vec::new(), ..config(dir.path(), &[]) };
    assert!(matches!(refusal(none).await, OpenError::NoVolumes));
}

#[tokio::test]
async fn a_simulated_index_needs_no_files() {
    let dir = tempfile::tempdir().unwrap();
    make_volume(&dir.path().join("v1"), 1);
    let indexes = Arc::new(chunk::index::MemoryIndexes);
    let seams = Seams { indexes, ..Seams::new(Arc::new(OsDisk)) };
    let server = ChunkServer::open_with(config(dir.path(), &["v1"]), seams).await.unwrap();
    assert!(!dir.path().join("v1/index").exists());
    assert!(server.health().is_ok());
}
