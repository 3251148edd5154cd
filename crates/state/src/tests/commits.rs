//! Rules of commits, blobs and the fence.

use super::harness::{DAY, Machine, START, blob, chunks_of, extent, extents_of, id, properties};
use crate::{Answer, Command, Commit, CommitExtent, CommitMode, Rows, read};
use model::{
    Body, ErrorKind, MAX_WIDTH, Precondition, Subject, Version, Versioning, VolumeId, WriteId,
};

fn run(command: Commit) -> Command {
    Command::Commit(Box::new(command))
}

/// The version and what else the answer says.
fn committed(answer: Answer) -> (Version, u32, u32) {
    match answer {
        Answer::Committed { version, tolerance, dropped, .. } => (version, tolerance, dropped),
        other => panic!("{other:?}"),
    }
}

fn row(commit: &mut Commit) -> &mut model::Metachunk {
    &mut rows(&mut commit.extents[0])[0]
}

fn rows(extent: &mut CommitExtent) -> &mut Vec<model::Metachunk> {
    match &mut extent.rows {
        Rows::Inline(rows) => rows,
        Rows::Staged(_) => panic!("the rows are staged"),
    }
}

#[test]
fn a_commit_can_be_located() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let mut commit = machine.commit(&c, "o", 1000);
    commit.properties = properties(&[("k", "v")]);
    let (version, tolerance, dropped) = committed(machine.ok(run(commit.clone())));
    assert_eq!((tolerance, dropped), (2, 0));
    let object = read::locate(&machine.memory, &c, &commit.object, None).unwrap();
    assert_eq!(object.entry.version, version);
    assert!(object.entry.latest && !object.entry.marker);
    assert_eq!((object.entry.size, object.entry.content), (1000, commit.blob.into()));
    assert_eq!((object.entry.created, object.entry.modified), (machine.time, machine.time));
    assert_eq!(object.properties, commit.properties);
    assert_eq!(object.body, Body::Extents(extents_of(&commit)));
    let owner = read::blob_owner(&machine.memory, &commit.blob).unwrap().unwrap();
    assert_eq!((owner.container, owner.version), (c, version));
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (1, 1000));
    assert_eq!(container.modified, machine.time);
}

#[test]
fn an_empty_content_has_nothing_to_lose() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let commit = machine.commit(&c, "o", 0);
    let (_, tolerance, dropped) = committed(machine.ok(run(commit.clone())));
    assert_eq!((tolerance, dropped), (MAX_WIDTH as u32, 0));
    let object = read::locate(&machine.memory, &c, &commit.object, None).unwrap();
    assert!(object.extents().is_empty() && object.body != Body::Marker);
}

