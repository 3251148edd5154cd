//! Rules of appends, truncations and drains.

use super::harness::{Machine, START, blob, chunks_of, delete, extent, extents_of, id, properties};
use crate::{Answer, Command, Commit, CommitMode, Drain, Truncate, UpdateContainer, read};
use model::{
    ContainerId, ContentId, ErrorKind, Extent, Object, ObjectName, Precondition, Subject, Version,
    Versioning,
};

fn name() -> ObjectName {
    "o".parse().unwrap()
}

fn locate(machine: &Machine, c: &ContainerId) -> Object {
    read::locate(&machine.memory, c, &name(), None).unwrap()
}

fn append(machine: &Machine, c: &ContainerId, size: u64) -> Commit {
    Commit { mode: CommitMode::Append, ..machine.commit(c, "o", size) }
}

fn run(commit: &Commit) -> Command {
    Command::Commit(Box::new(commit.clone()))
}

/// An object of two extents, with rows of 10, 10, 10 and 20 bytes.
fn machine() -> (Machine, ContainerId, Vec<Extent>) {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let mut first = machine.commit(&c, "o", 30);
    let extent = extent(first.blob, 30, 3, machine.time);
    machine.with_extent(&mut first, &extent);
    machine.put_commit(first);
    let second = append(&machine, &c, 20);
    machine.put_commit(second);
    let extents = locate(&machine, &c).extents().to_vec();
    assert_eq!(extents.iter().map(|e| e.metachunks.len()).collect::<Vec<_>>(), [3, 1]);
    (machine, c, extents)
}

/// Keeps extents, and rows of the last of them.
fn cut(machine: &Machine, c: &ContainerId, keep: (u32, u32), size: u64) -> Truncate {
    let object = locate(machine, c);
    Truncate {
        container: *c,
        incarnation: machine.incarnation(c),
        object: name(),
        version: None,
        expected_size: object.entry.size,
        expected_blobs: object.extents().iter().map(|e| e.blob).collect(),
        keep_extents: keep.0,
        keep_rows: keep.1,
        tail: None,
        size,
        delete_grace: 9,
    }
}

fn drain(c: &ContainerId, version: Option<Version>) -> Command {
    Command::Drain(Drain {
        container: *c,
        object: name(),
        version,
        precondition: Precondition::None,
        delete_grace: 9,
    })
}

#[test]
fn an_append_adds_to_the_version_there_is() {
    let (mut machine, c) = Machine::with_container(Versioning::Disabled);
    // There is none: it makes one, with all it says.
    let mut first = append(&machine, &c, 0);
    first.content = Some(ContentId([3; 16]));
    first.properties = properties(&[("a", "1"), ("b", "1")]);
    let version = machine.put_commit(first);
    let made = locate(&machine, &c);
    // An empty object takes the hash of what is added; nothing added changes nothing of it.
    let mut second = append(&machine, &c, 10);
    second.properties = properties(&[("b", "2")]);
    second.hash = Some(model::Hash([8; 32]));
    assert_eq!(machine.put_commit(second.clone()), version);
    let nothing = append(&machine, &c, 0);
    machine.put_commit(nothing.clone());
    let object = locate(&machine, &c);
    assert_eq!((object.entry.hash, object.entry.size), (second.hash, 10));
    assert_eq!(object.properties, properties(&[("a", "1"), ("b", "2")]));
    assert_eq!(object.entry.created, made.entry.created);
    assert!(object.entry.modified > made.entry.modified);
    // More has a hash that nobody knows.
    let third = append(&machine, &c, 20);
    match machine.ok(run(&third)) {
        Answer::Committed { version: v, content, size, .. } => {
            assert_eq!((v, content, size), (version, ContentId([3; 16]), 30));
        }
        other => panic!("{other:?}"),
    }
    let object = locate(&machine, &c);
    assert_eq!((object.entry.hash, object.entry.md5), (None, None));
    assert_eq!(object.extents(), [extents_of(&second), extents_of(&third)].concat());
    // Late repetitions are refused, of the one that brought nothing too.
    for again in [&second, &nothing, &third] {
        assert_eq!(machine.refused_as(run(again)), ErrorKind::Conflict);
        let abort = Command::Abort { blob: again.blob };
        assert_eq!(machine.refused_as(abort), ErrorKind::Conflict);
    }
    let other = Commit { content: Some(ContentId([4; 16])), ..append(&machine, &c, 1) };
    assert_eq!(machine.refused_as(run(&other)), ErrorKind::Conflict);
    machine.ok(Command::UpdateContainer(UpdateContainer {
        container: c,
        properties: Default::default(),
        policy: None,
        versioning: None,
        quota: Some(Some(35)),
    }));
    let much = append(&machine, &c, 6);
    assert_eq!(machine.refused_as(run(&much)), ErrorKind::Exhausted);
    let little = append(&machine, &c, 5);
    machine.put_commit(little);
    assert_eq!(read::show_container(&machine.memory, &c).unwrap().bytes, 35);
}

