//! A metadata node whose data was lost, put back to an older copy, or damaged: it is refused and
//! says so, the others go on, and no acknowledged write is lost.

use crate::harness::{Cluster, Done, Load, Refusal, Role, Scene, caught_up, eventually};
use client::Client;
use rustix::process::Signal;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(180);

/// How long a call of a writer is tried.
const DEADLINE: Duration = Duration::from_secs(8);

/// Snapshots after little, so that logs are cut while a test runs.
const CONFIG: &str = r#"
[metadata]
partitions = 4
delete_grace = "200ms"
volume_silence = "3s"
reserve = "16MiB"
snapshot_log = "16KiB"
"#;

/// The node that things happen to, and another.
const NODE: Role = Role::Meta(1);
const OTHER: Role = Role::Meta(2);

/// Writers at work.
const WRITERS: usize = 4;

/// A cluster of three metadata nodes and what was written to it.
struct Trial<'a> {
    scene: &'a Scene,
    cluster: Cluster<'a>,
    client: Client,
    done: Vec<Done>,
}

impl<'a> Trial<'a> {
    fn new(scene: &'a Scene) -> Self {
        let cluster = Cluster::start_in(scene, &scene.path(""), CONFIG, 3, &[3]);
        let client = cluster.store.client(DEADLINE);
        Self { scene, cluster, client, done: Vec::new() }
    }

    fn start_writers(&self) -> Load {
        let round = self.done.len() as u64 + 1;
        Load::start(self.scene, &self.client, WRITERS, "THREECOPIES", round)
    }

    /// Writes go on in every container from now on.
    fn writes_go_on(&self, load: &Load) {
        let since = Instant::now();
        eventually("writes are acknowledged", PATIENCE, || {
            (load.fewest_acknowledged(since) >= 4).then_some(())
        });
    }

    fn finish(&mut self, load: Load) {
        self.done.push(load.finish(self.scene));
    }

    /// Some writes, all of them done.
    fn write(&mut self) {
        let load = self.start_writers();
        self.writes_go_on(&load);
        self.finish(load);
    }

    /// Copies the node's directory as it is at one moment.
    fn copy_running(&mut self, to: &Path) {
        let data = self.cluster.data(NODE);
        let daemon = self.cluster.daemon(NODE);
        daemon.freeze();
        copy(&data, to);
        daemon.signal(Signal::CONT);
    }

    fn wait_for_node(&self) {
        let address = self.cluster.address(NODE);
        eventually("the node catches up", PATIENCE, || {
            caught_up(self.scene, &self.client, address)
        });
    }

    /// The node, whose data is whole again, serves, and what it has is all that there is.
    fn comes_back(&mut self) {
        self.cluster.restart(&[NODE]);
        self.wait_for_node();
        self.cluster.kill(OTHER);
        let fresh = self.cluster.store.client(Duration::from_secs(30));
        self.check_with(&fresh);
        self.cluster.restart(&[OTHER]);
    }

    /// Nothing that was acknowledged is lost.
    fn check(&self) {
        self.check_with(&self.client);
    }

    fn check_with(&self, client: &Client) {
        self.done.iter().for_each(|done| done.check(self.scene, client));
    }
}

#[track_caller]
fn assert_says(refusal: &Refusal, says: &[&str]) {
    assert_eq!(refusal.code, Some(1), "{}", refusal.log);
    for words in says {
        assert!(refusal.log.contains(words), "{words:?} is not in {}", refusal.log);
    }
    assert!(!refusal.log.contains("panicked"), "{}", refusal.log);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn replace(dir: &Path, by: &Path) {
    std::fs::remove_dir_all(dir).unwrap();
    copy(by, dir);
}

/// The segments of a log, in order.
fn segments(log: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|name| name == "wal"));
    // One that is empty by now may go meanwhile.
    segments.filter_map(|path| Some((path.clone(), std::fs::read(path).ok()?))).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_wiped_node_is_no_member_and_comes_back_with_its_data() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    let load = trial.start_writers();
    trial.writes_go_on(&load);
    trial.cluster.kill(NODE);
    let (data, aside) = (trial.cluster.data(NODE), scene.path("aside"));
    std::fs::rename(&data, &aside).unwrap();

    for _ in 0..2 {
        let refusal = trial.cluster.refused(NODE);
        assert_says(&refusal, &["that of a new node", "is no member", "put its data back"]);
        trial.writes_go_on(&load);
    }
    trial.finish(load);
    trial.check();

    replace(&data, &aside);
    trial.comes_back();
}