#[test]
fn commits_are_refused() {
    type Edit = fn(&mut Commit);
    let table: &[(&str, ErrorKind, Subject, Edit)] = &[
        ("no such container", ErrorKind::NotFound, Subject::Container, |c| {
            c.container = id("a", "other");
        }),
        ("another incarnation", ErrorKind::Conflict, Subject::Container, |c| c.incarnation += 1),
        ("a blob of another slot", ErrorKind::Invalid, Subject::Request, |c| c.blob.0[0] ^= 1),
        ("an extent of another blob", ErrorKind::Invalid, Subject::Request, |c| {
            c.extents[0].blob.0[9] ^= 1;
        }),
        ("no chunks for bytes", ErrorKind::Invalid, Subject::Request, |c| c.extents.clear()),
        ("chunks for no bytes", ErrorKind::Invalid, Subject::Request, |c| c.size = 0),
        ("no metachunk", ErrorKind::Invalid, Subject::Request, |c| {
            rows(&mut c.extents[0]).clear();
        }),
        ("sizes that differ", ErrorKind::Invalid, Subject::Request, |c| c.size += 1),
        ("an empty metachunk", ErrorKind::Invalid, Subject::Request, |c| row(c).length = 0),
        ("a metachunk too long", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).length = 2 * 16 * 65_536 + 1;
            c.size = row(c).length;
        }),
        ("too few places", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).volumes.pop();
        }),
        ("too many places", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).volumes.push(Some(VolumeId(9)));
        }),
        ("a volume twice", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).volumes[3] = Some(VolumeId(1));
        }),
        ("volume 0", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).volumes[3] = Some(VolumeId(0));
        }),
        ("rewritten chunks", ErrorKind::Invalid, Subject::Request, |c| {
            row(c).rewritten.push((0, WriteId(u64::MAX)));
        }),
        ("chunks of no blocks", ErrorKind::Invalid, Subject::Request, |c| {
            c.extents[0].chunk_blocks = 0;
        }),
        ("too few durable chunks", ErrorKind::Unavailable, Subject::Chunk, |c| {
            row(c).volumes[0] = None;
            row(c).volumes[3] = None;
        }),
        ("a long media type", ErrorKind::Invalid, Subject::Request, |c| {
            c.mime_type = "x".repeat(513);
        }),
        ("an empty property key", ErrorKind::Invalid, Subject::Request, |c| {
            c.properties = properties(&[("", "v")]);
        }),
        ("an upload before the fence", ErrorKind::Conflict, Subject::Chunk, |c| {
            row(c).write = WriteId::new(START / 1000 - 1, 0);
        }),
        ("over the quota", ErrorKind::Exhausted, Subject::Container, |c| {
            *c = Commit {
                extents: vec![extent(c.blob, 5001, 1, START).into()],
                size: 5001,
                ..c.clone()
            };
        }),
    ];
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    machine.ok(Command::RaiseFence { millis: START / 1000 });
    machine.ok(Command::UpdateContainer(crate::UpdateContainer {
        container: c,
        properties: Default::default(),
        policy: None,
        versioning: None,
        quota: Some(Some(5000)),
    }));
    for (what, kind, subject, edit) in table {
        let mut commit = machine.commit(&c, "o", 1000);
        edit(&mut commit);
        let error = machine.refused(run(commit));
        assert_eq!((error.kind, error.subject), (*kind, *subject), "{what}: {error}");
    }
    machine.put(&c, "o", 5000);
}

#[test]
fn a_quota_counts_what_an_overwrite_frees() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let quota = |quota| {
        Command::UpdateContainer(crate::UpdateContainer {
            container: c,
            properties: Default::default(),
            policy: None,
            versioning: None,
            quota: Some(quota),
        })
    };
    machine.put(&c, "o", 900);
    machine.ok(quota(Some(1000)));
    machine.put(&c, "o", 1000);
    machine.ok(quota(Some(500)));
    // Still over it, but less than before.
    machine.put(&c, "o", 800);
    let more = machine.commit(&c, "p", 1);
    assert_eq!(machine.refused_as(run(more)), ErrorKind::Exhausted);
    machine.ok(quota(None));
    machine.put(&c, "p", 1_000_000);
}

#[test]
fn preconditions_are_about_the_latest_version() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let with = |machine: &Machine, condition: &Precondition| {
        let mut commit = machine.commit(&c, "o", 10);
        commit.precondition = condition.clone();
        run(commit)
    };
    let tag = Precondition::Etag("07".repeat(32));
    for unmet in [Precondition::Version(Version(10)), tag.clone()] {
        assert_eq!(machine.refused_as(with(&machine.clone(), &unmet)), ErrorKind::Precondition);
    }
    let (first, ..) = committed(machine.ok(with(&machine.clone(), &Precondition::Absent)));
    let other = Precondition::Etag("08".repeat(32));
    for unmet in [Precondition::Absent, Precondition::Version(Version(first.0 + 10)), other] {
        assert_eq!(machine.refused_as(with(&machine.clone(), &unmet)), ErrorKind::Precondition);
    }
    machine.ok(with(&machine.clone(), &Precondition::Etag("07".repeat(32).to_uppercase())));
    assert_eq!(
        machine.refused_as(with(&machine.clone(), &Precondition::Version(first))),
        ErrorKind::Precondition
    );
    machine.ok(super::harness::delete(&c, "o", None));
    assert_eq!(machine.refused_as(with(&machine.clone(), &tag)), ErrorKind::Precondition);
    machine.ok(with(&machine.clone(), &Precondition::Absent));
}

