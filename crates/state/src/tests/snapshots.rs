//! Rules of snapshots, and of scans for a volume.

use super::harness::{Machine, blob, create_container, delete, extent, id, properties};
use crate::{
    Answer, Command, CreateSnapshot, DiscardSnapshot, ImportBody, ImportVersion, PublishSnapshot,
    RecordScan, ScanCursor, ScanStep, read,
};
use model::{
    ContainerId, ContentId, ErrorKind, Frozen, JobId, ListQuery, Subject, Version, Versioning,
    VolumeId,
};

const JOB: JobId = JobId([1; 16]);
const OTHER: JobId = JobId([2; 16]);

fn create(source: ContainerId, target: &str, job: JobId) -> Command {
    Command::CreateSnapshot(CreateSnapshot {
        account: "a".parse().unwrap(),
        container: target.parse().unwrap(),
        source,
        source_incarnation: 1,
        job,
        policy: None,
        versioning: Versioning::Unlimited,
        quota: None,
        properties: properties(&[("k", "v")]),
    })
}

fn import(machine: &Machine, job: JobId, version: u64, number: u32) -> ImportVersion {
    let container = id("a", "s");
    let blob = blob(&container, number);
    ImportVersion {
        container,
        job,
        object: "o".parse().unwrap(),
        version: Version(version),
        body: ImportBody::Content {
            content: ContentId([number as u8; 16]),
            blob,
            size: 10,
            hash: None,
            md5: None,
            extents: Some(vec![extent(blob, 10, 1, machine.time).into()]),
        },
        created: 5,
        modified: 6,
        policy: "EC22".parse().unwrap(),
        mime_type: "text/plain".into(),
        delete_at: None,
        properties: properties(&[("p", "q")]),
    }
}

fn run(import: ImportVersion) -> Command {
    Command::ImportVersion(Box::new(import))
}

fn publish(job: JobId, objects: u64) -> Command {
    let (container, bytes) = (id("a", "s"), objects * 10);
    Command::PublishSnapshot(PublishSnapshot { container, job, objects, bytes })
}

#[test]
fn a_snapshot_is_seen_when_it_is_whole_and_frozen_for_good() {
    let (mut machine, source) = Machine::with_container(Versioning::Unlimited);
    machine.drain_outbox();
    let target = id("a", "s");
    assert_eq!(machine.refused_as(create(source, "c", JOB)), ErrorKind::Invalid);
    machine.ok(create_container("a", "x", Versioning::Suspended));
    assert_eq!(machine.refused_as(create(source, "x", JOB)), ErrorKind::AlreadyExists);
    machine.drain_outbox();
    let made = machine.ok(create(source, "s", JOB));
    let Answer::SnapshotTarget { incarnation, published: false } = made else { panic!("{made:?}") };
    let early = import(&machine, JOB, 20, 1);
    machine.ok(run(early.clone()));
    assert_eq!(machine.refused_as(run(early)), ErrorKind::AlreadyExists);
    let mut marker = import(&machine, JOB, 30, 2);
    marker.body = ImportBody::Marker;
    machine.ok(run(marker));

    // Nothing finds it, and no account hears of it.
    let commit = crate::Commit { incarnation, ..machine.commit(&target, "o", 5) };
    for command in [
        Command::Commit(Box::new(commit)),
        delete(&target, "o", None),
        Command::DeleteContainer { container: target },
    ] {
        let error = machine.refused(command);
        assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Container));
    }
    let make = create_container("a", "s", Versioning::Suspended);
    assert_eq!(machine.refused_as(make), ErrorKind::Conflict);
    assert!(machine.outbox().is_empty());

    // Another job takes it over with what is in it; the first one is out.
    let taken = machine.ok(create(source, "s", OTHER));
    assert_eq!(taken, Answer::SnapshotTarget { incarnation, published: false });
    let late = import(&machine, JOB, 40, 3);
    assert_eq!(machine.refused_as(run(late)), ErrorKind::Conflict);
    assert_eq!(machine.refused_as(publish(JOB, 1)), ErrorKind::Conflict);
    let mut far = import(&machine, OTHER, 40, 3);
    far.version = Version(u64::MAX);
    assert_eq!(machine.refused_as(run(far)), ErrorKind::Invalid);
    let second = import(&machine, OTHER, 40, 3);
    machine.ok(run(second));
    assert_eq!(machine.refused_as(publish(OTHER, 3)), ErrorKind::Conflict);
    machine.ok(publish(OTHER, 2));
    machine.ok(publish(OTHER, 2));
    let again = machine.ok(create(source, "s", OTHER));
    assert_eq!(again, Answer::SnapshotTarget { incarnation, published: true });
    assert_eq!(machine.refused_as(create(source, "s", JOB)), ErrorKind::AlreadyExists);

    let container = read::show_container(&machine.memory, &target).unwrap();
    assert_eq!((container.frozen, container.snapshot_of), (Frozen::Forever, Some(source)));
    assert_eq!((container.objects, container.bytes), (2, 20));
    assert_eq!(machine.outbox().len(), 1);
    let versions = machine.versions(&target, "o");
    let want = [(40, false), (30, true), (20, false)];
    assert_eq!(versions, want.map(|(version, marker)| (Version(version), marker)));
    assert_eq!(machine.refused_as(delete(&target, "o", None)), ErrorKind::Conflict);
    let second = import(&machine, OTHER, 50, 4);
    assert_eq!(machine.refused_as(run(second)), ErrorKind::NotFound);
    let object = read::locate(&machine.memory, &target, &"o".parse().unwrap(), None).unwrap();
    assert_eq!((object.entry.created, object.entry.modified), (5, 6));
    assert_eq!(object.properties, properties(&[("p", "q")]));
}