#[test]
fn an_append_behind_a_marker_makes_a_version() {
    let (mut machine, c, _) = machine();
    let before = locate(&machine, &c).entry.version;
    machine.ok(delete(&c, "o", None));
    let new = append(&machine, &c, 4);
    let version = machine.put_commit(new);
    assert!(version > before);
    assert_eq!(locate(&machine, &c).entry.size, 4);
    let old = read::locate(&machine.memory, &c, &name(), Some(before)).unwrap();
    assert_eq!(old.entry.size, 50);
}

#[test]
fn a_cut_at_a_boundary_writes_nothing_anew() {
    for (keep, size) in [((2, 1), 50), ((1, 3), 30), ((1, 2), 20), ((1, 1), 10), ((0, 0), 0)] {
        let (mut machine, c, extents) = machine();
        let before = locate(&machine, &c).entry;
        let truncate = cut(&machine, &c, keep, size);
        let answer = machine.ok(Command::Truncate(Box::new(truncate)));
        assert!(matches!(answer, Answer::Committed { size: s, dropped: 0, .. } if s == size));
        let after = locate(&machine, &c);
        assert_eq!((after.entry.version, after.entry.content), (before.version, before.content));
        assert_eq!(after.extents().iter().map(Extent::length).sum::<u64>(), size);
        let gone: Vec<_> = machine.deletions().into_iter().flat_map(|d| d.chunks).collect();
        let left = chunks_of(after.extents());
        let want = chunks_of(&extents).into_iter().filter(|chunk| !left.contains(chunk));
        let want: std::collections::BTreeSet<_> = want.collect();
        assert_eq!(gone.len(), want.len());
        assert_eq!(gone.into_iter().collect::<std::collections::BTreeSet<_>>(), want);
        let container = read::show_container(&machine.memory, &c).unwrap();
        assert_eq!((container.objects, container.bytes), (1, size));
        // Bytes can be added again, and all goes with the version.
        let more = append(&machine, &c, 5);
        machine.put_commit(more);
        assert_eq!(locate(&machine, &c).entry.size, size + 5);
        machine.ok(delete(&c, "o", Some(before.version)));
        let records = machine.memory.0.keys().filter(|k| [0x24, 0x25, 0x2a].contains(&k[0]));
        assert_eq!(records.count(), 0);
    }
}

#[test]
fn truncations_are_refused() {
    type Edit = fn(&mut Truncate);
    let table: &[(&str, ErrorKind, Subject, Edit)] = &[
        ("no container", ErrorKind::NotFound, Subject::Container, |t| t.container = id("a", "x")),
        ("another incarnation", ErrorKind::Conflict, Subject::Container, |t| t.incarnation += 1),
        ("no object", ErrorKind::NotFound, Subject::Object, |t| t.object = "x".parse().unwrap()),
        ("no version", ErrorKind::NotFound, Subject::Object, |t| t.version = Some(Version(10))),
        ("longer", ErrorKind::Invalid, Subject::Object, |t| t.size = 51),
        ("another size", ErrorKind::Conflict, Subject::Object, |t| t.expected_size = 49),
        ("fewer extents", ErrorKind::Conflict, Subject::Object, |t| {
            t.expected_blobs.pop();
        }),
        ("other extents", ErrorKind::Conflict, Subject::Object, |t| t.expected_blobs.reverse()),
        ("rows there are not", ErrorKind::Invalid, Subject::Request, |t| t.keep_rows = 4),
        ("no rows of an extent", ErrorKind::Invalid, Subject::Request, |t| t.keep_rows = 0),
        ("extents there are not", ErrorKind::Invalid, Subject::Request, |t| t.keep_extents = 3),
        ("rows of no extent", ErrorKind::Invalid, Subject::Request, |t| t.keep_extents = 0),
        ("a size that is not kept", ErrorKind::Invalid, Subject::Request, |t| t.size = 15),
        ("a tail that was used", ErrorKind::Conflict, Subject::Object, |t| {
            t.tail = Some(extent(t.expected_blobs[0], 5, 1, START).into());
            t.size = 25;
        }),
        ("a tail under the quorum", ErrorKind::Unavailable, Subject::Chunk, |t| {
            let mut tail = extent(blob(&t.container, 900), 5, 1, START);
            tail.metachunks[0].volumes = vec![None; 4];
            t.tail = Some(tail.into());
            t.size = 25;
        }),
    ];
    let (mut machine, c, _) = machine();
    for (what, kind, subject, edit) in table {
        let mut truncate = cut(&machine, &c, (1, 2), 20);
        edit(&mut truncate);
        let error = machine.refused(Command::Truncate(Box::new(truncate)));
        assert_eq!((error.kind, error.subject), (*kind, *subject), "{what}: {error}");
    }
    let marker = cut(&machine, &c, (0, 0), 0);
    machine.ok(delete(&c, "o", None));
    let error = machine.refused(Command::Truncate(Box::new(marker)));
    assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Object));
}