#[test]
fn what_is_to_go_by_now_is_absent() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let absent = |machine: &mut Machine| {
        let mut commit = machine.commit(&c, "o", 10);
        commit.precondition = Precondition::Absent;
        run(commit)
    };
    let mut commit = machine.commit(&c, "o", 10);
    commit.delete_at = Some(machine.time / 1_000_000 + 5);
    machine.ok(run(commit));
    let too_soon = absent(&mut machine);
    assert_eq!(machine.refused_as(too_soon), ErrorKind::Precondition);
    machine.time += 5_000_000;
    let over = absent(&mut machine);
    let second = committed(machine.ok(over)).0;
    assert_eq!(machine.versions(&c, "o"), [(second, false)]);
}

#[test]
fn disabled_refuses_to_overwrite() {
    let (mut machine, c) = Machine::with_container(Versioning::Disabled);
    machine.put(&c, "o", 10);
    let commit = machine.commit(&c, "o", 10);
    assert_eq!(machine.refused_as(run(commit)), ErrorKind::AlreadyExists);
    machine.ok(super::harness::delete(&c, "o", None));
    machine.put(&c, "o", 10);
}

#[test]
fn suspended_replaces_and_unlimited_keeps() {
    for (versioning, kept) in
        [(Versioning::Suspended, 1), (Versioning::Unlimited, 3), (Versioning::Keep(2), 3)]
    {
        let (mut machine, c) = Machine::with_container(versioning);
        let first = machine.commit(&c, "o", 10);
        machine.put_commit(first.clone());
        machine.put(&c, "o", 20);
        machine.put(&c, "o", 30);
        assert_eq!(machine.versions(&c, "o").len(), kept);
        let container = read::show_container(&machine.memory, &c).unwrap();
        assert_eq!(container.objects, kept as u64);
        assert_eq!(container.bytes, if kept == 1 { 30 } else { 60 });
        let deletions = machine.deletions();
        assert_eq!(deletions.len(), 3 - kept);
        if let Some(deletion) = deletions.first() {
            let chunks: Vec<_> = chunks_of(&extents_of(&first));
            assert_eq!(deletion.chunks, chunks);
            assert_eq!(deletion.key.due, machine.time - 1 + 1000);
            assert!(read::blob_owner(&machine.memory, &first.blob).unwrap().is_none());
        }
    }
}

#[test]
fn what_is_to_be_a_version_replaces_nothing() {
    for versioning in [Versioning::Disabled, Versioning::Suspended] {
        let (mut machine, c) = Machine::with_container(versioning);
        let first = machine.put(&c, "o", 10);
        for name in ["o", "new"] {
            let commit = machine.commit(&c, name, 20);
            let error = machine.refused(run(Commit { mode: CommitMode::Version, ..commit }));
            assert_eq!((error.kind, error.subject), (ErrorKind::Conflict, Subject::Container));
        }
        assert_eq!(machine.versions(&c, "o"), [(first, false)]);
        assert!(machine.versions(&c, "new").is_empty());
    }
    for versioning in [Versioning::Keep(3), Versioning::Unlimited] {
        let (mut machine, c) = Machine::with_container(versioning);
        let first = machine.put(&c, "o", 10);
        let commit = machine.commit(&c, "o", 20);
        let answer = machine.ok(run(Commit { mode: CommitMode::Version, ..commit }));
        let second = committed(answer).0;
        assert_eq!(machine.versions(&c, "o"), [(second, false), (first, false)]);
    }
}

#[test]
fn what_keeps_what_is_there_is_a_version_above_it_everywhere() {
    for (versioning, left) in [(Versioning::Suspended, 2), (Versioning::Unlimited, 3)] {
        let (mut machine, c) = Machine::with_container(versioning);
        let first = machine.put(&c, "o", 10);
        let commit = machine.commit(&c, "o", 20);
        let answer = machine.ok(run(Commit { mode: CommitMode::Keep, ..commit }));
        let second = committed(answer).0;
        assert_eq!(machine.versions(&c, "o"), [(second, false), (first, false)]);
        let container = read::show_container(&machine.memory, &c).unwrap();
        let counted = (container.objects, container.bytes, container.live_objects);
        assert_eq!((counted, container.live_bytes), ((2, 30, 1), 20));
        // What is deleted does not show what it kept.
        machine.ok(super::harness::delete(&c, "o", None));
        let versions = machine.versions(&c, "o");
        assert_eq!((versions.len(), versions[0].1), (left, true));
        assert_eq!(versions.last(), Some(&(first, false)));
    }
    let (mut machine, c) = Machine::with_container(Versioning::Disabled);
    machine.put(&c, "o", 10);
    let commit = machine.commit(&c, "o", 20);
    let error = machine.refused(run(Commit { mode: CommitMode::Keep, ..commit }));
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[test]
fn versions_follow_log_time_in_steps_and_never_repeat() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let first = machine.put(&c, "o", 1);
    assert_eq!(first.0, machine.time.div_ceil(10) * 10);
    let second = machine.put(&c, "o", 1);
    assert_eq!(second.0, first.0 + 10);
    machine.ok(super::harness::delete(&c, "o", None));
    let third = machine.put(&c, "o", 1);
    assert_eq!(third.0, first.0 + 20);
    // A clock that goes back takes neither log time nor versions with it.
    machine.time -= DAY;
    let log_time = read::status(&machine.memory).unwrap().log_time;
    assert_eq!(machine.put(&c, "p", 1).0, first.0 + 30);
    assert_eq!(read::status(&machine.memory).unwrap().log_time, log_time);
    machine.time += 2 * DAY;
    assert_eq!(machine.put(&c, "o", 1).0, machine.time.div_ceil(10) * 10);
}

