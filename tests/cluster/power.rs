//! The power goes while clients are at work, again and again.

use crate::harness::{
    Cluster, Daemon, Drive, Format, Mixed, Refusal, Scene, Store, eventually, names,
    server_arguments_with,
};
use client::{Client, LocatedChunk, TcpConnector};
use proto::v1::{
    VerifyChunkRequest, verify_chunk_response::Verdict, volumes_client::VolumesClient,
};
use rand::RngExt;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use transport::Secret;

/// Cuts of the same drive.
const CUTS: u64 = 10;

/// Cuts where it is about another kind of place.
const FEW_CUTS: u64 = 3;

/// Clients at work.
const CLIENTS: usize = 8;

const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client that works tries a call, and one that checks: longer than elections take.
const WORKING: Duration = Duration::from_secs(3);
const CHECKING: Duration = Duration::from_secs(30);

/// How long clients have to hear of what became of their calls.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long after the start the power may go. The state stores are synced, snapshots taken and
/// the log cut in the first second or two.
const LIFE: std::ops::Range<u64> = 300..4_000;

/// Little room, and snapshots after little, so that logs are cut in the few seconds of a life.
const CONFIG: &str = r#"
[metadata]
partitions = 4
delete_grace = "200ms"
volume_silence = "3s"
reserve = "16MiB"
snapshot_log = "16KiB"
"#;

/// What clients did to a store that loses power, and what is known to be whole in it.
#[derive(Default)]
struct Past {
    mixed: Mixed,
    verified: BTreeSet<String>,
}

impl Past {
    /// Lets clients work, until `cut` has cut the power and given it back.
    fn live<T>(&self, scene: &Scene, store: &Store, round: u64, cut: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        let client = store.client(WORKING);
        let puts = self.mixed.counts.puts();
        let clients = self.mixed.start(scene, &client, CLIENTS, round);
        let life = Duration::from_millis(rand::rng().random_range(LIFE));
        eventually("the clients get somewhere", PATIENCE, || {
            (since.elapsed() >= life && self.mixed.counts.puts() >= puts + 10).then_some(())
        });
        let cut = cut();
        clients.end(scene, LAST_WORDS);
        cut
    }

    /// What is wrong with a store whose daemons share the secret in a file.
    fn check(&mut self, scene: &Scene, store: &Store, secret: &Path) -> Vec<String> {
        let client = store.client(CHECKING);
        let mut wrong = scene.run(self.mixed.check(&client));
        wrong.extend(scene.run(self.check_chunks(&client, secret)));
        wrong
    }

    /// Every chunk that metadata names is whole on its disk: a content that can be read because
    /// the others make up for a lost one has lost it all the same.
    async fn check_chunks(&mut self, client: &Client, secret: &Path) -> Vec<String> {
        let key = Secret::read(secret).unwrap().access_key();
        let mut wrong = Vec::new();
        for (container, object) in self.mixed.places() {
            let (account, container, object) = names(&container, &object);
            let located = match client.locate_object(&account, &container, &object).await {
                Ok(located) => located,
                Err(error) => {
                    wrong.push(format!("{container}/{object} cannot be located: {error}"));
                    continue;
                }
            };
            for LocatedChunk { name, volume, .. } in located.chunks {
                let Some(volume) = volume else { continue };
                if !self.verified.insert(name.to_string()) {
                    continue;
                }
                let channel =
                    transport::channel(Arc::new(TcpConnector), &volume.address, &key, CHECKING);
                let request = VerifyChunkRequest { volume: volume.id.0, chunk: name.to_string() };
                let answer = VolumesClient::new(channel.unwrap()).verify_chunk(request).await;
                let answer = answer.unwrap().into_inner();
                if answer.verdict() != Verdict::Whole {
                    let why = (answer.verdict(), &answer.reason);
                    wrong.push(format!("{container}/{object}: chunk {name} is {why:?}"));
                }
            }
        }
        wrong
    }