#[test]
fn a_truncation_that_was_overtaken_is_refused() {
    let (mut machine, c, _) = machine();
    let late = cut(&machine, &c, (1, 1), 10);
    let more = append(&machine, &c, 5);
    machine.put_commit(more);
    assert_eq!(machine.refused_as(Command::Truncate(Box::new(late.clone()))), ErrorKind::Conflict);
    // Another length, then the same one again, with other bytes.
    let back = cut(&machine, &c, (1, 3), 30);
    machine.ok(Command::Truncate(Box::new(back)));
    let more = append(&machine, &c, 20);
    machine.put_commit(more);
    assert_eq!(locate(&machine, &c).entry.size, late.expected_size);
    assert_eq!(machine.refused_as(Command::Truncate(Box::new(late))), ErrorKind::Conflict);
}

#[test]
fn a_drained_object_is_all_but_its_content() {
    let (mut machine, c, extents) = machine();
    let before = locate(&machine, &c).entry;
    let stale = cut(&machine, &c, (1, 1), 10);
    machine.ok(drain(&c, None));
    let drained = machine.deletions();
    let chunks: Vec<_> = drained.iter().flat_map(|d| d.chunks.clone()).collect();
    assert_eq!(chunks, chunks_of(&extents));
    // Again, it is as it was.
    machine.ok(drain(&c, Some(before.version)));
    assert_eq!(machine.deletions(), drained);
    let refused = |result: Result<(), crate::Failure>| match result {
        Err(crate::Failure::Refused(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    let located = read::locate(&machine.memory, &c, &name(), None).map(drop);
    assert_eq!(refused(located), ErrorKind::Drained);
    let outline = read::outline(&machine.memory, &c, &name(), None).map(drop);
    assert_eq!(refused(outline), ErrorKind::Drained);
    assert_eq!(machine.refused_as(Command::Truncate(Box::new(stale))), ErrorKind::Drained);
    let more = append(&machine, &c, 5);
    assert_eq!(machine.refused_as(run(&more)), ErrorKind::Drained);
    // What is left: its metadata, its place in counters, its content id.
    let (entry, _) = read::show_object(&machine.memory, &c, &name(), None).unwrap();
    assert!(entry.drained && !entry.marker);
    assert_eq!((entry.size, entry.content), (50, before.content));
    let found = read::resolve_content(&machine.memory, &c, &before.content).unwrap();
    assert_eq!(found, (name(), before.version));
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (1, 50));
    machine.ok(Command::UpdateObject(crate::UpdateObject {
        container: c,
        object: name(),
        version: None,
        precondition: Precondition::None,
        properties: crate::PropertyChanges { set: properties(&[("k", "v")]), ..Default::default() },
        mime_type: None,
        delete_at: None,
    }));
    let new = machine.put(&c, "o", 7);
    assert_eq!(locate(&machine, &c).entry.version, new);
    machine.ok(delete(&c, "o", Some(before.version)));
    assert_eq!(machine.deletions(), drained);
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (1, 7));
    assert_eq!(machine.refused_as(drain(&c, Some(before.version))), ErrorKind::NotFound);
}

#[test]
fn a_link_is_an_object_of_its_own() {
    let (mut machine, c, extents) = machine();
    let mut link = machine.commit(&c, "link", 50);
    link.extents = Vec::new();
    for (number, source) in (0..).zip(&extents) {
        let mut copy = source.clone();
        copy.blob = blob(&c, 700 + number);
        link.extents.push(copy.into());
    }
    link.blob = link.extents[0].blob;
    machine.put_commit(link.clone());
    let linked = "link".parse().unwrap();
    let object = read::locate(&machine.memory, &c, &linked, None).unwrap();
    let origins: Vec<_> = object.extents().iter().map(|e| e.origin).collect();
    assert_eq!(origins, extents.iter().map(|e| e.origin).collect::<Vec<_>>());
    for extent in &link.extents {
        let owner = read::blob_owner(&machine.memory, &extent.blob).unwrap().unwrap();
        assert_eq!(owner.object, linked);
    }
    // The source may change and go.
    let source = locate(&machine, &c).entry.version;
    machine.ok(delete(&c, "o", Some(source)));
    let after = read::locate(&machine.memory, &c, &linked, None).unwrap();
    assert_eq!(after, object);
    let mut twice = machine.commit(&c, "twice", 50);
    twice.extents = vec![extents[0].clone().into(), extents[0].clone().into()];
    assert_eq!(machine.refused_as(run(&twice)), ErrorKind::Conflict);
}