#[test]
fn a_blob_becomes_one_version_once() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let commit = machine.commit(&c, "o", 10);
    let version = machine.put_commit(commit.clone());
    let mut again = commit.clone();
    again.object = "p".parse().unwrap();
    assert_eq!(machine.refused_as(run(again)), ErrorKind::Conflict);
    let abort = Command::Abort { blob: commit.blob };
    assert_eq!(machine.refused_as(abort.clone()), ErrorKind::Conflict);
    // Not even once the version is gone.
    machine.ok(super::harness::delete(&c, "o", Some(version)));
    assert_eq!(machine.refused_as(run(commit.clone())), ErrorKind::Conflict);
    assert_eq!(machine.refused_as(abort), ErrorKind::Conflict);
    // Its record expires, and the fence takes over.
    machine.time += 3 * DAY;
    machine.ok(Command::RaiseFence { millis: 0 });
    assert!(!read::is_barred(&machine.memory, &commit.blob).unwrap());
    assert_eq!(machine.refused_as(run(commit)), ErrorKind::Conflict);
}

#[test]
fn an_aborted_blob_is_never_committed() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let commit = machine.commit(&c, "o", 10);
    let abort = Command::Abort { blob: commit.blob };
    assert_eq!(machine.ok(abort.clone()), Answer::Done);
    assert_eq!(machine.ok(abort), Answer::Done);
    assert_eq!(machine.refused_as(run(commit.clone())), ErrorKind::Conflict);
    machine.time += 3 * DAY - 10;
    machine.ok(Command::RaiseFence { millis: 0 });
    assert!(read::is_barred(&machine.memory, &commit.blob).unwrap());
    machine.time += 10;
    machine.ok(Command::RaiseFence { millis: 0 });
    assert!(!read::is_barred(&machine.memory, &commit.blob).unwrap());
    assert_eq!(machine.refused_as(run(commit)), ErrorKind::Conflict);
    let keys = machine.memory.0.keys().filter(|k| [0x26, 0x27].contains(&k[0])).count();
    assert_eq!(keys, 0);
}

#[test]
fn the_fence_only_rises_and_never_past_log_time() {
    let mut machine = Machine::new();
    let now = START / 1000;
    let raise = |millis| Command::RaiseFence { millis };
    assert_eq!(machine.ok(raise(now - 5)), Answer::Fence { millis: now - 5 });
    assert_eq!(machine.ok(raise(now - 9)), Answer::Fence { millis: now - 5 });
    assert_eq!(machine.refused_as(raise(now + 1)), ErrorKind::Invalid);
    assert_eq!(machine.ok(raise(now)), Answer::Fence { millis: now });
}

#[test]
fn a_re_created_container_takes_no_old_upload() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let old = machine.commit(&c, "o", 10);
    machine.ok(Command::DeleteContainer { container: c });
    machine.ok(super::harness::create_container("a", "c", Versioning::Suspended));
    assert_ne!(machine.incarnation(&c), old.incarnation);
    let error = machine.refused(run(old));
    assert_eq!((error.kind, error.subject), (ErrorKind::Conflict, Subject::Container));
    assert_ne!(blob(&c, 1), blob(&c, 2));
}