    /// The cuts fell into the middle of things, and all kinds of things were done.
    fn assert_lively(&self, cuts: u64) {
        let counts = &self.mixed.counts;
        assert!(counts.fewest() >= cuts as usize && counts.open() > 0, "{counts:?}");
        eprintln!("{cuts} cuts: {counts:?}, {} chunks verified", self.verified.len());
    }
}

/// `cairn server` on a drive.
struct Powered<'a> {
    scene: &'a Scene,
    drive: &'a Drive,
    arguments: Vec<String>,
}

impl<'a> Powered<'a> {
    fn new(scene: &'a Scene, drive: &'a Drive) -> Self {
        let arguments = server_arguments_with(scene, &drive.path().join("data"), CONFIG);
        Self { scene, drive, arguments }
    }

    fn secret(&self) -> PathBuf {
        self.drive.path().join("data/secret")
    }

    fn start(&self) -> Result<(Daemon, Store), Refusal> {
        let mut server = self.scene.daemon("server", &self.arguments);
        let ready = server.ready_or_refused()?;
        Ok((server, Store { credentials: ready["credentials"].as_str().unwrap().into() }))
    }

    fn cut(&self, mut server: Daemon) -> Result<(), String> {
        server.freeze();
        self.drive.cut();
        server.kill();
        self.drive.restore()
    }
}

fn outlives_cuts(format: Format, cuts: u64) {
    let scene = Scene::new();
    let Some(drive) = Drive::new(&scene, format) else { return };
    let (powered, mut past) = (Powered::new(&scene, &drive), Past::default());
    let (mut server, mut store) = powered.start().unwrap();
    for cut in 1..=cuts {
        past.live(&scene, &store, cut, || powered.cut(server)).unwrap();
        (server, store) = powered.start().unwrap_or_else(|why| panic!("after cut {cut}: {why:?}"));
        let wrong = past.check(&scene, &store, &powered.secret());
        assert!(wrong.is_empty(), "after cut {cut}: {wrong:#?}");
        assert!(!server.log().contains("panicked"), "after cut {cut}");
    }
    // Some fell before and some behind a snapshot.
    assert!(server.log().contains("taking a snapshot"));
    past.assert_lively(cuts);
}

#[test]
fn a_store_outlives_ten_power_cuts() {
    outlives_cuts(Format::Ext4, CUTS);
}

#[test]
fn a_store_on_xfs_outlives_power_cuts() {
    outlives_cuts(Format::Xfs, FEW_CUTS);
}

/// The power of the whole cluster goes at once.
#[test]
fn a_cluster_outlives_power_cuts() {
    let scene = Scene::new();
    let Some(drive) = Drive::new(&scene, Format::Ext4) else { return };
    let mut past = Past::default();
    let mut cluster = Cluster::start_in(&scene, drive.path(), CONFIG, 3, &[2, 2, 2]);
    for cut in 1..=FEW_CUTS {
        let store = Store { credentials: cluster.store.credentials.clone() };
        let cut_power = || {
            cluster.kill_all_after(|| drive.cut());
            drive.restore()
        };
        past.live(&scene, &store, cut, cut_power).unwrap();
        cluster.restart(&cluster.roles());
        let wrong = past.check(&scene, &store, &scene.path("secret"));
        assert!(wrong.is_empty(), "after cut {cut}: {wrong:#?}");
    }
    past.assert_lively(FEW_CUTS);
}

/// What is not synced is lost by these cuts, and its loss is seen: without that, the tests above
/// would say nothing.
#[test]
fn a_drive_that_does_not_flush_is_found_out() {
    let scene = Scene::new();
    let Some(drive) = Drive::new(&scene, Format::Ext4WithoutFlush) else { return };
    let (powered, mut past) = (Powered::new(&scene, &drive), Past::default());
    let (server, store) = powered.start().unwrap();
    let restored = past.live(&scene, &store, 1, || powered.cut(server));
    let wrong = restored.map(|()| match powered.start() {
        Ok((_server, store)) => past.check(&scene, &store, &powered.secret()),
        Err(refusal) => vec![format!("{refusal:?}")],
    });
    assert_ne!(wrong, Ok(Vec::new()));
}