#[test]
fn a_discarded_snapshot_leaves_nothing_but_chunks_to_delete() {
    let (mut machine, source) = Machine::with_container(Versioning::Unlimited);
    machine.ok(create(source, "s", JOB));
    let first = import(&machine, JOB, 20, 1);
    machine.ok(run(first));
    let discard = |job| {
        let container = id("a", "s");
        Command::DiscardSnapshot(DiscardSnapshot { container, job, delete_grace: 1 })
    };
    assert_eq!(machine.refused_as(discard(Some(OTHER))), ErrorKind::Conflict);
    let gone = Answer::Flushed { versions: 1, markers: 0, complete: true };
    assert_eq!(machine.ok(discard(None)), gone);
    assert_eq!(machine.deletions().len(), 1);
    assert_eq!(machine.refused_as(discard(None)), ErrorKind::NotFound);
    machine.ok(create_container("a", "s", Versioning::Suspended));
    assert_eq!(machine.refused_as(discard(None)), ErrorKind::NotFound);
}

#[test]
fn a_scan_goes_on_where_it_was() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    for name in ["o", "p"] {
        let mut commit = machine.commit(&c, name, 40);
        let extent = extent(commit.blob, 40, 4, machine.time);
        machine.with_extent(&mut commit, &extent);
        machine.put_commit(commit);
    }
    let volume = VolumeId(3);
    let record = |step| Command::RecordScan(RecordScan { volume, step });
    let scan = |machine: &Machine| read::volume_scan(&machine.memory, volume).unwrap().unwrap();
    let advance = |from: Option<ScanCursor>, page: &read::ScanPage| {
        record(ScanStep::Advance {
            from,
            to: page.next.clone(),
            versions: page.versions,
            found: page.found.clone(),
        })
    };
    let first = read::scan_volume(&machine.memory, volume, None, 3).unwrap();
    assert_eq!(machine.refused_as(advance(None, &first)), ErrorKind::Conflict);
    machine.ok(record(ScanStep::Start));
    let started = scan(&machine).started;
    machine.ok(advance(None, &first));
    machine.ok(record(ScanStep::Start));
    assert_eq!((scan(&machine).found, scan(&machine).started), (3, started));
    // A leader of before, which has not seen that.
    assert_eq!(machine.refused_as(advance(None, &first)), ErrorKind::Conflict);
    let back = ScanStep::Advance {
        from: first.next.clone(),
        to: first.next.clone(),
        versions: 0,
        found: Vec::new(),
    };
    assert_eq!(machine.refused_as(record(back)), ErrorKind::Invalid);
    let mut at = first.next;
    while at.is_some() {
        let page = read::scan_volume(&machine.memory, volume, at.as_ref(), 3).unwrap();
        machine.ok(advance(at, &page));
        at = page.next;
    }
    let done = scan(&machine);
    assert_eq!((done.found, done.versions, done.cursor), (8, 2, None));
    assert_eq!(done.finished, Some(machine.time));
    assert_eq!(machine.repairs().len(), 8);
    assert_eq!(read::volume_scans(&machine.memory).unwrap().len(), 1);
    machine.ok(record(ScanStep::Start));
    assert_eq!((scan(&machine).found, scan(&machine).finished), (0, None));
    machine.ok(record(ScanStep::Forget));
    assert!(read::volume_scan(&machine.memory, volume).unwrap().is_none());
}

#[test]
fn listings_come_with_properties_if_asked() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    for name in ["d/x", "o"] {
        let mut commit = machine.commit(&c, name, 5);
        commit.properties = properties(&[("name", name)]);
        machine.put_commit(commit);
    }
    machine.put(&c, "plain", 5);
    let list = |asked, delimiter: &str| {
        let query = ListQuery {
            properties: asked,
            delimiter: delimiter.into(),
            limit: 10,
            ..Default::default()
        };
        let page = read::list_objects(&machine.memory, &c, &query).unwrap();
        let entries = page.items.into_iter().filter_map(|item| match item {
            model::ListedName::Entry(entry) => Some(entry.properties),
            model::ListedName::Prefix(_) => None,
        });
        entries.collect::<Vec<_>>()
    };
    let of = |name| Some(properties(&[("name", name)]));
    assert_eq!(list(false, ""), [None, None, None]);
    assert_eq!(list(true, ""), [of("d/x"), of("o"), Some(properties(&[]))]);
    assert_eq!(list(true, "/"), [of("o"), Some(properties(&[]))]);
}

#[test]
fn listings_with_properties_are_bounded_in_bytes() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let large = "x".repeat(60_000);
    for number in 0..300 {
        let mut commit = machine.commit(&c, &format!("{number:04}"), 0);
        commit.properties = properties(&[("k", &large)]);
        machine.run(Command::Commit(Box::new(commit))).unwrap();
    }
    let mut query = ListQuery { properties: true, limit: 1000, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = read::list_objects(&machine.memory, &c, &query).unwrap();
        assert!(page.items.len() * 60_000 <= read::MAX_PAGE_BYTES);
        pages.push(page.items.len());
        match page.next {
            Some((marker, _)) => query.marker = marker,
            None => break,
        }
    }
    assert_eq!((pages.iter().sum::<usize>(), pages.len()), (300, 3));
}