#[test]
fn a_node_put_back_to_an_older_copy_is_quarantined_and_comes_back_with_the_newest() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    let load = trial.start_writers();
    trial.writes_go_on(&load);
    let data = trial.cluster.data(NODE);
    let [old, later, newest] = ["old", "later", "newest"].map(|name| scene.path(name));
    // In the middle of its first life, and of its second.
    trial.copy_running(&old);
    trial.cluster.kill(NODE);
    trial.cluster.restart(&[NODE]);
    trial.writes_go_on(&load);
    trial.copy_running(&later);
    // What it synced last it may not have said.
    let entries = |data: &Path| {
        let frames = segments(&data.join("log")).into_values().flat_map(|bytes| frames(&bytes));
        frames.map(|frame| (frame.kind == ENTRY).then_some(frame.sequence)).max().flatten()
    };
    let before = entries(&later);
    eventually("it acknowledges more", PATIENCE, || {
        (entries(&data) > before.map(|sequence| sequence + 100)).then_some(())
    });
    trial.cluster.kill(NODE);
    copy(&data, &newest);

    const BOOT: [&str; 2] = ["is quarantined", "its data directory knows nothing of it"];
    const LOG: [&str; 2] = ["is quarantined", "had synced its log up to sequence"];
    // It needs nobody to tell it that.
    const OWN: [&str; 2] = ["its state has applied entry", "is an older copy"];
    for (copy, part, why) in
        [(&old, "", BOOT), (&later, "", LOG), (&later, "log", OWN), (&old, "node.json", BOOT)]
    {
        replace(&data, &newest);
        match part {
            "node.json" => drop(std::fs::copy(copy.join(part), data.join(part)).unwrap()),
            _ => replace(&data.join(part), &copy.join(part)),
        }
        assert_says(&trial.cluster.refused(NODE), &why);
    }
    trial.writes_go_on(&load);
    // It knows for good, whoever else is there.
    trial.cluster.kill(OTHER);
    assert_says(&trial.cluster.refused(NODE), &BOOT);
    trial.cluster.restart(&[OTHER]);
    trial.writes_go_on(&load);
    trial.finish(load);
    trial.check();

    replace(&data, &newest);
    trial.comes_back();
}

/// Where a frame of the log is, by `wal/FORMAT.md`.
#[derive(Debug, Clone)]
struct Frame {
    kind: u8,
    sequence: u64,
    durable: u64,
    index: u64,
    at: usize,
    payload: Range<usize>,
}

/// The frames of a segment.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0;
    while at + 48 <= bytes.len() {
        let payload = at + 48..at + 48 + u32_at(at + 4) as usize;
        let sequence = u64_at(at + 16);
        let follows = frames.last().is_none_or(|last| last.sequence + 1 == sequence);
        if payload.end > bytes.len()
            || !follows
            || crc32fast::hash(&bytes[at + 4..payload.end]) != u32_at(at)
        {
            break;
        }
        let next = payload.end.next_multiple_of(8);
        frames.push(Frame {
            kind: bytes[at + 44],
            sequence,
            durable: u64_at(at + 24),
            index: u64_at(at + 32),
            at,
            payload,
        });
        at = next;
    }
    frames
}

/// Kinds of frames, as `wal/FORMAT.md` numbers them.
const ENTRY: u8 = 4;
const FREE: u8 = 11;
const KINDS: [(u8, &str); 11] = [
    (1, "begin"),
    (2, "group"),
    (3, "ready"),
    (ENTRY, "entry"),
    (5, "moved"),
    (6, "truncate"),
    (7, "purge"),
    (8, "put, as of a vote"),
    (9, "drop"),
    (10, "mark"),
    (FREE, "free"),
];

/// What segments hold at any time, however much of the log was cut; others are there by chance.
const ALWAYS: [u8; 5] = [1, 3, ENTRY, 7, 8];

#[test]
fn a_flipped_bit_in_a_frame_of_any_kind_keeps_a_node_from_starting() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    let load = trial.start_writers();
    trial.writes_go_on(&load);
    let log = trial.cluster.data(NODE).join("log");
    eventually("the log is cut", PATIENCE, || {
        let cut = |bytes: Vec<u8>| frames(&bytes).iter().any(|frame| frame.kind == 7);
        segments(&log).into_values().any(cut).then_some(())
    });
    trial.cluster.kill(NODE);
    // A second life, so that there are two segments.
    trial.cluster.restart(&[NODE]);
    trial.writes_go_on(&load);
    trial.cluster.kill(NODE);

    let written = segments(&log);
    let all = written.iter().map(|(path, bytes)| (path, frames(bytes)));
    let all: Vec<_> = all.flat_map(|(p, f)| f.into_iter().map(move |f| (p, f))).collect();
    // One that was about to be removed when the node was killed is read by nobody.
    let freed: Vec<String> = all
        .iter()
        .filter(|(_, frame)| frame.kind == FREE)
        .map(|(_, frame)| format!("{:016x}-", frame.index))
        .collect();
    let is_freed = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        freed.iter().any(|id| name.starts_with(id))
    };
    let all: Vec<_> = all.into_iter().filter(|(path, _)| !is_freed(path)).collect();
    let proven = all.iter().map(|(_, frame)| frame.durable).max().unwrap();
    let mut seen = BTreeSet::new();
    for (kind, name) in KINDS {
        // The newest is as good as any.
        let newest = all.iter().rfind(|(_, f)| f.kind == kind && f.sequence <= proven);
        let Some((path, frame)) = newest else { continue };
        seen.insert(kind);
        let at = match frame.payload.is_empty() {
            true => frame.at + 24,
            false => frame.payload.start + frame.payload.len() / 2,
        };
        flip(path, at);
        let before = segments(&log);
        let refusal = trial.cluster.refused(NODE);
        let place = format!("byte {}", frame.at);
        let file = path.file_name().unwrap().to_str().unwrap();
        assert_says(&refusal, &["the log is damaged", file, &place]);
        assert!(segments(&log) == before, "a damaged log is changed: {name}");
        flip(path, at);
    }
    assert!(ALWAYS.iter().all(|kind| seen.contains(kind)), "{seen:?}");
    trial.writes_go_on(&load);
    trial.finish(load);
    trial.check();
    trial.comes_back();
}

#[test]
fn a_log_that_lost_its_end_is_not_taken_for_a_torn_one() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    trial.write();
    trial.wait_for_node();
    trial.cluster.kill(NODE);
    let (data, newest) = (trial.cluster.data(NODE), scene.path("newest"));
    copy(&data, &newest);
    let (path, mut bytes) = segments(&data.join("log")).pop_last().unwrap();
    // Its very last entries it may not have told of.
    let frames = frames(&bytes);
    let lost = frames.iter().rev().filter(|frame| frame.kind == ENTRY).nth(10).unwrap();
    bytes[lost.at..].fill(0);
    std::fs::write(&path, bytes).unwrap();

    // Its own state is ahead of what is left; without that, others know.
    let refusal = trial.cluster.refused(NODE);
    assert_says(&refusal, &["its state has applied entry", "the end of the log is lost"]);
    std::fs::remove_dir_all(data.join("state")).unwrap();
    let refusal = trial.cluster.refused(NODE);
    assert_says(&refusal, &["is quarantined", "the end of its log is lost"]);
    trial.write();
    trial.check();
    replace(&data, &newest);
    trial.comes_back();
}

/// Files below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    below.flatten().collect()
}

#[test]
fn damaged_snapshots_are_passed_over_and_without_a_whole_one_a_node_is_refused() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    let load = trial.start_writers();
    let data = trial.cluster.data(NODE);
    let kept = || {
        let kept = |path: &PathBuf| path.extension().is_some_and(|name| name == "snapshot");
        let mut all = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
        for path in files_below(&data.join("snapshots")).into_iter().filter(kept) {
            all.entry(path.parent().unwrap().into()).or_default().push(path);
        }
        all
    };
    // Some partition has two, and its log is cut.
    eventually("snapshots are taken", PATIENCE, || {
        let frames = segments(&data.join("log")).into_values().flat_map(|bytes| frames(&bytes));
        let cut = frames.into_iter().any(|frame| frame.kind == 7);
        (cut && kept().values().any(|of_one| of_one.len() == 2)).then_some(())
    });
    trial.cluster.kill(NODE);
    let damage = |path: &Path| flip(path, std::fs::metadata(path).unwrap().len() as usize / 2);

    // The state is lost, and in place of the newest snapshot the one before it is taken.
    std::fs::remove_dir_all(data.join("state")).unwrap();
    for of_one in kept().values().filter(|of_one| of_one.len() == 2) {
        damage(of_one.iter().max().unwrap());
    }
    trial.cluster.restart(&[NODE]);
    assert!(trial.cluster.daemon(NODE).life().contains("a snapshot is damaged"));
    trial.writes_go_on(&load);
    trial.cluster.kill(NODE);

    // None is whole.
    std::fs::remove_dir_all(data.join("state")).unwrap();
    kept().values().flatten().for_each(|path| damage(path));
    let refusal = trial.cluster.refused(NODE);
    assert_says(&refusal, &["no whole snapshot covers the gap"]);
    trial.writes_go_on(&load);
    trial.finish(load);
    trial.check();
}

#[test]
fn a_flipped_bit_in_the_state_store_gives_no_wrong_answer_and_the_log_brings_it_back() {
    let scene = Scene::new();
    let mut trial = Trial::new(&scene);
    trial.write();
    trial.wait_for_node();
    let state = trial.cluster.data(NODE).join("state");
    trial.cluster.kill(NODE);
    // What a file is for is in its name, apart from numbers; the largest of each kind.
    let mut kinds = BTreeMap::new();
    for path in files_below(&state) {
        let name = path.strip_prefix(&state).unwrap().display().to_string();
        let kind = name.replace(|c: char| c.is_ascii_digit(), "");
        let size = std::fs::metadata(&path).unwrap().len();
        let largest = kinds.entry(kind).or_insert((0, path.clone()));
        *largest = (size, path).max(largest.clone());
    }
    kinds.retain(|_, (size, _)| *size > 0);
    assert!(kinds.len() >= 3, "{kinds:?}");
    let whole = scene.path("whole");
    copy(&state, &whole);
    for (kind, (size, path)) in kinds {
        flip(&path, size as usize / 2);
        let client = &trial.client;
        let up = |address: &str| caught_up(&scene, client, address);
        let ended = trial.cluster.restart_or_end(NODE, up);
        match ended {
            // It was not needed, or it was set aside: the node has all that there is.
            None => {
                let said = trial.cluster.daemon(NODE).life();
                eprintln!("{kind}: serves, aside: {}", said.contains("is set aside"));
                trial.cluster.kill(OTHER);
                trial.check_with(&trial.cluster.store.client(Duration::from_secs(30)));
                trial.cluster.restart(&[OTHER]);
                trial.write();
                trial.wait_for_node();
                trial.cluster.kill(NODE);
            }
            Some(refusal) => {
                eprintln!("{kind}: {:?}", refusal.log.lines().last());
                assert_says(&refusal, &[]);
                // The way back that operators are told.
                std::fs::remove_dir_all(&state).unwrap();
                trial.cluster.restart(&[NODE]);
                trial.wait_for_node();
                trial.cluster.kill(NODE);
            }
        }
        replace(&state, &whole);
    }
    trial.write();
    trial.check();
    trial.comes_back();
}
